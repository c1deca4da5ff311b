"""What a run costs is logged beside it, and never gets in its way."""

import secrets
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.compute.gpu_usage import GpuUsage
from ml_workspace_lab.compute.usage import SystemUsage
from ml_workspace_lab.errors import InvalidInput
from tests.conftest import eventually

ALWAYS = {
    "system/cpu_percent",
    "system/memory_mb",
    "system/memory_percent",
    "system/process_cpu_percent",
    "system/process_memory_mb",
}


def trackers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "ml-workspace-system-metrics"]


@pytest.fixture
def run(either: Workspace) -> Iterator[Run]:
    run = either.experiment(f"system-{secrets.token_hex(4)}").start_logging()
    yield run
    if not run.get_status().is_terminal:
        run.complete()
    assert trackers() == []


def test_readings_are_logged_until_the_run_ends(run: Run) -> None:
    run.track_system(0.1)
    eventually(lambda: isinstance(run.get_metrics().get("system/cpu_percent"), list))
    run.complete()
    found = run.get_metrics()
    assert set(found) >= ALWAYS
    assert all(0 <= value <= 100 for value in found["system/cpu_percent"])
    assert all(value > 1 for value in found["system/process_memory_mb"])


def test_a_run_shorter_than_the_interval_has_one_reading(either: Workspace) -> None:
    with either.experiment("short").start_logging(system_metrics=True) as run:
        run.log("loss", 1)
    assert set(run.get_metrics()) >= ALWAYS | {"loss"}
    assert trackers() == []


def test_called_again_the_interval_changes(run: Run) -> None:
    run.track_system(1000)
    run.track_system(500)
    assert len(trackers()) == 1


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "10", None])
def test_an_interval_that_is_none_is_refused(run: Run, seconds: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        run.track_system(seconds)
    assert refusal.value.field == "interval_seconds"
    assert trackers() == []


def test_a_run_that_was_ended_elsewhere_is_left_alone(run: Run) -> None:
    run.track_system(1000)
    run.workspace.run(run.id).complete()
    run._let_go()
    assert trackers() == []


def test_the_work_of_the_process_is_measured() -> None:
    """However little of a busy machine it gets."""
    began = time.monotonic()
    usage = SystemUsage()
    before = time.process_time()
    sum(number * number for number in range(3_000_000))
    worked = time.process_time() - before
    share = usage.read()["process_cpu_percent"]
    assert share > 50 * worked / (time.monotonic() - began)


def test_without_a_gpu_there_are_no_readings_of_one() -> None:
    assert GpuUsage().read() == {}


def test_every_gpu_that_tells_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no GPU here: NVIDIA's library is stood in for."""

    class NVMLError(Exception):
        pass

    def utilization(handle: int) -> SimpleNamespace:
        if handle == 1:
            raise NVMLError
        return SimpleNamespace(gpu=35)

    library: Any = ModuleType("pynvml")
    library.NVMLError = NVMLError
    library.nvmlInit = lambda: None
    library.nvmlDeviceGetCount = lambda: 3
    library.nvmlDeviceGetHandleByIndex = lambda place: place
    library.nvmlDeviceGetUtilizationRates = utilization
    library.nvmlDeviceGetMemoryInfo = lambda _: SimpleNamespace(used=2e9, total=8e9)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    found = GpuUsage().read()
    assert found == {
        f"gpu_{place}_{name}": value
        for place in (0, 2)
        for name, value in {"percent": 35, "memory_mb": 2000, "memory_percent": 25}.items()
    }
