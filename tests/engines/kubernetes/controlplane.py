"""A real Kubernetes control plane of this machine's own, and nodes for it."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil

from tests.conftest import eventually

FOLDER_VARIABLE = "ML_WORKSPACE_LAB_KUBERNETES"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODES = ("n1", "n2")
ADMIN = "the-administrator-of-the-tests"
USER = "the-workspace-of-the-tests"
KUBELET = Path(__file__).with_name("kubelet.py")


def programs() -> Path | None:
    """The folder of the control plane's programs, None where they are not there."""
    built = Path(__file__).parents[3] / "build/kubernetes/bin"
    folder = Path(os.environ.get(FOLDER_VARIABLE, built))
    return folder if all((folder / name).exists() for name in PROGRAMS) else None


def limits_memory() -> bool:
    """Whether this machine's control groups (of the first version) can be written."""
    return os.access("/sys/fs/cgroup/memory/cgroup.procs", os.W_OK)


class ControlPlane:
    """Its processes are children of this one, and end with it."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="kubernetes-"))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        ports = _free_ports(6)
        self._etcd, self._peer, self._port, self._manager, self._scheduler = ports[:5]
        self.url = f"https://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._make_keys()
        self._start_etcd()
        self.start_api_server()
        self._start_controllers()
        for node in NODES:
            self.start_node(node)
        self.wait_until_idle()

    def stop(self) -> None:
        for node in NODES:
            self.end_jobs(node)
        for process in self._processes.values():
            process.kill()
            process.wait()
        eventually(lambda: not self.jobs_processes(), what="no process of a job is left")
        shutil.rmtree(self.folder)

    def start_api_server(self) -> None:
        key = self.folder / "account.key"
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd}",
            f"--secure-port={self._port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.99.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            "--insecure-port=0",
            "--kubelet-preferred-address-types=InternalIP",
            # A pod on a node that is given up is evicted after four seconds, not five minutes.
            "--default-not-ready-toleration-seconds=4",
            "--default-unreachable-toleration-seconds=4",
        )
        eventually(self._answers, 120, "the API server answers")

    def kill_api_server(self) -> None:
        self._processes["kube-apiserver"].kill()
        self._processes["kube-apiserver"].wait()

    def start_node(self, node: str) -> None:
        folder = self.folder / node
        folder.mkdir(exist_ok=True)
        [port] = _free_ports(1)
        words = [self.url, ADMIN, node, str(port), str(self.folder / "node.pem"), str(folder)]
        self._spawn(node, [sys.executable, str(KUBELET), *words])

    def cut(self, node: str) -> None:
        """The node says nothing more and hears nothing; what runs there goes on."""
        self._processes[node].send_signal(signal.SIGSTOP)

    def mend(self, node: str) -> None:
        self._processes[node].send_signal(signal.SIGCONT)

    def node_of(self, run_id: str) -> str:
        """Where a process of the run is."""
        return next(
            node
            for node in NODES
            if any(run_id in word for one in self._of(node) for word in one.info["cmdline"])
        )

    def kill_node(self, node: str) -> None:
        """Node and pods end, as by a power cut."""
        self.end_jobs(node)
        self._processes[node].kill()
        self._processes[node].wait()
        self.end_jobs(node)

    def end_jobs(self, node: str) -> None:
        for process in self._of(node):
            with suppress(psutil.Error):
                process.kill()

    def wait_until_idle(self) -> None:
        """Everything is up, each node is ready, and no pod is left."""
        if self._processes["kube-apiserver"].poll() is not None:
            self.start_api_server()
        for node in NODES:
            self.mend(node) if self._processes[node].poll() is None else self.start_node(node)
        eventually(lambda: self._ready() == len(NODES), 60, "the nodes are ready")
        self.ask("DELETE", "/apis/batch/v1/namespaces/default/jobs?propagationPolicy=Foreground")
        eventually(lambda: not self.items("/api/v1/namespaces/default/pods"), 60, "no pod is left")
        eventually(lambda: not self.jobs_processes(), 30, "no process of a job is left")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """As the administrator."""
        request = Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"},
            method=method,
        )
        context = ssl._create_unverified_context()
        with urlopen(request, timeout=90, context=context) as answer:
            return json.load(answer)

    def items(self, path: str) -> list[Any]:
        return list(self.ask("GET", path)["items"])

    def jobs_processes(self) -> list[str]:
        return [" ".join(process.info["cmdline"]) for node in NODES for process in self._of(node)]

    def kubeconfig(self, token: str, *, name: str = "config") -> Path:
        """A file that clients read."""
        cluster = {"server": self.url, "insecure-skip-tls-verify": True}
        config = {
            "current-context": "tests",
            "contexts": [{"name": "tests", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "me", "user": {"token": token}}],
        }
        path = self.folder / name
        path.write_text(json.dumps(config))  # JSON is YAML, too.
        return path

    def _of(self, node: str) -> list[psutil.Process]:
        """The node's containers and what they have started."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            here = str(process.info["cwd"]).startswith(str(self.folder / node) + "/")
            words = process.info["cmdline"]
            if here and words and str(KUBELET) not in words:
                found.append(process)
        return found

    def _ready(self) -> int:
        ready = 0
        for node in self.items("/api/v1/nodes"):
            conditions = {c["type"]: c["status"] for c in node["status"].get("conditions", ())}
            ready += conditions.get("Ready") == "True" and not node["spec"].get("taints")
        return ready

    def _answers(self) -> bool:
        with suppress(URLError, OSError):
            self.ask("GET", "/api/v1/namespaces/default")
            return True
        return False

    def _make_keys(self) -> None:
        def openssl(*words: str) -> None:
            subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder)

        openssl("genrsa", "-out", "account.key", "2048")
        words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=node"]
        openssl("req", *words, "-keyout", "key", "-out", "certificate")
        pem = (self.folder / "key").read_text() + (self.folder / "certificate").read_text()
        (self.folder / "node.pem").write_text(pem)
        (self.folder / "tokens.csv").write_text(
            f"{ADMIN},admin,1,system:masters\n{USER},workspace,2\nnobody,nobody,3\n"
        )

    def _start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd, self._peer))
        words = {
            "data-dir": self.folder / "etcd", "unsafe-no-fsync": "",
            "listen-client-urls": client, "advertise-client-urls": client,
            "listen-peer-urls": peer, "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }  # fmt: skip
        etcd = shutil.which("etcd")
        assert etcd is not None
        options = [f"--{name}={value}" if value else f"--{name}" for name, value in words.items()]
        self._spawn("etcd", [etcd, *options])

    def _start_controllers(self) -> None:
        config = f"--kubeconfig={self.kubeconfig(ADMIN)}"
        common = [config, "--leader-elect=false", "--port=0", "--bind-address=127.0.0.1"]
        certificates = f"--cert-dir={self.folder / 'certificates'}"
        self._start(
            "kube-controller-manager",
            *common,
            certificates,
            f"--secure-port={self._manager}",
            "--controllers=job,podgc,ttl-after-finished,garbagecollector,nodelifecycle,namespace,"
            "deployment,replicaset",
            f"--service-account-private-key-file={self.folder / 'account.key'}",
            "--node-monitor-grace-period=8s",
            "--node-monitor-period=1s",
            "--feature-gates=TTLAfterFinished=true",
        )
        self._start("kube-scheduler", *common, certificates, f"--secure-port={self._scheduler}")

    def _start(self, program: str, *options: str) -> None:
        self._spawn(program, [str(self._programs / program), *options])

    def _spawn(self, name: str, words: list[str]) -> None:
        # A test process that is killed takes them with it.
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
