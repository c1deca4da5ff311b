"""These tests run on SQLite and on PostgreSQL; some on a workspace of the first release."""

from tests.postgresql import database_url as database_url
from tests.storage.schema1 import old as old
from tests.storage.schema1 import told as told
