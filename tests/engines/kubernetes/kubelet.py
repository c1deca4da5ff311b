"""A node for a real control plane, whose containers are processes of this machine.

`python3 kubelet.py URL TOKEN NODE PORT CERTIFICATE FOLDER`: registers the node, keeps its lease,
runs the pods that the scheduler gives it, tells how they end, and serves their logs. It pulls no
image. A limit of memory is a control group's where those can be written, and else is none. A
mounted volume is a folder, put in for its path in variables and working directory.
"""

import base64
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ml_workspace_lab.compute.kubernetes.nodes import quantity

URL, TOKEN, NODE, PORT, CERTIFICATE, FOLDER = sys.argv[1:]
CAPACITY = {"cpu": "4", "memory": "4Gi", "pods": "200", "nvidia.com/gpu": "1"}
LEASE_SECONDS = 2.0
GROUPS = Path("/sys/fs/cgroup/memory")
TLS = ssl._create_unverified_context()
running: dict[str, subprocess.Popen[bytes]] = {}


def now(micro: bool = False) -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S" + (".%fZ" if micro else "Z"))


def ask(method: str, path: str, body: object = None, kind: str = "application/json") -> object:
    request = urllib.request.Request(
        URL + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": kind},
        method=method,
    )
    return urllib.request.urlopen(request, timeout=3600 if "watch" in path else 10, context=TLS)


def patch(path: str, status: dict[str, object]) -> None:
    with suppress(urllib.error.HTTPError):  # gone meanwhile
        ask("PATCH", path, {"status": status}, "application/strategic-merge-patch+json").close()


