"""Endpoints: serve a model version behind an HTTP address with keys."""

import builtins
import hashlib
import http.client
import json
import os
import secrets
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import LogChunk, Nothing, Offset
from ml_workspace_lab.endpoints import deployment_store, store
from ml_workspace_lab.endpoints.asking import post
from ml_workspace_lab.endpoints.drivers import placed
from ml_workspace_lab.endpoints.folder import EndpointFolder, Rules, Watch, as_written
from ml_workspace_lab.endpoints.model import (
    LOCAL,
    MAX_BODY,
    DeployedEndpoint,
    DeployEndpoint,
    EndpointInfo,
    EndpointKeys,
    EndpointList,
    EndpointName,
    RegenerateKey,
    ScoreRequest,
    ScoreResult,
)
from ml_workspace_lab.endpoints.ports import free_port
from ml_workspace_lab.endpoints.scaling import Worker
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.endpoints.telemetry.store import default_export
from ml_workspace_lab.endpoints.traffic import DEFAULT, DeploymentName
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, ScoringFailed, Unavailable
from ml_workspace_lab.storage.database import Transaction
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.storage.logs import read_log

MAX_DEPLOYMENTS = 20


class Endpoints(Service):
    """Models that answer over HTTP, on this machine and by way of it."""

    @operation("GET", "/endpoints", action="endpoints/read")
    def list(self) -> EndpointList:
        """All endpoints as they are now, by name."""
        return EndpointList([wanted.info for wanted in store.endpoints(self.storage.database)])

    @operation("GET", "/endpoints/{name}", action="endpoints/read")
    def get(self, name: EndpointName) -> EndpointInfo:
        """An endpoint as it is now, with its deployments. Raises NotFound."""
        return store.get(self.storage.database, name).info

    @operation("PUT", "/endpoints/{name}", action="endpoints/write")
    def deploy(self, name: EndpointName, body: DeployEndpoint) -> DeployedEndpoint:
        """Serve a model version. Where the endpoint exists it keeps its address and keys, and the
        version that the deployment has serves until the new one is ready. The first deployment gets
        all requests, others none until they are given traffic. Raises Conflict where loading the
        version executes code and nobody has decided to trust it."""
        keys = None
        with self.storage.database.write() as transaction:
            values = self._values(body)
            served = self.services.models.version(values["model"], values["version"])
            self.services.model_trust.settle(transaction, served)
            present = store.find(self.storage.database, name)
            self._require_script(body.scoring_script)
            if present is None:
                keys = EndpointKeys(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
                self._insert(transaction, name, body, keys, values)
            else:
                self._update(transaction, present, body, values)
        self.services.computes.wake()
        return DeployedEndpoint(self.get(name), keys)

    @operation("DELETE", "/endpoints/{name}", action="endpoints/delete")
    def delete(self, name: EndpointName) -> Nothing:
        """Stop serving; the endpoint's process ends and its port is free again."""
        store.get(self.storage.database, name)
        with self.storage.database.write() as transaction:
            store.delete(transaction, name)
        self.services.computes.wake()
        return Nothing()

    @operation("POST", "/endpoints/{name}/keys", action="endpoints/regenerateKeys/action")
    def regenerate_key(self, name: EndpointName, body: RegenerateKey) -> EndpointKeys:
        """A new primary or secondary key, shown this once. The old one stops working at once."""
        store.get(self.storage.database, name)
        made = secrets.token_urlsafe(32)
        with self.storage.database.write() as transaction:
            store.set_key(transaction, name, f"{body.key}_hash", _hash(made))
        self.write_rules(name)
        return EndpointKeys(**{"primary": None, "secondary": None, body.key: made})

    @operation(
        "POST", "/endpoints/{name}/score", action="endpoints/score/action", body_limit=MAX_BODY
    )
    def score(self, name: EndpointName, body: ScoreRequest) -> ScoreResult:
        """The scoring process's answer to a body. Raises ScoringFailed with the traceback where
        the scoring code raised, InvalidInput where it refused the body."""
        wanted = store.get(self.storage.database, name)
        info = wanted.info
        if body.deployment is not None:
            wanted.deployment(body.deployment)
        folder = EndpointFolder(self.storage.endpoint(name))
        try:
            secret = folder.secret.read_text()
            status, headers, answer = post(info.port, secret, body)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"The endpoint {name} does not answer: it is {info.state}. {info.reason}".rstrip(),
                hint=f"`ml-workspace endpoint log {name}` shows its log.",
            ) from error
        if 200 <= status < 300:
            run_ms = headers.get("x-ms-run-fn-exec-ms")
            return ScoreResult(status, answer, float(run_ms) if run_ms else None)
        message = str(answer.get("message", answer) if isinstance(answer, dict) else answer)
        if status == http.client.SERVICE_UNAVAILABLE and "Retry-After" in headers:
            raise Unavailable(f"The endpoint {name}: {message}.", hint="Ask again later.")
        if headers.get("x-ms-run-function-failed") == "True":
            raise ScoringFailed(message, field="body")
        raise InvalidInput(f"The endpoint refused the body: {message}", field="body")

    @operation("GET", "/endpoints/{name}/log", action="endpoints/read")
    def log(
        self,
        name: EndpointName,
        offset: Offset = 0,
        limit: Annotated[int, Meta(ge=1, le=4 * 1024 * 1024)] = 256 * 1024,
        deployment: DeploymentName | None = None,
        worker: Worker = 1,
    ) -> LogChunk:
        """The part of a deployment's log from byte `offset` on, at most `limit` bytes of it; by
        default of the one with the most traffic. Each of its workers has a log. Elsewhere than here
        the end of what all have printed is all there is, one after the other. Raises Unavailable
        where the target does not answer."""
        wanted = store.get(self.storage.database, name)
        found = wanted.main if deployment is None else wanted.deployment(deployment)
        if found.info.compute_target != LOCAL:
            return placed.log_of_replicas(self.services, found, offset, limit)
        path = EndpointFolder(self.storage.endpoint(name)).log(found.info.name, worker)
        return read_log(path, offset, limit, ended=False)

    def on_target(self, target: str) -> builtins.list[str]:
        """Deployments that a target serves, or has something left of: ENDPOINT/DEPLOYMENT."""
        return placed.on_target(self.storage, target)

    def write_rules(self, name: str) -> None:
        """Tell the scoring processes which keys open the endpoint and how requests are split, and
        keep the workspace's own key."""
        folder = EndpointFolder(self.storage.endpoint(name))
        # One writer at a time: a key just replaced must not come back with another's older view.
        with self.storage.database.write():
            wanted = store.get(self.storage.database, name)
            folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not folder.secret.exists():
                write_atomic(folder.secret, secrets.token_urlsafe(32).encode())
            own = _hash(folder.secret.read_text()).hex()
            export = wanted.info.export or default_export(self.storage.database)
            folder.write_keys(
                Rules(
                    wanted.primary_hash.hex(),
                    wanted.secondary_hash.hex(),
                    own,
                    wanted.info.traffic,
                    wanted.info.mirror_traffic,
                    _watch(wanted),
                    {d.name: as_written(d.sampling) for d in wanted.info.deployments if d.sampling},
                    as_written(export),
                )
            )

    def _insert(
        self,
        transaction: Transaction,
        name: str,
        body: DeployEndpoint,
        keys: EndpointKeys,
        values: dict[str, Any],
    ) -> None:
        first = body.deployment or DEFAULT
        number = store.insert(
            transaction,
            name,
            port=self._port(body.port),
            primary_hash=_hash(keys.primary),
            secondary_hash=_hash(keys.secondary),
            tags_json=json.dumps(body.tags),
            traffic_json=json.dumps({first: 100}),
            user=caller().name,
        )
        deployment_store.insert(transaction, number, first, user=caller().name, **values)

    def _update(
        self,
        transaction: Transaction,
        present: Wanted,
        body: DeployEndpoint,
        values: dict[str, Any],
    ) -> None:
        """Update a deployment of an endpoint, or add one."""
        info = present.info
        if body.port not in (0, info.port):
            raise Conflict(
                f"The endpoint {info.name} answers on port {info.port}.",
                field="port",
                hint="Delete it first to give it another.",
            )
        names = [one.name for one in info.deployments]
        name = body.deployment or names[0]
        if body.deployment is None and len(names) > 1:
            raise InvalidInput(
                f"deployment: the endpoint {info.name} has {len(names)}: {', '.join(names)}.",
                field="deployment",
                hint="Name the one to update, or a new one.",
            )
        if name in names:
            deployment_store.update(transaction, present.id, name, **values)
        elif len(names) >= MAX_DEPLOYMENTS:
            raise Conflict(
                f"The endpoint {info.name} has {len(names)} deployments, which is the most.",
                field="deployment",
                hint="Delete one of them first.",
            )
        else:
            deployment_store.insert(transaction, present.id, name, user=caller().name, **values)
        store.set_tags(transaction, info.name, body.tags)
        transaction.event("endpoint.updated", info.name, deployment=name)

    def _port(self, wanted: int) -> int:
        """The port, or a free one for 0. Raises Conflict where it is another endpoint's: that one
        may be between two processes, when the port only looks free."""
        owners = {w.info.port: w.info.name for w in store.endpoints(self.storage.database)}
        if wanted in owners:
            raise Conflict(
                f"Port {wanted} is that of the endpoint {owners[wanted]}.",
                field="port",
                hint="Name another, or 0 for a free one.",
            )
        while (port := free_port(wanted)) in owners:
            pass
        return port

    def _require_script(self, digest: str | None) -> None:
        """Raise NotFound where the content is not here, or no longer."""
        if digest is not None and not self.storage.blobs.has(digest):
            raise NotFound(
                "The scoring script's content is missing.",
                field="scoring_script",
                hint="Put it first.",
            )

    def _values(self, body: DeployEndpoint) -> dict[str, Any]:
        """What a deployment is made of, checked. Raises NotFound and InvalidInput by field."""
        version = body.version
        if version is None:
            version = self.services.models.get(body.model).latest_version
        self.services.models.version(body.model, version)
        _check_engine(body)
        placed.check(self.services, body, version)
        if body.python is not None and not os.access(body.python, os.X_OK):
            raise InvalidInput(
                f"There is no Python interpreter {body.python!r} here.", field="python"
            )
        scaling: dict[str, Any] = {}
        if body.scaling is not None:
            body.scaling.check()
            scaling["scaling_json"] = deployment_store.as_json(body.scaling)
        return scaling | {
            "model": body.model,
            "version": version,
            "scoring_script": body.scoring_script,
            "python": body.python,
            "variables_json": json.dumps(body.environment_variables),
            "settings_json": msgspec.json.encode(body.request_settings).decode(),
            "engine": body.engine,
            "providers_json": json.dumps(body.providers),
            "compute_target": body.compute_target,
            "environment": body.environment,
            "resources_json": (
                None if body.resources is None else msgspec.json.encode(body.resources).decode()
            ),
        }


def _watch(wanted: Wanted) -> Watch | None:
    """What deployments are to say while a change of traffic may have to be undone."""
    rule = wanted.info.rollback
    return None if rule is None or wanted.rollout is None else Watch(rule.p99_ms)


def _check_engine(body: DeployEndpoint) -> None:
    """Raise InvalidInput where what is asked of the engine contradicts itself."""
    if body.engine == "onnx" and body.scoring_script is not None:
        raise InvalidInput(
            "engine: a scoring script loads the model by itself, whatever the engine.",
            field="engine",
            hint="Leave out the script, or the engine.",
        )
    if body.providers and body.engine != "onnx":
        raise InvalidInput(
            "providers: they are ONNX Runtime's, which is not asked for.",
            field="providers",
            hint="Give the engine onnx, too.",
        )


def _hash(key: str | None) -> bytes:
    # 256 random bits need no slow hash.
    return hashlib.sha256((key or "").encode()).digest()
