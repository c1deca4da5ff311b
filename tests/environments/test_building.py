"""Environments that runs are given: locked, built once, used by many."""

import os
from pathlib import Path

import pytest

from ml_workspace_lab import Environment, Run, ScriptRunConfig, Workspace
from ml_workspace_lab.environments.tools import BuildFailed
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from tests.conftest import eventually

pytestmark = pytest.mark.usefixtures("wheelhouse")

SCRIPT = """\
import os, sys, tiny, ml_workspace_lab
from ml_workspace_lab import Run
Run.get_context().log("x", 1)
print(sys.prefix, tiny.__version__, os.environ.get("FLAG"), ml_workspace_lab.__file__)
"""


def submit(ws: Workspace, folder: Path, environment: Environment | str) -> Run:
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "train.py").write_text(SCRIPT)
    config = ScriptRunConfig(folder / "src", "train.py", environment=environment)
    return ws.experiment("e").submit(config)


def tiny(version: str) -> Environment:
    return Environment.from_pip_requirements("small", [f"tiny=={version}"])


def test_a_run_has_the_packages_of_its_environment(ws: Workspace, tmp_path: Path) -> None:
    run = submit(ws, tmp_path, tiny("1.0").with_variables(FLAG="up"))
    run.wait_for_completion(timeout_seconds=240)
    assert run.get_metrics() == {"x": 1}
    prefix, version, flag, package = run.get_log().splitlines()[-1].split()
    assert (version, flag) == ("1.0", "up")
    assert prefix.startswith(os.environ["ML_WORKSPACE_ENVIRONMENTS"])
    assert Path(package).is_file()
    found = ws.connection.environments.of_run(run.id)
    assert (found.name, found.version) == ("small", 1)
    assert found.record is not None
    assert {p.name: p.version for p in found.record.packages}["tiny"] == "1.0"

    again = submit(ws, tmp_path, "small")
    again.wait_for_completion(timeout_seconds=60)
    assert again.get_log().split()[:2] == [prefix, "1.0"]
    assert "Installing packages" not in again.get_log()


def test_the_same_content_is_the_same_version(ws: Workspace) -> None:
    first = Environment.from_pip_requirements("e", ["Tiny == 1.0"]).register(ws)
    again = Environment.from_pip_requirements("e", ["tiny==1.0"], description="x").register(ws)
    other = Environment.from_pip_requirements("e", ["tiny==2.0"]).register(ws)
    flagged = first.with_variables(FLAG="up").register(ws)
    assert [e.version for e in (first, again, other, flagged)] == [1, 1, 2, 3]
    lock = ws.connection.environments.get("e", 1).lock
    assert lock is not None
    assert lock.tool == "uv"
    assert "tiny==1.0 \\\n    --hash=sha256:" in lock.text
    assert ws.environments["e"].version == 3
    listed = ws.connection.environments.list().items
    assert [(e.name, e.version, e.kind) for e in listed] == [("e", 3, "pip")]


def test_what_can_not_be_had_is_refused_when_it_is_registered(ws: Workspace) -> None:
    with pytest.raises(BuildFailed, match=r"tiny==3\.0"):
        tiny("3.0").register(ws)
    with pytest.raises(InvalidInput, match=r"no Python 3\.99") as refusal:
        Environment.from_pip_requirements("e", ["tiny"], python_version="3.99").register(ws)
    assert refusal.value.field == "python_version"
    with pytest.raises(InvalidInput, match="too old"):
        Environment.from_pip_requirements("e", ["tiny"], python_version="3.8").register(ws)
    with pytest.raises(InvalidInput, match="no file of tiny has a hash"):
        wrong = f"tiny==1.0 --hash=sha256:{'0' * 64}"
        Environment.from_pip_requirements("e", [wrong]).register(ws)
    with pytest.raises(InvalidInput, match="no interpreter"):
        Environment.from_existing("e", "bin/python").register(ws)
    with pytest.raises(InvalidInput, match="does not have this package"):
        Environment.from_existing("e", "/bin/sh").register(ws)
    assert ws.environments == {}


def test_a_run_is_refused_an_environment_that_is_not_there(ws: Workspace, tmp_path: Path) -> None:
    for reference in ("none", "none:1"):
        with pytest.raises(InvalidInput, match="There is no environment none") as refusal:
            submit(ws, tmp_path, reference)
        assert refusal.value.field == "environment"
    with pytest.raises(InvalidInput, match="must be NAME or NAME:VERSION"):
        submit(ws, tmp_path, "../x")
    assert ws.runs() == []


def test_a_version_stays_while_a_run_waits_for_it(ws: Workspace, tmp_path: Path) -> None:
    run = submit(ws, tmp_path, tiny("1.0"))
    with pytest.raises(Conflict, match=run.id):
        ws.connection.environments.delete("small")
    run.wait_for_completion(timeout_seconds=240)
    ws.connection.environments.delete("small")
    with pytest.raises(NotFound):
        ws.connection.environments.get("small")
    assert ws.connection.environments.of_run(run.id).name == "small"
    assert tiny("1.0").register(ws).version == 2


def test_the_run_tells_why_its_environment_was_not_built(
    ws: Workspace, tmp_path: Path, wheelhouse: Path
) -> None:
    from tests.environments import wheels

    broken = wheels.make(wheelhouse, "broken", "1.0")
    environment = Environment.from_pip_requirements("broken", ["broken"]).register(ws)
    broken.unlink()
    run = submit(ws, tmp_path, environment)
    info = eventually(lambda: (i := run.info()).state.is_terminal and i, 120)
    assert info.state == "Failed"
    assert "Installing packages failed" in info.reason
    assert "broken" in info.reason

    assert [change.state for change in run.status_history][-2:] == ["Preparing", "Failed"]