def register() -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NODE}}
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    for path, body in (("/api/v1/nodes", node), (leases, lease)):
        with suppress(urllib.error.HTTPError):
            ask("POST", path, body).close()
    while True:
        with suppress(OSError):
            ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
            ready |= {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
            patch(
                f"/api/v1/nodes/{NODE}/status",
                {
                    "capacity": CAPACITY,
                    "allocatable": CAPACITY,
                    "conditions": [ready],
                    "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                    "daemonEndpoints": {"kubeletEndpoint": {"Port": int(PORT)}},
                },
            )
            spec = {"holderIdentity": NODE, "leaseDurationSeconds": 40, "renewTime": now(True)}
            kind = "application/merge-patch+json"
            ask("PATCH", f"{leases}/{NODE}", {"spec": spec}, kind).close()
        time.sleep(LEASE_SECONDS)


def watch() -> None:
    path = f"/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D{NODE}"
    while True:
        with suppress(OSError, ValueError), ask("GET", path) as events:
            for line in events:
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    on_pod(event["object"], gone=event["type"] == "DELETED")
        time.sleep(0.2)


def on_pod(pod: dict, *, gone: bool) -> None:
    uid = pod["metadata"]["uid"]
    process = running.get(uid)
    if gone:
        if process is not None:
            end(process, 1)
    elif "deletionTimestamp" in pod["metadata"]:
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
        threading.Thread(target=leave, args=(pod, process, grace), daemon=True).start()
    elif process is None and pod["status"]["phase"] == "Pending":
        threading.Thread(target=run, args=(pod, begin(pod)), daemon=True).start()


def begin(pod: dict) -> "subprocess.Popen[bytes]":
    [container] = pod["spec"]["containers"]
    places = mounted(pod, container)

    def placed(text: str) -> str:
        for path, folder in places.items():
            if text == path or text.startswith(path + "/"):
                return folder + text[len(path) :]
        return text

    variables = {v["name"]: v.get("value", "") for v in container.get("env", ())}
    variables = {name: placed(expanded(value, variables)) for name, value in variables.items()}
    limit = container["resources"].get("limits", {}).get("memory")
    group = None if limit is None else limited(pod, int(quantity(limit)))

    def join() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    with log_of(pod).open("wb") as log:
        process = subprocess.Popen(
            [expanded(word, variables) for word in container["command"]],
            env={"PATH": os.defpath, **variables},
            cwd=placed(container["workingDir"]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=join,
        )
    running[pod["metadata"]["uid"]] = process
    return process


def expanded(text: str, variables: dict[str, str]) -> str:
    """As Kubernetes does it: `$$` is a dollar sign, `$(NAME)` a variable that is known."""

    def found(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", found, text)


def mounted(pod: dict, container: dict) -> dict[str, str]:
    places = {}
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        volume = volumes[mount["name"]]
        folder = Path(FOLDER, pod["metadata"]["uid"], mount["name"])
        folder.mkdir(parents=True, exist_ok=True)
        if "secret" in volume:
            name = volume["secret"]["secretName"]
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/secrets/{name}"
            with ask("GET", path) as answer:
                for key, value in json.load(answer)["data"].items():
                    (folder / key).write_bytes(base64.b64decode(value))
                    (folder / key).chmod(volume["secret"]["defaultMode"])
        places[mount["mountPath"]] = str(folder)
    return places


def run(pod: dict, process: "subprocess.Popen[bytes]") -> None:
    """See one container through, and tell of it."""
    [container] = pod["spec"]["containers"]
    path = (
        f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
    )
    began = time.monotonic()
    group = group_of(pod)
    deadline = pod["spec"].get("activeDeadlineSeconds")
    tell(path, container, "Running", {"running": {"startedAt": now()}}, {"startTime": now()})
    why: dict[str, str] = {}
    reason = ""
    while process.poll() is None:
        if out_of_memory(group):
            reason = "OOMKilled"
            end(process, 0)
        if deadline is not None and time.monotonic() - began > deadline:
            message = "Pod was active on the node longer than the specified deadline"
            why = {"reason": "DeadlineExceeded", "message": message}
            end(process, 1)
        time.sleep(0.05)
    empty(group)
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    phase = "Failed" if code or why else "Succeeded"
    terminated = {"exitCode": code, "reason": reason or ("Error" if code else "Completed")}
    tell(path, container, phase, {"terminated": terminated}, why)


def tell(path: str, container: dict, phase: str, state: dict, more: dict) -> None:
    status = {"name": container["name"], "image": container["image"], "imageID": ""}
    status |= {"ready": phase == "Running", "restartCount": 0, "state": state}
    while True:
        try:
            return patch(path, {"phase": phase, "containerStatuses": [status], **more})
        except OSError:
            time.sleep(0.2)  # The API server is away; what there is to tell is told later.


def group_of(pod: dict) -> Path:
    return GROUPS / f"kubelet-{pod['metadata']['uid']}"


def limited(pod: dict, limit: int) -> Path | None:
    """A control group whose processes stand still when there is no more memory for them."""
    group = group_of(pod)
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit))
        (group / "memory.oom_control").write_text("1")
    except OSError:
        return None
    return group


def out_of_memory(group: Path) -> bool:
    with suppress(OSError):
        return "under_oom 1" in (group / "memory.oom_control").read_text()
    return False


def empty(group: Path) -> None:
    """What is left in a container ends with it."""
    with suppress(OSError):
        while pids := (group / "cgroup.procs").read_text().split():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.05)
        group.rmdir()


def end(process: "subprocess.Popen[bytes]", grace: float) -> None:
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10))[grace == 0 :]:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            break
    with suppress(ProcessLookupError):  # what is left of its group goes with its container
        os.killpg(process.pid, signal.SIGKILL)


def leave(pod: dict, process: "subprocess.Popen[bytes] | None", grace: float) -> None:
    """The pod is to go: its process is ended, then its record."""
    if process is not None:
        end(process, grace)
    options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
    with suppress(urllib.error.HTTPError):
        ask("DELETE", path_of(pod), options).close()


def path_of(pod: dict) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def log_of(pod: dict) -> Path:
    return Path(FOLDER, f"{pod['metadata']['namespace']}_{pod['metadata']['name']}.log")


class Logs(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        _, _, namespace, pod, _ = parts.path.split("/")
        lines = Path(FOLDER, f"{namespace}_{pod}.log").read_bytes().splitlines(keepends=True)
        tail = int(parse_qs(parts.query).get("tailLines", [len(lines)])[0])
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"".join(lines[-tail:]))

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(PORT)), Logs)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(CERTIFICATE)
server.socket = tls.wrap_socket(server.socket, server_side=True)
for work in (server.serve_forever, register):
    threading.Thread(target=work, daemon=True).start()
watch()
