"""Tab after a magic offers its options and the names that the workspace knows."""

from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.notebook import arguments
from ml_workspace_lab.notebook.completion import complete
from tests.notebook.kernels import kernel_in


@pytest.fixture
def here(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with some names in it, in whose folder we are."""
    ws.write_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("training", "trial", "other"):
        ws.experiment(name).start_logging().complete()
    (tmp_path / "m.txt").write_text("m")
    Model.register(ws, "words", tmp_path / "m.txt")
    return ws


def test_options_are_offered(here: Workspace) -> None:
    parser = arguments.run_parser()
    assert complete(parser, "%ws_run --pa", "--pa") == ["--param"]
    assert {"--experiment", "-e", "--wait", "--help"} <= set(complete(parser, "%ws_run -", "-"))
    assert complete(arguments.init_parser(), "%ws_init --", "--") == ["--help"]


def test_names_are_offered_where_they_are_asked_for(here: Workspace) -> None:
    run = arguments.run_parser()
    assert complete(run, "%ws_run -e tr", "tr") == ["training", "trial"]
    assert complete(run, "%ws_run --experiment ", "") == ["other", "training", "trial"]
    assert complete(run, "%ws_run -c l", "l") == ["local"]
    assert complete(arguments.runs_parser(), "%ws_runs ", "") == ["other", "training", "trial"]
    assert complete(arguments.deploy_parser(), "%ws_deploy w", "w") == ["words"]
    register = arguments.register_parser()
    assert complete(register, "%ws_register ", "") == ["words"]
    assert complete(register, "%ws_register words --run ", "") == sorted(r.id for r in here.runs())


def test_what_is_not_a_name_of_ours_is_not_offered(here: Workspace) -> None:
    assert complete(arguments.deploy_parser(), "%ws_deploy words --script ", "") == []
    assert complete(arguments.register_parser(), "%ws_register words --object ", "") == []
    assert complete(arguments.run_parser(), "%ws_run ", "") == []


def test_without_a_workspace_options_are_still_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert complete(arguments.run_parser(), "%ws_run -e ", "") == []
    assert complete(arguments.run_parser(), "%ws_run --wa", "--wa") == ["--wait"]


def test_a_kernel_completes_in_its_cells(here: Workspace, tmp_path: Path) -> None:
    with kernel_in(tmp_path) as kernel:
        for line, wanted in [
            ("%ws_run -e tr", "training"),
            ("%%ws_run --pa", "--param"),
            ("%ws_deploy wo", "words"),
        ]:
            found = kernel(f"print(get_ipython().complete(None, {line!r}, {len(line)})[1])")
            assert wanted in found.text, line
