"""Nothing that the workspace starts reports to the makers of its libraries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml_workspace_lab import telemetry
from ml_workspace_lab.compute.wake import clean_environment

ROOT = Path(__file__).parent.parent


def test_children_of_the_workspace_are_told_to_report_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in telemetry.OFF:
        monkeypatch.delenv(name, raising=False)
    found = clean_environment()
    assert found["ORT_DISABLE_TELEMETRY"] == "1"
    assert {name: found[name] for name in telemetry.OFF} == telemetry.OFF


def test_what_a_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert clean_environment()["ORT_DISABLE_TELEMETRY"] == "0"


def test_onnx_runtime_leaves_no_device_id_behind(tmp_path: Path) -> None:
    """Whoever opens a graph in a process of their own has not been told by its environment."""
    told = {name: os.environ[name] for name in os.environ if name not in telemetry.OFF}
    code = (
        "from ml_workspace_lab.models.compiled.graph import runtime;"
        "print(runtime().get_available_providers())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**told, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CPUExecutionProvider" in ended.stdout, ended.stderr
    assert list(tmp_path.rglob("*")) == []
