"""Images have what an environment was asked for, and nothing of what runs jobs in it."""

import sys
from pathlib import Path

import pytest

from ml_workspace_lab import Environment, Model, Workspace
from ml_workspace_lab.environments.model import CondaSpecification, PipRequirements
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.packages.needs import of_environment


@pytest.fixture
def database_url() -> None:
    """What is tried here does not touch the database."""


def test_what_was_asked_for_is_wanted() -> None:
    pip = of_environment(PipRequirements(["tiny==1.0", 'b[c]>2; python_version >= "3"']))
    assert [str(one) for one in pip] == ["tiny==1.0", 'b[c]>2; python_version >= "3"']
    conda = of_environment(CondaSpecification(["python=3.11", "numpy=2.1"], pip=["tiny"]))
    assert {one.name for one in conda} == {"numpy", "tiny"}


def test_an_interpreter_that_is_not_locked_is_refused(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "word.txt").write_text("hello")
    model = Model.register(ws, "m", tmp_path / "word.txt")
    Environment.from_existing("here", sys.executable).register(ws)
    with pytest.raises(InvalidInput, match="not locked"):
        model.package(environment="here")
