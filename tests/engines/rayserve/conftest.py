"""A Ray of its own for all tests of this folder, beside that of the jobs'."""

from tests.engines.ray.conftest import cluster as cluster
from tests.engines.ray.conftest import shared as shared
from tests.engines.ray.conftest import token_file as token_file
