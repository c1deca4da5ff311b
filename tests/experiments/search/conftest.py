"""A workspace full of runs, on SQLite and on PostgreSQL, for tests that only read."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ml_workspace_lab import Workspace
from tests.experiments.search.population import Population, known, populate


@pytest.fixture(scope="package", params=["sqlite", "postgresql"])
def full(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(request.getfixturevalue("postgresql").schema())
        root = tmp_path_factory.mktemp("search")
        workspace = Workspace.create("search", root / "store", database=url)
        populate(workspace)
        yield workspace
        workspace.close()


@pytest.fixture(scope="package")
def runs(full: Workspace) -> Population:
    return known(full)
