"""A mock of Kubernetes' API as HTTP, run by the interpreter of build/kubernetes-schemas: prints its
address, and ends with its input. It keeps objects, and knows no schemas."""

import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any

import kmock
from aiohttp import web

RESOURCES = (
    "batch/v1/jobs", "v1/pods", "v1/secrets", "v1/nodes", "apps/v1/deployments", "v1/services",
    "autoscaling/v2/horizontalpodautoscalers",
)  # fmt: skip


class Mock(kmock.KubernetesEmulator):
    """Answers errors as Kubernetes does, keeps nothing of a dry run, and knows what is applied. The
    log of a pod is the file that its annotation `log` names."""

    async def _handle(self, request: kmock.Request) -> web.StreamResponse:
        kind = {name.lower(): value for name, value in request.headers.items()}.get("content-type")
        if request.params.get("dryRun"):
            return web.json_response(request.data, status=201)
        if request.url.path.endswith("/selfsubjectaccessreviews"):
            return web.json_response({"status": {"allowed": True}}, status=201)
        if request.url.path.endswith("/log"):
            return self._log(request)
        if str(kind).startswith("application/apply-patch"):
            return await self._apply(request)
        try:
            return await super()._handle(request)
        except kmock.KubernetesError as error:
            said = {"kind": "Status", "code": error.status, "message": error.message}
            return web.json_response(said, status=error.status)

    async def _serve_list(self, request: kmock.Request) -> Any:
        found = await super()._serve_list(request)
        selector = request.params.get("labelSelector", "")
        wanted = dict(word.split("=", 1) for word in selector.split(",") if word)
        found["items"] = [
            item
            for item in found["items"]
            if wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]
        return found

    async def _apply(self, request: kmock.Request) -> web.StreamResponse:
        """One manager has all of an object, but for what the cluster adds."""
        key = request.resource, request.namespace, request.name
        async with self._lock:
            there = key in self._objects and not self._objects[key].deleted
            before: dict[str, Any] = self._objects[key].raw if there else {}
            made = dict(request.data)
            was = before.get("metadata", {})
            generation = was.get("generation", 0) + (made.get("spec") != before.get("asked"))
            made["metadata"] = {
                **made["metadata"],
                "namespace": request.namespace,
                "uid": was.get("uid") or str(uuid.uuid4()),
                "generation": generation,
            }
            made["asked"] = made.get("spec")
            if request.resource.plural == "services":
                ports = before.get("spec", {}).get("ports") or made["spec"]["ports"]
                made["spec"] = {**made["spec"], "clusterIP": "127.0.0.1", "ports": ports}
            if "status" in before:
                made["status"] = before["status"]
            if there:
                self._objects[key].delete()
            if key in self._objects:
                self._objects[key].create(made)
            else:
                self._objects[key] = made
        return web.json_response(made, status=200 if there else 201)

    def _log(self, request: kmock.Request) -> web.StreamResponse:
        pod = self._objects[request.resource, request.namespace, request.name].raw
        path = Path(pod["metadata"].get("annotations", {}).get("log", "/nowhere"))
        if not path.exists():
            said = {"kind": "Status", "message": "the container is waiting to start"}
            return web.json_response(said, status=400)
        return web.Response(body=path.read_bytes())


async def main() -> None:
    async with kmock.Server(Mock(), host="127.0.0.1") as server:
        mock = server.handler
        for resource in RESOURCES:
            mock.resources[resource] = {"namespaced": resource != "v1/nodes"}
        mock["get /version"] << {"major": "1", "minor": "31+", "gitVersion": "v1.31.0"}
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
