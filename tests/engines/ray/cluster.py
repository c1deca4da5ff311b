"""A real Ray of two nodes, each on a host of its own."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil

from tests.engines.lan import Host, Lan
from tests.engines.runs import WORKER
from tests.waiting import eventually

RAY = Path(__file__).parents[3] / "build/ray/bin/ray"
RUNNER = "ml_workspace_lab.jobs.runner"
SCORING = "ml_workspace_lab.models.packages.contained"
TOKEN = "a-token-for-this-cluster-alone-0123456789abcdef"
CORES = 4
NOT_YET = (OSError, HTTPException, KeyError, TypeError, ValueError)
"""From a head that is not, or not wholly, there: no answer, or not the one that was asked for."""
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
    # A node that is cut off is given up after half a minute; by default it takes a minute.
    "RAY_health_check_initial_delay_ms": "10000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "8000",
    "RAY_health_check_failure_threshold": "4",
}


class Cluster:
    """A head that takes no work, so that all work is on the worker: what kills that, kills no
    other. Its processes are known by the network that they are in."""

    def __init__(self) -> None:
        # Sockets lie below it, and their paths must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self.lan = Lan("ray")
        self.head = self.lan.host()
        self.worker = self.lan.host()
        self.url = f"http://{self.head.address}:8265"

    def start(self) -> None:
        self.start_head()
        self.start_worker()

    def start_head(self) -> None:
        self._start(
            self.head,
            "--head",
            "--port=6379",
            f"--dashboard-host={self.head.address}",
            f"--temp-dir={self.folder}",
            "--num-cpus=0",
        )
        eventually(self._answers, 300, "Ray's head answers")

    def start_worker(self) -> None:
        """A new worker joins; returns when the cluster has its cores. One that was killed may be
        taken for alive a while longer; one that has no time to come up ends, and is started again.
        """
        before = eventually(self._alive, 300, "Ray's head knows itself")
        address = f"--address={self.head.address}:6379"
        started: list[subprocess.Popen[bytes]] = []

        def has_joined() -> bool:
            if not started or started[-1].poll() is not None:
                started.append(self._start(self.worker, address, f"--num-cpus={CORES}"))
            return bool(self._alive() - before)

        eventually(has_joined, 300, "Ray's worker has joined")

    def stop(self) -> None:
        self.lan.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def restore(self) -> None:
        """Make good what a test broke: the head answers, and a worker has its cores."""
        self.worker.mend()
        if not self._answers():
            self.worker.end_processes()
            self.head.end_processes()
            self.start_head()
        if not self._pids_of(self.worker, "raylet") or len(self._alive()) < 2:
            self.worker.end_processes()
            self.start_worker()

    def jobs_processes(self) -> list[str]:
        """The command lines on the worker that are no daemon's of Ray: what jobs have started."""
        found = []
        for pid in self.worker.processes():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if {str(WORKER), RUNNER} & set(words) or words[:2] == ["sleep", "1000"]:
                    found.append(" ".join(words))
        return found

    def scoring_processes(self) -> list[psutil.Process]:
        """Those of deployments of endpoints."""
        found = []
        for pid in self.worker.processes():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if any(SCORING in word for word in process.cmdline()):
                    found.append(process)
        return found

    def serve_leftovers(self) -> list[str]:
        """The applications of Ray Serve that are ours."""
        found: Any = self.get("/api/serve/applications/")
        return sorted(name for name in found["applications"] if name.startswith("ws-"))

    def run(self, code: str) -> str:
        """What a job prints that runs some code."""
        body = {"entrypoint": shlex.join([str(RAY.with_name("python")), "-c", code])}
        made: Any = self._ask("POST", "/api/jobs/", body)
        path = f"/api/jobs/{made['submission_id']}"

        def ended() -> bool:
            found: Any = self.get(path)
            return found["status"] in ("SUCCEEDED", "FAILED")

        eventually(ended, 180, "the job ends")
        told: Any = self.get(f"{path}/logs")
        return str(told["logs"])

    def wait_until_idle(self) -> None:
        self.restore()
        eventually(lambda: not self.jobs_processes(), 30, "no process of a job is left")

    def kill_supervisor(self, run_id: str) -> None:
        """Kill the process of Ray's that has started a run's, and no other's."""
        for pid in self.worker.processes():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if run_id in process.cmdline():
                    parent = process.parent()
                    assert parent is not None
                    parent.kill()
                    return
        raise AssertionError(f"nothing of {run_id} on {self.worker.name}")

    def kill(self, host: Host, program: str) -> None:
        """Kill the process of that name on a host."""
        [pid] = self._pids_of(host, program)
        os.kill(pid, signal.SIGKILL)

    def _pids_of(self, host: Host, program: str) -> list[int]:
        found = []
        for pid in host.processes():
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == program:
                    found.append(pid)
        return found

    def get(self, path: str) -> object:
        """What the cluster itself says, past the driver."""
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, body: Any = None) -> object:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, headers, method=method)
        with urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def _answers(self) -> bool:
        with suppress(*NOT_YET):
            return self.get("/api/jobs/") is not None
        return False

    def _alive(self) -> set[str]:
        """The ids of the nodes that Ray takes for alive."""
        with suppress(*NOT_YET):
            nodes: Any = self.get("/api/v0/nodes?detail=1")
            found = nodes["data"]["result"]["result"]
            return {node["node_id"] for node in found if node["state"] == "ALIVE"}
        return set()

    def _start(self, host: Host, *options: str) -> "subprocess.Popen[bytes]":
        # --block: it stays the parent of its daemons, and they end with it.
        words = [
            *host.enter, str(RAY), "start", "--block", f"--node-ip-address={host.address}",
            "--object-store-memory=100000000", "--disable-usage-stats", *options,
        ]  # fmt: skip
        environment = {"PATH": os.defpath, "HOME": str(self.folder), **SETTINGS}
        with (self.folder / f"{host.name}.log").open("ab") as log:
            return subprocess.Popen(
                words, env=environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip
