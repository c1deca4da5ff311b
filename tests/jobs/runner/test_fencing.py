"""From the moment in which another attempt was begun, nothing of the one before is taken: each way
in is tried with its token, and the run has nothing of it."""

import hashlib
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from ml_workspace_lab import CommandConfig
from ml_workspace_lab._version import __version__
from ml_workspace_lab.access.caller import acting_as
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.remote import RemoteConnection
from ml_workspace_lab.environments.inspection import own_record
from ml_workspace_lab.environments.model import RecordRunEnvironment
from ml_workspace_lab.errors import Gone
from ml_workspace_lab.experiments.model import (
    LogMetrics,
    MetricPoint,
    Progress,
    RunState,
    StartRun,
    UpdateRun,
)
from ml_workspace_lab.experiments.uploads import ArtifactUpload
from ml_workspace_lab.jobs import records
from ml_workspace_lab.jobs.attempt_model import PROTOCOL, ClaimAttempt
from ml_workspace_lab.jobs.records import END, LOG, PROGRESS, STATE, Ended, Moved, Record
from ml_workspace_lab.jobs.tickets import Ticket
from ml_workspace_lab.storage.journal import MARK, RECORD
from tests.jobs.runner.harness import Config, Far

PART = b"a part"
JOURNAL_NAME = "w1-00000000"
JOURNAL = b'["late"]\n' + RECORD.pack(0, 1, 0.5, 0, MARK)


@dataclass
class Attempt:
    """One whose runner the test is."""

    run_id: str
    number: int
    url: str
    token: str
    told: int = 0

    @cached_property
    def way(self) -> RemoteConnection:
        return RemoteConnection(self.url, self.token, 30)

    def tell(self, kind: bytes, body: bytes) -> None:
        self.told += 1
        content = BytesIO(records.encode(Record(self.told, kind, body)))
        self.way.attempts.append(self.run_id, self.number, True, content=content)

    def ask(self, method: str, path: str, body: bytes = b"") -> "Asked":
        return Asked(self, method, path, body)


