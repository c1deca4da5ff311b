"""Logging on a full disk: training goes on, metrics wait in memory, nothing is lost or doubled."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.test_full_disk import SMALL, can_mount

CODE = """
import sys, warnings
from pathlib import Path
from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput, StorageFull
from tests.conftest import end_agents, eventually

root = Path(sys.argv[1])
ws = Workspace.create("lab", root / "store")
run = ws.experiment("e").start_logging()
run.log("loss", 0, 0)
ballast = root / "ballast"
with ballast.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for step in range(1, 50_000):
        run.log("loss", step, step)
    run.log("auto", 1.5)
    run.log("auto", 2.5)
    for bad in (("m", "abc"), ("", 1), ("m", 1, 1.5), ("m", 1, 0, "now")):
        try:
            run.log(*bad)
            raise AssertionError(f"{bad} was taken")
        except InvalidInput as error:
            assert error.field in ("value", "name", "step", "time"), error
told = [str(one.message) for one in caught]
assert len(told) == 1 and "held in memory" in told[0], told
try:
    run.flush()
    raise AssertionError("there was room after all")
except StorageFull as error:
    assert error.hint
late = ws.run(run.id)
with warnings.catch_warnings(action="ignore"):
    late.log_list("late", [1, 2])
ballast.unlink()
late.log("late", 3)
late.flush()
shipment = run._metrics
eventually(lambda: not shipment._held, what="the points are in the journal")
run.log("loss", 50_000, 50_000)
run.complete()
assert run.get_metric_history("loss").steps.tolist() == list(range(50_001))
assert run.get_metric_history("auto").steps.tolist() == [0, 1]
assert run.get_metric_history("late").steps.tolist() == [0, 1, 2]
assert "m" not in run.get_metrics()
end_agents(root / "store")
print("held")
"""


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a small disk")
def test_metrics_wait_in_memory_for_room_on_a_full_disk(tmp_path: Path) -> None:
    assert "'" not in CODE
    command = SMALL.format(folder=tmp_path, python=sys.executable, code=CODE).replace("3m", "9m")
    ended = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stdout == "held\n", ended.stderr
