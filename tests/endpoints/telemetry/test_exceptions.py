"""What scoring raises: by kind, counted, the last of each with its traceback."""

from pathlib import Path

from ml_workspace_lab.endpoints.folder import EndpointFolder, GenerationFolder
from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.endpoints.scoring.failures import MOST_KINDS, OTHERS, Failures
from ml_workspace_lab.endpoints.telemetry.merging import merged
from ml_workspace_lab.endpoints.telemetry.model import ExceptionInfo
from tests.endpoints.process import scoring
from tests.endpoints.telemetry.test_sampling import counts
from tests.waiting import eventually

RAISES = """
import time

def init():
    pass

def run(data):
    if data == "slow":
        while True:
            time.sleep(0.01)
    raise {"a": KeyError, "b": ValueError}[data](f"about {data}")
"""


def seen(generation: GenerationFolder, count: int) -> dict[str, ExceptionInfo]:
    """Exceptions by kind, when there are so many."""

    def found() -> dict[str, ExceptionInfo] | None:
        kinds = {one.kind: one for one in merged("blue", generation.read_observed())}
        return kinds if sum(one.count for one in kinds.values()) >= count else None

    return eventually(found, what=f"{count} exceptions")


def test_exceptions_are_counted_by_kind_and_the_last_is_told(tmp_path: Path) -> None:
    limits = RequestSettings(request_timeout_ms=200)
    text = {"Content_Type": "text/plain"}
    with scoring(tmp_path, {"m": b""}, RAISES, settings=limits) as process:
        for body in ("a", "b", "a", "slow"):
            last = process.post(body, x_request_id=f"of {body}", **text)
            assert last.status == 500
        found = seen(EndpointFolder(tmp_path).generation(1), 4)
        by_kind = counts(process, "exceptions_total")
    timed_out = "ml_workspace_lab.endpoints.scoring.turns.TimedOut"
    assert by_kind == {"KeyError": 2, "ValueError": 1, timed_out: 1}
    assert {kind: one.count for kind, one in found.items()} == by_kind
    one = found["KeyError"]
    assert (one.message, one.request_id, one.deployment) == ("'about a'", "of a", "blue")
    assert 'raise {"a"' in one.traceback
    assert one.first_seen <= one.last_seen
    assert found[timed_out].traceback == ""


def test_what_a_process_has_seen_that_died_is_not_forgotten(tmp_path: Path) -> None:
    generation = EndpointFolder(tmp_path).generation(1)
    with scoring(tmp_path, {"m": b""}, RAISES) as process:
        process.post("a", Content_Type="text/plain")
        seen(generation, 1)
        process.process.kill()
        process.process.wait()
    assert seen(generation, 1)["KeyError"].count == 1


def test_code_can_make_up_only_so_many_kinds_and_so_much_text() -> None:
    failures = Failures()
    for number in range(3 * MOST_KINDS):
        error = type(f"Error{number}", (Exception,), {"__module__": "x"})("m" * 5000 + "\ud800")
        failures.note(error, "t" * 100_000, "id")
    counted = failures.counts()
    assert len(counted) == MOST_KINDS + 1
    assert counted[OTHERS] == 2 * MOST_KINDS
    assert sum(len(one.traceback) + len(one.message) for one in failures.seen()) < 500_000
    assert "characters left out" in failures.seen()[0].traceback


def test_an_exception_that_can_not_say_what_it_is_about_is_counted() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    failures = Failures()
    failures.note(Mute(), "", "")
    [one] = failures.seen()
    assert (one.count, one.message) == (1, "")