class Asked:
    """A request of which the first half of its body is under way."""

    def __init__(self, attempt: Attempt, method: str, path: str, body: bytes) -> None:
        self._line = http.client.HTTPConnection(urlsplit(attempt.url).netloc, timeout=30)
        self._line.putrequest(method, f"/ml-workspace-lab/{path}")
        self._line.putheader("Authorization", f"Bearer {attempt.token}")
        self._line.putheader("Content-Type", "application/json")
        self._line.putheader("Content-Length", str(len(body)))
        self._line.endheaders(body[: len(body) // 2] or None)
        self._rest = body[len(body) // 2 :]

    def status(self) -> int:
        """Send the rest; the answer's status."""
        self._line.send(self._rest)
        answer = self._line.getresponse()
        answer.read()
        self._line.close()
        return answer.status


Claim = Callable[[], Attempt]


@pytest.fixture
def one(far: Callable[[Config], Far], tmp_path: Path) -> Far:
    (tmp_path / "code").mkdir()
    return far(CommandConfig(tmp_path / "code", ["true"]))


@pytest.fixture
def claim(one: Far) -> Iterator[Claim]:
    """Begins the next attempt, and has it."""
    with ExitStack() as ways:

        def claim() -> Attempt:
            ticket = msgspec.json.decode(one.ticket().read_bytes(), type=Ticket)
            body = ClaimAttempt(f"nonce-{ticket.attempt}", PROTOCOL, __version__)
            with closing(RemoteConnection(ticket.url, ticket.token, 30)) as way:
                token = way.attempts.claim(ticket.run_id, ticket.attempt, body).token
            made = Attempt(ticket.run_id, ticket.attempt, ticket.url, token)
            ways.callback(made.way.close)
            return made

        yield claim


UPLOAD = ArtifactUpload("late.bin", hashlib.sha256(PART).hexdigest(), len(PART))
RAW = msgspec.json.encode
WRITES: dict[str, Callable[[Attempt], object]] = {
    "metrics": lambda a: a.way.metrics.log(a.run_id, LogMetrics([MetricPoint("late", 1.0)])),
    "columns": lambda a: a.way.metrics.put_columns(a.run_id, "late", content=BytesIO(bytes(24))),
    "a journal": lambda a: a.way.metrics.take(a.run_id, JOURNAL_NAME, 0, content=BytesIO(JOURNAL)),
    "a journal that was left": lambda a: a.way.attempts.take(
        a.run_id, a.number, JOURNAL_NAME, 0, content=BytesIO(JOURNAL)
    ),
    "parameters": lambda a: a.way.runs.update(a.run_id, UpdateRun(params={"late": 1})),
    "tags": lambda a: a.way.runs.update(a.run_id, UpdateRun(tags={"late": "1"})),
    "an artifact": lambda a: a.way.artifacts.put(a.run_id, "late.txt", content=BytesIO(b"x")),
    "an upload's beginning": lambda a: a.way.artifact_uploads.begin(a.run_id, UPLOAD),
    "an upload's part": lambda a: a.way.artifact_uploads.put_part(
        a.run_id, UPLOAD.digest, 1, UPLOAD.path, content=BytesIO(PART)
    ),
    "an upload's end": lambda a: a.way.artifact_uploads.end(a.run_id, UPLOAD),
    "a notebook": lambda a: a.way.attempts.put_notebook(
        a.run_id, a.number, content=BytesIO(b'{"late": 1}')
    ),
    "lines": lambda a: a.tell(LOG, b"late\n"),
    "progress": lambda a: a.tell(PROGRESS, RAW(Progress(1, 2, "late"))),
    "a state": lambda a: a.tell(STATE, RAW(Moved(RunState.FINALIZING))),
    "a sign of life": lambda a: a.way.attempts.append(a.run_id, a.number, content=BytesIO(b"")),
    "an environment": lambda a: a.way.environments.record(
        a.run_id, RecordRunEnvironment(own_record())
    ),
    "a run below it": lambda a: a.way.runs.start("late", StartRun(parent=a.run_id)),
    "a token": lambda a: a.way.tokens.create_for_run(a.run_id),
    "its end": lambda a: a.tell(END, RAW(Ended("Failed", "late"))),
}  # fmt: skip


def check_untouched(one: Far) -> None:
    """The run is on its second attempt, and has nothing of the first."""
    info = one.run.info()
    assert (info.state, info.reason, info.progress) == (RunState.PREPARING, "", None)
    assert (one.run.get_metrics(), one.run.params, one.run.tags) == ({}, {}, {})
    assert one.run.get_file_names() == []
    assert one.run.get_log() == ""
    files = one.services.storage.run(one.run.id)
    assert not files.notebook.exists()
    connection = one.run.workspace.connection
    assert connection.environments.of_run(one.run.id).digest is None
    attempts = connection.attempts.list(one.run.id).items
    assert [(a.attempt, a.state, a.reported) for a in attempts] == [
        (1, None, None),
        (2, None, None),
    ]
    assert "late" not in one.run.workspace.experiments


def test_each_write_of_an_attempt_is_refused_once_another_was_begun(one: Far, claim: Claim) -> None:
    first = claim()
    first.way.attempts.append(first.run_id, 1, content=BytesIO(b""))
    claim()
    for what, write in WRITES.items():
        with pytest.raises(Gone, match="Attempt 1 at run"):
            pytest.fail(f"taken: {what}: {write(first)}")
    check_untouched(one)


def test_each_is_taken_while_the_attempt_is_the_present_one(one: Far, claim: Claim) -> None:
    """Else the refusals above would say nothing."""
    first = claim()
    for write in WRITES.values():
        write(first)
    info = one.run.info()
    assert (info.state, info.reason) == (RunState.FAILED, "late")
    assert info.progress is not None
    assert (set(info.metrics), info.params, info.tags) == ({"late"}, {"late": 1}, {"late": "1"})
    assert one.run.get_file_names() == ["late.bin", "late.txt"]
    assert one.run.get_log() == "late\n"
    assert one.services.storage.run(one.run.id).notebook.exists()
    assert one.run.workspace.connection.environments.of_run(one.run.id).digest is not None
    assert len(one.run.workspace.runs("late")) == 1


def test_what_was_under_way_when_another_was_begun_is_refused(one: Far, claim: Claim) -> None:
    first = claim()
    run = f"api/v1/runs/{first.run_id}"
    update = RAW({"params": {"late": 1}, "tags": {"late": "1"}})
    under_way = [
        first.ask("PUT", f"{run}/artifacts/late.bin", b"x" * 100_000),
        first.ask("PUT", f"{run}/attempts/1/notebook", b'{"late": 1}'),
        first.ask("POST", f"{run}/metrics", RAW(LogMetrics([MetricPoint("late", 1.0)]))),
        first.ask("PUT", f"{run}/journals/{JOURNAL_NAME}?first=0", JOURNAL),
        first.ask("PATCH", run, update),
    ]
    claim()
    assert [asked.status() for asked in under_way] == [410] * len(under_way)
    check_untouched(one)


def test_an_artifact_that_was_put_away_while_another_was_begun_is_refused(
    one: Far, claim: Claim
) -> None:
    first, services = claim(), one.services
    who = Principal("the first", "Run", run_id=first.run_id, attempt=1)
    with services.storage.blobs.hold(BytesIO(b"x")) as held:
        claim()
        with acting_as(who), pytest.raises(Gone):
            services.artifacts.keep(first.run_id, "late.bin", held)
    check_untouched(one)


def test_a_token_that_is_known_already_is_refused_at_once_to_mlflows_clients(
    one: Far, claim: Claim
) -> None:
    first = claim()

    def log(key: str) -> int:
        body = {"run_id": first.run_id, "key": key, "value": 1.0, "timestamp": 1}
        path = "mlflow/api/2.0/mlflow/runs/log-metric"
        return first.ask("POST", path, json.dumps(body).encode()).status()

    assert log("early") == 200
    claim()
    assert log("late") == 410
    assert set(one.run.get_metrics()) == {"early"}


def test_a_token_that_it_has_made_for_others_ends_with_it(one: Far, claim: Claim) -> None:
    first = claim()
    made = first.way.tokens.create_for_run(first.run_id).token
    claim()
    late = Attempt(first.run_id, 1, first.url, made)
    with closing(late.way), pytest.raises(Gone):
        WRITES["metrics"](late)
    check_untouched(one)
