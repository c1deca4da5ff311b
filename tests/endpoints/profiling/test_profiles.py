"""Versions that are measured, by their real scoring processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from sklearn.linear_model import LinearRegression

from ml_workspace_lab import Model, Workspace
from ml_workspace_lab.cli.main import run as command
from ml_workspace_lab.client.scaling import scaling_of
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, ScoringFailed
from ml_workspace_lab.models.profiles.model import KeepProfile
from tests.conftest import arguments_of, eventually
from tests.endpoints.support import SCALE, scale_model, script

QUICK: dict[str, Any] = {"concurrency": (1, 4), "seconds": 0.4}


PROGRAM = "ml_workspace_lab.endpoints.profiling"
NO_INIT = "def init(): raise RuntimeError('no weights')\ndef run(data): ..."


def measured_processes(parent: int | None = None) -> list[psutil.Process]:
    """What a process, by default this one, has started to be measured."""
    words = [PROGRAM, str(parent or os.getpid())]
    return [one for one in psutil.process_iter() if arguments_of(one)[2:4] == words]


@pytest.fixture
def lines(ws: Workspace) -> Model:
    rows = np.arange(12.0).reshape(6, 2)
    model = LinearRegression().fit(rows, rows.sum(axis=1))
    return Model.register(ws, "lines", model=model, input_example=rows)


def test_a_version_is_measured_and_its_card_tells(ws: Workspace, lines: Model) -> None:
    with pytest.raises(NotFound, match="profiled"):
        scaling_of("profiled", lines)
    said: list[str] = []
    profile = lines.profile(engine="native", say=said.append, **QUICK)
    found = profile.measured
    assert [level.concurrency for level in found.levels] == [1, 4]
    for level in found.levels:
        assert level.requests > 10
        assert 0 < level.p50_ms <= level.p95_ms <= level.p99_ms < 10_000
        assert level.requests_per_second == pytest.approx(level.requests / 0.4, rel=0.5)
        assert 0 < level.cores < psutil.cpu_count() + 1
    assert found.engine.startswith("native")
    assert found.start_seconds > 0.1
    assert 20 < found.resident_mib <= found.peak_mib < 2000
    assert found.workers[0].workers == 1
    assert 1 <= found.recommended_workers <= found.workers[-1].workers
    for given in (profile, "profiled"):
        assert scaling_of(given, lines) == WorkerScaling(workers=found.recommended_workers)
    assert json.loads(found.sample) == {"data": [[0.0, 1.0]]}
    assert any("4 at once" in line for line in said)
    assert f"Recommended: {found.recommended_workers}. {found.reason}" in said
    assert all(one.cores + one.waited_cores > 0 for one in found.workers)
    assert not measured_processes()
    card = str(lines.card())
    assert f"recommended workers: {found.recommended_workers}. {found.reason}" in card
    assert "4 at once" in lines.card()._repr_html_()
    assert "p99" in str(profile)
    assert ws.connection.model_profiles.get("lines", 1) == profile.found
    lines.delete()
    with pytest.raises(NotFound):
        ws.connection.model_profiles.get("lines", 1)


def test_a_script_that_waits_is_given_several_processes(ws: Workspace, tmp_path: Path) -> None:
    waiting = "import time\ndef run(data):\n    time.sleep(0.02)\n    return 1\n"
    model = scale_model(ws, tmp_path, 2)
    found = model.profile({"x": 1}, scoring_script=script(tmp_path, waiting), **QUICK).measured
    assert found.has_script
    assert found.recommended_workers > 1, found.reason
    assert found.levels[0].p50_ms >= 20
    assert found.levels[1].p50_ms > 3 * found.levels[0].p50_ms, "one after the other"


@pytest.mark.parametrize(
    ("text", "sample", "error", "said"),
    [
        (SCALE, None, InvalidInput, "nothing to ask with"),
        (SCALE, {"x": float("nan")}, InvalidInput, "not JSON"),
        (SCALE, {"y": 1}, ScoringFailed, "500"),
        (NO_INIT, {}, ScoringFailed, "no weights"),
        ("import os; os.abort()", {}, ScoringFailed, "-6"),
        ("import os\ndef run(data): os.abort()", {}, ScoringFailed, "closed the connection"),
    ],
)  # fmt: skip
def test_what_can_not_be_measured_says_why_and_leaves_nothing_running(
    ws: Workspace, tmp_path: Path, text: str, sample: Any, error: type[Exception], said: str
) -> None:
    model = scale_model(ws, tmp_path, 2)
    with pytest.raises(error, match=said):
        model.profile(sample, scoring_script=script(tmp_path, text), **QUICK)
    assert not measured_processes()
    with pytest.raises(NotFound, match="profiled"):
        ws.connection.model_profiles.get("scale", 1)


@pytest.mark.parametrize("options", [{"concurrency": ()}, {"concurrency": (0,)}, {"seconds": 0}])
def test_numbers_that_make_no_sense_are_refused(lines: Model, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(options))):
        lines.profile(**options)


def test_a_profile_of_another_content_is_not_kept(ws: Workspace, lines: Model) -> None:
    kept = lines.profile(engine="native", say=lambda _: None, **QUICK).found
    with pytest.raises(Conflict, match="another content"):
        ws.connection.model_profiles.keep("lines", 1, KeepProfile("ab" * 32, kept.measured))


def words(ws: Workspace, *more: str) -> list[str]:
    return ["-w", ws.location, "model", "profile", "lines", "--version", "1", *more]


def test_the_command_prints_what_was_measured(
    ws: Workspace, lines: Model, capfd: pytest.CaptureFixture[str]
) -> None:
    quick = ["--seconds", "0.3", "--concurrency", "1,2", "--engine", "native"]
    assert command(words(ws, *quick)) == 0
    printed = capfd.readouterr()
    assert "Starting the scoring process." in printed.err
    assert "recommended workers: " in printed.out
    assert command(["-o", "json", "-w", ws.location, "model", "profiled", "lines", "1"]) == 0
    assert json.loads(capfd.readouterr().out)["measured"]["levels"][1]["concurrency"] == 2
    assert command(words(ws, "--concurrency", "1,x")) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_nothing_running(
    ws: Workspace, lines: Model, number: signal.Signals
) -> None:
    arguments = [sys.executable, "-m", "ml_workspace_lab.cli.main", *words(ws, "--seconds", "60")]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("It answers"):
            break
    assert measured_processes(process.pid)
    process.send_signal(number)
    assert process.wait(20) == (130 if number is signal.SIGINT else -9)
    eventually(lambda: not measured_processes(process.pid), what="nothing is left")
