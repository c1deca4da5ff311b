"""What runs ran in: captured, kept once, compared."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from ml_workspace_lab import ScriptRunConfig, Workspace
from ml_workspace_lab.environments import capture, inspection
from ml_workspace_lab.errors import InvalidInput
from tests.environments import wheels


def run_script(ws: Workspace, folder: Path, **options: object) -> str:
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "a.py").write_text("")
    run = ws.experiment("e").submit(ScriptRunConfig(folder / "src", "a.py", **options))  # type: ignore[arg-type]
    run.wait_for_completion(timeout_seconds=60)
    return run.id


def test_a_run_records_what_it_ran_in(ws: Workspace, tmp_path: Path) -> None:
    first, second = run_script(ws, tmp_path), run_script(ws, tmp_path)
    environments = ws.connection.environments
    found = environments.of_run(first)
    assert found.record is not None
    assert found.record.executable == sys.executable
    assert {p.name for p in found.record.packages} >= {"msgspec", "nbclient"}
    assert environments.of_run(second).digest == found.digest, "the same is kept once"
    assert environments.diff(first, second).same


def test_a_run_that_logs_without_a_job_has_no_record(ws: Workspace) -> None:
    run = ws.experiment("e").start_logging()
    run.complete()
    assert ws.connection.environments.of_run(run.id).record is None
    assert ws.connection.environments.diff(run.id, run.id).unknown == [run.id, run.id]


def test_any_interpreter_can_be_asked_what_it_has(tmp_path: Path) -> None:
    venv.create(tmp_path / "v", symlinks=True)
    python = str(tmp_path / "v" / "bin" / "python")
    assert inspection.record_of(python).packages == []
    site = next((tmp_path / "v").glob("lib/python3.*/site-packages"))
    wheel = wheels.make(tmp_path, "tiny", "1.5")
    before = capture.fingerprint(python, [str(site)])
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, site], check=True)
    record = inspection.record_of(python)
    assert [(p.name, p.version) for p in record.packages] == [("tiny", "1.5")]
    assert record.prefix == str(tmp_path / "v")
    assert record.folders == [str(site)]
    assert record.fingerprint == capture.fingerprint(python, record.folders) != before


def test_what_is_no_interpreter_is_refused() -> None:
    for python in ("/nowhere/python", "/bin/false", "/bin/echo"):
        with pytest.raises(InvalidInput, match="is not a Python interpreter"):
            inspection.record_of(python)


def test_no_secret_is_captured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MINE", "yes")
    found = capture.capture(("MINE", "ABSENT"))
    assert found["variables"].items() >= {"OMP_NUM_THREADS": "3", "MINE": "yes"}.items()
    assert "hidden" not in str(found)
    info = tmp_path / "x-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: x\nVersion: 1\n\nName: y\n")
    (info / "direct_url.json").write_text(
        '{"url": "https://me:hidden@packages.example/x", "vcs_info": {"commit_id": "abc"}}'
    )
    assert capture._package(str(info)) == {
        "name": "x",
        "version": "1",
        "url": "https://packages.example/x",
        "commit": "abc",
    }


def test_a_difference_is_told_package_by_package(ws: Workspace, tmp_path: Path) -> None:
    import msgspec

    from ml_workspace_lab.environments.model import PackageChange, RecordRunEnvironment, ValueChange
    from ml_workspace_lab.environments.record import PackageRecord

    runs = [run_script(ws, tmp_path), run_script(ws, tmp_path)]
    record = ws.connection.environments.of_run(runs[0]).record
    assert record is not None
    others = [p for p in record.packages if p.name != "nbclient"]
    changed = msgspec.structs.replace(
        record,
        packages=[*others, PackageRecord("new", "1", editable=True, url="file:///x")],
        python_version="3.99.0",
        variables={},
    )
    ws.connection.environments.record(runs[1], RecordRunEnvironment(changed))
    found = ws.connection.environments.diff(*runs)
    version = {p.name: p.version for p in record.packages}["nbclient"]
    assert found.packages == [
        PackageChange("nbclient", version, None),
        PackageChange("new", None, "1 editable file:///x"),
    ]
    assert ValueChange("python_version", record.python_version, "3.99.0") in found.values
    assert not found.same
