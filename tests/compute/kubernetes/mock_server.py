"""A mock of Kubernetes' API as HTTP, run by the interpreter of build/kubernetes-schemas: prints its
address, and ends with its input. It keeps objects, and knows neither schemas nor selectors."""

import asyncio
import sys

import kmock
from aiohttp import web

RESOURCES = ("batch/v1/jobs", "v1/pods", "v1/secrets", "v1/nodes")


class Mock(kmock.KubernetesEmulator):
    """Answers errors as Kubernetes does, and keeps nothing of a dry run."""

    async def _handle(self, request: kmock.Request) -> web.StreamResponse:
        if request.params.get("dryRun"):
            return web.json_response(request.data, status=201)
        if request.url.path.endswith("/selfsubjectaccessreviews"):
            return web.json_response({"status": {"allowed": True}}, status=201)
        try:
            return await super()._handle(request)
        except kmock.KubernetesError as error:
            said = {"kind": "Status", "code": error.status, "message": error.message}
            return web.json_response(said, status=error.status)


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
