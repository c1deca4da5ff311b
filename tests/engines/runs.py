"""Attempts at runs as tests hand them to a driver, and what becomes of them."""

import sys
import uuid
from pathlib import Path
from typing import Any

from ml_workspace_lab.compute.driver import Driver, Handle, Launch, Phase, Probe
from ml_workspace_lab.compute.model import Resources
from tests.conftest import eventually
from tests.engines.history import Attempt, History

WORKER = Path(__file__).with_name("worker.py")


def launch(
    history: History, *manners: str, run_id: str | None = None, attempt: int = 1, **wanted: Any
) -> Launch:
    """A new run's attempt, whose worker reports to `history`."""
    run_id = run_id or uuid.uuid4().hex
    walltime, grace = wanted.pop("walltime_s", None), wanted.pop("grace_s", 5)
    words = [sys.executable, str(WORKER), history.url, run_id, str(attempt), *manners]
    return Launch(run_id, attempt, words, {}, Resources(**wanted), walltime, grace)


def attempt_of(handle: Handle) -> Attempt:
    return handle.run_id, handle.attempt


def wait_for_claim(history: History, handle: Handle, seconds: float = 60) -> None:
    eventually(lambda: history.owner(attempt_of(handle)), seconds, "the attempt is claimed")


def wait_for(driver: Driver, handle: Handle, *phases: Phase, seconds: float = 60) -> Probe:
    def reached() -> Probe | None:
        probe = driver.probe([handle])[handle]
        return probe if probe.phase in phases else None

    found = eventually(reached, seconds, f"the attempt is {' or '.join(phases)}")
    assert found is not None
    return found
