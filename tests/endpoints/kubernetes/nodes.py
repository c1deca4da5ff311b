"""What a cluster's controllers and nodes make of Deployments and Services, beside a mock of its
API: pods are processes of this machine, replaced as `maxUnavailable: 0` and `maxSurge: 1` say."""

import hashlib
import json
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from tests.endpoints.kubernetes.balancer import Balancer
from tests.endpoints.kubernetes.pods import NotPulled, Pod

NAMESPACE = "default"
LOOK_SECONDS = 0.05
RESTART_SECONDS = 0.3
READY = [{"type": "Ready", "status": "True"}]
NOT_READY = [{"type": "Ready", "status": "False"}]
_CORE = f"/api/v1/namespaces/{NAMESPACE}"
_APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"


class Nodes(threading.Thread):
    """`is_full`: nothing more is scheduled."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.folder = folder
        self.is_full = False
        self.pods: dict[str, list[Pod]] = {}
        self._selectors: dict[str, dict[str, str]] = {}
        self._told: dict[str, Any] = {}
        self._balancer = Balancer()
        self._over = threading.Event()
        self._numbers = count(1)

    def run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:  # noqa: BLE001 - a test sees what does not come about
                traceback.print_exc()

    def stop(self) -> None:
        self._over.set()
        self.join(30)
        self._balancer.stop()
        for pod in self.all_pods():
            pod.kill()
        for path in sorted(self.folder.glob("*/log.txt")):  # for a test that fails
            sys.stderr.write(f"--- {path.parent.name} ---\n{path.read_text(errors='replace')}")

    def all_pods(self) -> list[Pod]:
        return [pod for pods in list(self.pods.values()) for pod in list(pods)]

    def items(self, path: str) -> list[Any]:
        found: list[Any] = self.ask("GET", path)["items"]
        return found

    def deployments(self) -> list[Any]:
        return self.items(f"{_APPS}/deployments")

    def leftovers(self) -> list[str]:
        """Everything that there is in the namespace, by kind and name."""
        scalers = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers"
        paths = [f"{_APPS}/deployments", scalers]
        paths += [f"{_CORE}/{name}" for name in ("pods", "services", "secrets")]
        return [
            f"{path.rpartition('/')[2]}/{item['metadata']['name']}"
            for path in paths
            for item in self.items(path)
        ]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": kind},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def _look(self) -> None:
        found = {one["metadata"]["name"]: one for one in self.deployments()}
        for name, deployment in found.items():
            self._roll(name, deployment)
        for name in [name for name in self.pods if name not in found]:
            for pod in self.pods[name]:
                self._leave(pod)
        for name in list(self.pods):
            self._look_at_pods(name)
            if name in found:
                self._tell(name, found[name])
            elif not self.pods[name]:
                del self.pods[name]
        self._look_at_services()

    def _roll(self, name: str, deployment: Any) -> None:
        template, wanted = deployment["spec"]["template"], deployment["spec"]["replicas"]
        pods = self.pods.setdefault(name, [])
        staying = [pod for pod in pods if not pod.is_leaving]
        new = [pod for pod in staying if pod.template == template]
        old = [pod for pod in staying if pod.template != template]
        if len(new) < wanted and len(staying) <= wanted:
            self._add(name, template)
        elif old and (not old[0].is_ready or sum(pod.is_ready for pod in staying) > wanted):
            self._leave(old[0])
        elif len(new) > wanted:
            self._leave(new[-1])

    def _add(self, name: str, template: Any) -> None:
        number = next(self._numbers)
        pod = Pod(f"{name}-{number}", template, self.folder / f"{name}-{number}")
        metadata = {
            "name": pod.name,
            "namespace": NAMESPACE,
            "labels": template["metadata"]["labels"],
            "annotations": {"log": str(pod.log)},
        }
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        self.ask("POST", f"{_CORE}/pods", {**body, "status": {"phase": "Pending"}})
        self.pods[name].append(pod)

    def _leave(self, pod: Pod) -> None:
        if not pod.is_leaving:
            pod.is_leaving, pod.is_ready = True, False
            leaving = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
            self.ask("PATCH", f"{_CORE}/pods/{pod.name}", leaving)
        elif pod.process is not None:
            pod.ask_to_end()

    def _look_at_pods(self, name: str) -> None:
        for pod in list(self.pods[name]):
            if pod.is_leaving:
                self._leave(pod)
                if pod.process is None or pod.process.poll() is not None:
                    with suppress(urllib.error.HTTPError):
                        self.ask("DELETE", f"{_CORE}/pods/{pod.name}")
                    self.pods[name].remove(pod)
            else:
                self._look_at(pod)

    def _look_at(self, pod: Pod) -> None:
        if pod.process is None:
            self._begin(pod)
            return
        ended = pod.look()
        if ended is None:
            state: dict[str, Any] = {"running": {}}
            self._say(pod, "Running", READY if pod.is_ready else NOT_READY, state)
            return
        if not pod.not_before:
            pod.restarts += 1
            pod.not_before = time.monotonic() + RESTART_SECONDS
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting"}}
        last = {"terminated": {"exitCode": ended, "reason": "Error"}}
        self._say(pod, "Running", NOT_READY, waiting, last)
        if time.monotonic() >= pod.not_before:
            pod.not_before = 0.0
            pod.process = None
            self._begin(pod)

    def _begin(self, pod: Pod) -> None:
        if self.is_full:
            said = {"reason": "Unschedulable", "message": "0/1 nodes are available."}
            condition = {"type": "PodScheduled", "status": "False", **said}
            self._say(pod, "Pending", [condition], None)
            return
        volumes = pod.template["spec"]["volumes"]
        [name] = [one["secret"]["secretName"] for one in volumes if "secret" in one]
        secret = self.ask("GET", f"{_CORE}/secrets/{name}")["data"]
        try:
            pod.start(self.folder / "images", secret)
        except NotPulled as error:
            waiting = {"waiting": {"reason": "ImagePullBackOff", "message": str(error)}}
            self._say(pod, "Pending", NOT_READY, waiting)

    def _say(
        self, pod: Pod, phase: str, conditions: list[Any], state: Any, last: Any = None
    ) -> None:
        status: dict[str, Any] = {"phase": phase, "conditions": conditions}
        if state is not None:
            container = {"name": pod.container["name"], "state": state, "ready": pod.is_ready}
            container |= {"restartCount": pod.restarts, "lastState": last or {}}
            status["containerStatuses"] = [container]
        self._put(f"{_CORE}/pods/{pod.name}", status)

    def _tell(self, name: str, deployment: Any) -> None:
        pods = [pod for pod in self.pods[name] if not pod.is_leaving]
        template = deployment["spec"]["template"]
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": sum(pod.template == template for pod in pods),
            "availableReplicas": sum(pod.is_ready for pod in pods),
        }
        self._put(f"{_APPS}/deployments/{name}", status)

    def _put(self, path: str, status: dict[str, Any]) -> None:
        said = hashlib.sha256(json.dumps(status).encode()).hexdigest()
        if self._told.get(path) != said:
            with suppress(urllib.error.HTTPError):  # gone meanwhile
                self.ask("PATCH", path, {"status": status})
            self._told[path] = said

    def _look_at_services(self) -> None:
        found = {one["metadata"]["name"]: one for one in self.items(f"{_CORE}/services")}
        for name, service in found.items():
            if name not in self._selectors:
                self._selectors[name] = service["spec"]["selector"]
                port = self._balancer.listen(name, lambda name=name: self._ports(name))  # type: ignore[misc]
                ports = [{**service["spec"]["ports"][0], "nodePort": port}]
                self.ask("PATCH", f"{_CORE}/services/{name}", {"spec": {"ports": ports}})
        for name in [name for name in self._selectors if name not in found]:
            del self._selectors[name]
            self._balancer.forget(name)

    def _ports(self, service: str) -> list[int]:
        selector = self._selectors.get(service, {}).items()
        return [
            pod.port
            for pod in self.all_pods()
            if pod.is_ready and selector <= pod.template["metadata"]["labels"].items()
        ]
