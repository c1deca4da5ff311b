"""Two runs beside each other: code, cells, parameters, environment, how they were asked for."""

import json
from pathlib import Path

import msgspec
import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.access.caller import acting_as
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.cli.main import run as command
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.environments.inspection import own_record
from ml_workspace_lab.environments.model import RecordRunEnvironment
from ml_workspace_lab.jobs.model import ScriptJob, SubmitRun


def notebook(*sources: str) -> str:
    cells = [{"cell_type": "code", "id": f"c{n}", "source": s} for n, s in enumerate(sources)]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def runs(ws: Workspace, tmp_path: Path) -> tuple[Run, Run]:
    """Two runs that differ in everything; neither is worked on."""
    folder, record, found = tmp_path / "code", own_record(), []
    folder.mkdir()
    for number in (1, 2):
        (folder / "train.py").write_text(f"import sys\nepochs = {number}  # <b>\nprint(epochs)\n")
        (folder / "nb.ipynb").write_text(notebook("same", f"rate = 0.{number}"))
        (folder / f"only{number}.bin").write_bytes(b"\0" * 10)
        body = SubmitRun(
            ScriptJob("train.py", [f"--epochs={number}"], {"rate": number / 10, "same": True}),
            ws.snapshots.take(folder).id,
            environment_variables={"TOKEN": f"secret{number}"},
            resources=Resources(cores=number),
            after=[],
        )
        (folder / f"only{number}.bin").unlink()
        run = ws.run(ws.connection.jobs.submit("e", body).run_id)
        run.cancel()
        packages = [p for p in record.packages if p.name != "msgspec" or number == 1]
        seen = msgspec.structs.replace(record, packages=packages, fingerprint=f"f{number}")
        ws.connection.environments.record(run.id, RecordRunEnvironment(seen))
        found.append(run)
    return found[0], found[1]


def test_a_diff_says_all_that_differs_and_nothing_else(
    ws: Workspace, runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = runs
    diff = first.diff(second)
    assert diff
    assert [(p.name, p.before, p.after) for p in diff.parameters] == [("rate", 0.1, 0.2)]
    settings = {s.name: (s.before, s.after) for s in diff.settings}
    assert settings == {
        "arguments": ('["--epochs=1"]', '["--epochs=2"]'),
        "environment_variables.TOKEN": ("(set)", "(set)"),
        "resources.cores": ("1.0", "2.0"),
    }
    assert [(p.name, p.after) for p in diff.packages] == [("msgspec", None)]
    assert {path: file.change for path, file in diff.files.items()} == {
        "nb.ipynb": "changed",
        "only1.bin": "removed",
        "only2.bin": "added",
        "train.py": "changed",
    }
    [cell] = diff.files["nb.ipynb"].cells
    assert (cell.change, cell.before, cell.after) == ("changed", 2, 2)
    assert cell.text == "@@ -1 +1 @@\n-rate = 0.1\n+rate = 0.2\n"
    assert "-epochs = 1  # <b>\n+epochs = 2  # <b>\n" in str(diff)
    shown = diff._repr_html_()
    assert "epochs = 2  # &lt;b&gt;" in shown
    assert "<b>" not in shown
    assert "secret" not in shown + str(diff)
    assert str(ws.diff(first.id, second)) == str(diff)
    assert "1 parameters, 1 packages, 4 files" in repr(diff)

    assert command(["-w", str(ws.location), "runs", "diff", first.id, second.id]) == 0
    assert capsys.readouterr().out == str(diff)
    words = ["-w", str(ws.location), "-o", "json", "runs", "diff", first.id, second.id]
    assert command(words) == 0
    assert json.loads(capsys.readouterr().out)["same"] is False


def test_a_run_does_not_differ_from_itself(runs: tuple[Run, Run]) -> None:
    diff = runs[0].diff(runs[0])
    assert not diff
    assert str(diff) == "Nothing differs.\n"
    assert "Nothing differs" in diff._repr_html_()


def test_what_is_not_known_is_said(ws: Workspace, runs: tuple[Run, Run]) -> None:
    other = ws.experiment("e").start_logging()
    other.log_params({"rate": 0.1, "nothing": None})
    other.complete()
    diff = runs[0].diff(other.id)
    assert [(p.name, p.only) for p in diff.parameters] == [("nothing", "after"), ("same", "before")]
    assert diff.notes == [
        f"Run {other.id} has no snapshot of its files.",
        f"What run {other.id} ran in is not known.",
    ]
    assert not diff.files


def test_who_may_not_read_snapshots_sees_no_code(ws: Workspace, runs: tuple[Run, Run]) -> None:
    some = Principal(name="x", role="Owner", actions=("experiments/runs/read",))
    with acting_as(some):
        found = ws.connection._services.run_diffs.get(runs[0].id, runs[1].id)  # type: ignore[attr-defined]
    assert not found.files
    assert "You may not see the files that runs started from." in found.notes
    assert found.parameters
