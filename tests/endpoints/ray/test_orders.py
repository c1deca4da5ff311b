"""Jobs that have applications made and removed, given to an API that does not always take them."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.http import Engine
from ml_workspace_lab.compute.model import AttachCompute
from ml_workspace_lab.compute.ray.jobs import JobsApi
from ml_workspace_lab.compute.ray.packages import PackagesApi
from ml_workspace_lab.endpoints.drivers.aside import Aside
from ml_workspace_lab.endpoints.drivers.elsewhere import Elsewhere, Records
from ml_workspace_lab.endpoints.drivers.ray.orders import Orders
from ml_workspace_lab.endpoints.folder import EndpointFolder
from ml_workspace_lab.services import Services
from tests.conftest import eventually
from tests.endpoints.ray.support import Quiet, running


class Dashboard(HTTPServer):
    """Ray's, which has all packages; `jobs` are as they were given and never begin."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.jobs: dict[str, dict[str, str]] = {}
        self.takes_jobs = True
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Answers(Quiet, BaseHTTPRequestHandler):
    server: Dashboard

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if self.path.startswith("/api/packages/"):
            self._answer(200, {})
        elif name in self.server.jobs:
            self._answer(200, self.server.jobs[name])
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        told = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/stop"):
            self._answer(200, {"stopped": True})
        elif self.server.takes_jobs:
            job = json.loads(told)
            self.server.jobs[job["submission_id"]] = {"status": "PENDING", **job}
            self._answer(200, {"submission_id": job["submission_id"]})
        else:
            self._answer(503, {})

    def _answer(self, status: int, told: object) -> None:
        self.answer(status, json.dumps(told).encode())


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    server = Dashboard()
    with running(server):
        yield server


def begin(records: Records, dashboard: Dashboard) -> Elsewhere:
    settings = {"address": dashboard.url}
    return records.find_or_begin(
        "wine", "blue", target="rays", kind="ray", settings=settings, place=dashboard.url
    )


def test_what_is_not_taken_does_not_count_as_told(dashboard: Dashboard, tmp_path: Path) -> None:
    records = Records(tmp_path)
    engine = Engine(dashboard.url)
    orders = Orders(JobsApi(engine), PackagesApi(engine), records, "python3")
    begun = begin(records, dashboard)
    dashboard.takes_jobs = False
    with pytest.raises(Unreachable):
        orders.give(begun, ["apply"], "a digest", {})
    kept = records.find("wine", "blue", dashboard.url)
    assert kept is not None
    assert kept.job, "it may be there all the same"
    assert kept.applied == ""
    dashboard.takes_jobs = True
    given = orders.give(kept, ["apply"], "a digest", {})
    assert given == records.find("wine", "blue", dashboard.url)
    assert given.applied == "a digest"
    assert list(dashboard.jobs) == [given.job]
    assert given.job != kept.job


def test_no_job_shows_the_key_or_a_variable(dashboard: Dashboard, tmp_path: Path) -> None:
    records = Records(tmp_path)
    engine = Engine(dashboard.url)
    orders = Orders(JobsApi(engine), PackagesApi(engine), records, "python3")
    begun = begin(records, dashboard)
    orders.give(begun, ["apply"], "a digest", {"variables": {"WORD": "secret", "KEY": begun.key}})
    shown = json.dumps(dashboard.jobs)
    assert "program.py apply" in shown
    assert begun.key not in shown
    assert "secret" not in shown


def test_a_job_that_never_begins_keeps_nothing_from_being_removed(
    ws: Workspace, dashboard: Dashboard
) -> None:
    services = Services(ws.connection.storage)  # type: ignore[attr-defined]
    settings = {"address": dashboard.url}
    ws.connection.computes.attach(AttachCompute("rays", "ray", settings, unchecked=True))
    records = Records(services.storage.root)
    engine = Engine(dashboard.url)
    orders = Orders(JobsApi(engine), PackagesApi(engine), records, "python3")
    orders.give(begin(records, dashboard), ["apply"], "a digest", {})
    aside, folder = Aside(services), EndpointFolder(services.storage.endpoint("wine"))

    def is_being_removed() -> bool:
        aside.remove_strays(folder, None)
        return any(" program.py prune " in job["entrypoint"] for job in dashboard.jobs.values())

    eventually(is_being_removed, what="a job is given that removes it")
