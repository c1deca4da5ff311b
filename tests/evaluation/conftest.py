"""These tests run on SQLite and on PostgreSQL."""

from tests.postgresql import database_url as database_url
