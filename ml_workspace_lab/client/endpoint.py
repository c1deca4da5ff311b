"""An endpoint as its users hold it: a model behind an HTTP address with keys."""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.client.contents import put_file
from ml_workspace_lab.client.files import is_file
from ml_workspace_lab.client.log_parts import log_parts
from ml_workspace_lab.client.scaling import Workers, scaling_of
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.endpoints.model import (
    LOCAL,
    DeployEndpoint,
    DeploymentInfo,
    EndpointInfo,
    EndpointKeys,
    EndpointState,
    Engine,
    RegenerateKey,
    RequestSettings,
    ScoreRequest,
)
from ml_workspace_lab.endpoints.preflight import try_scoring
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.endpoints.telemetry.model import ExceptionInfo, Export, Sampling, Telemetry
from ml_workspace_lab.endpoints.traffic import RollbackRule, SetTraffic, with_share
from ml_workspace_lab.errors import InvalidInput, NotFound, Unavailable, shown
from ml_workspace_lab.models.trust import untrusted

if TYPE_CHECKING:
    from ml_workspace_lab.client.model import Model
    from ml_workspace_lab.client.run import Run
    from ml_workspace_lab.client.samples import Samples
    from ml_workspace_lab.client.workspace import Workspace

HEALTHY_SECONDS = 120.0
"""A first deployment compiles its model, which takes a few seconds of it."""
IMAGE_SECONDS = 1800.0
"""An image has to be made, sent and pulled first."""


class Endpoint:
    """A model version that answers over HTTP.

    `keys` holds the endpoint's keys only in the object that deployed it or made them anew: the
    workspace keeps their hashes alone.
    """

    def __init__(self, workspace: "Workspace", name: str, keys: EndpointKeys | None = None) -> None:
        self.workspace = workspace
        self.name = name
        self.keys = keys
        self._info = workspace.connection.endpoints.get(name)

    @classmethod
    def deploy(
        cls,
        workspace: "Workspace",
        name: str,
        model: "Model",
        *,
        scoring_script: str | Path | None = None,
        port: int = 0,
        environment_variables: Mapping[str, str] | None = None,
        request_settings: Mapping[str, int] | None = None,
        engine: Engine = "auto",
        providers: Sequence[str] = (),
        deployment: str | None = None,
        traffic: int | None = None,
        workers: Workers | WorkerScaling | None = None,
        compute_target: str = LOCAL,
        environment: str | None = None,
        resources: Resources | Mapping[str, float] | None = None,
        wait: bool = True,
    ) -> "Endpoint":
        """Serve a model; an endpoint of that name gets the new version without a pause.

        With a `deployment` (`blue`, `green`) the endpoint may have several, each with a version of
        its own; without, the only one there is is meant, which is called `default`. The first one
        gets all requests, a further one none, until it is given `traffic`, in percent: then the
        others share the rest as they did. That is done once it answers, so it takes `wait`.

        `scoring_script` has `init()` and `run(data)`; without one a scikit-learn model is scored
        as it is. The scoring process has `environment_variables` beside its usual ones;
        `request_settings` are limits by name, see `RequestSettings`. With the `engine` `auto` ONNX
        Runtime answers where a graph of the model was verified and is faster; `native` is the
        model's own library, `onnx` fails where there is no such graph. `providers` are ONNX
        Runtime's.

        `workers` is the number of processes that answer, each with the model in its own memory:
        2, or `(1, 4)` for from one to four by how busy they are, or settings by name, see
        `WorkerScaling`, or what `Model.profile` gave, whose recommendation is taken ("profiled": of
        the last one). None: as many as the deployment has, one where it is new.

        `compute_target` is an attached target that serves it from an image, with the packages of
        `environment` (NAME or NAME:VERSION), else those that the model's `requirements.txt` names;
        its workers are replicas, each of which asks for `resources`
        (`{"cores": 0.5, "memory_bytes": 500_000_000}`). Raises Unavailable with the reason where it
        does not come up.
        """
        if traffic is not None and not wait:
            raise InvalidInput(
                "traffic: is given to a deployment that answers, so it has to be waited for.",
                field="traffic",
                hint="Leave out wait=False, or set the traffic later.",
            )
        if workers is not None and not isinstance(workers, WorkerScaling):
            workers = scaling_of(workers, model)
        script = None
        if scoring_script is not None:
            script, _ = put_file(workspace.connection, _script(scoring_script))
        is_here = isinstance(workspace.connection, LocalConnection) and compute_target == LOCAL
        deployed = workspace.connection.endpoints.deploy(
            name,
            DeployEndpoint(
                model=model.name,
                version=model.version,
                scoring_script=script,
                port=port,
                python=sys.executable if is_here else None,
                environment_variables=dict(environment_variables or {}),
                request_settings=convert(dict(request_settings or {}), RequestSettings),
                engine=engine,
                providers=[*providers],
                deployment=deployment,
                scaling=workers,
                compute_target=compute_target,
                environment=environment,
                resources=None if resources is None else convert(resources, Resources),
            ),
        )
        endpoint = cls(workspace, name, deployed.keys)
        if wait:
            patience = HEALTHY_SECONDS if compute_target == LOCAL else IMAGE_SECONDS
            endpoint.wait_for_deployment(patience, deployment)
        if traffic is not None:
            one = deployment or endpoint.info().deployments[0].name
            endpoint.set_traffic(with_share(endpoint.traffic, one, traffic))
        return endpoint

    @property
    def scoring_uri(self) -> str:
        return self._info.scoring_uri

    def info(self) -> EndpointInfo:
        self._info = self.workspace.connection.endpoints.get(self.name)
        return self._info

    def get_details(self) -> dict[str, Any]:
        details: dict[str, Any] = msgspec.to_builtins(self.info())
        return details

    def wait_for_deployment(
        self, timeout_seconds: float = HEALTHY_SECONDS, deployment: str | None = None
    ) -> EndpointInfo:
        """Wait until it answers: the deployment, or else all those that have traffic. Raises
        Unavailable with the reason where it fails to."""
        until = time.monotonic() + timeout_seconds
        while True:
            info = self.info()
            found = info if deployment is None else _deployment(info, deployment)
            if found.state is EndpointState.HEALTHY:
                return info
            if found.state is EndpointState.FAILED or time.monotonic() > until:
                what = f"Endpoint {self.name}"
                if deployment is not None:
                    what = f"Deployment {deployment} of endpoint {self.name}"
                raise Unavailable(
                    f"{what} is {found.state}: {found.reason}",
                    hint=f"`ml-workspace endpoint log {self.name}` shows its log.",
                )
            time.sleep(0.05)

    @property
    def deployments(self) -> dict[str, DeploymentInfo]:
        return {one.name: one for one in self.info().deployments}

    @property
    def traffic(self) -> dict[str, int]:
        """Percent of the requests by deployment."""
        return self.info().traffic

    def set_traffic(
        self,
        traffic: Mapping[str, int] | None = None,
        *,
        mirror_traffic: Mapping[str, int] | None = None,
    ) -> EndpointInfo:
        """Split requests so from the next one on: whole percent by deployment, 100 in sum, or 0 to
        answer only those that name a deployment in the header `azureml-model-deployment`.
        `mirror_traffic` is for one deployment without traffic, which gets a copy of that many
        percent (50 at most) and whose answers are thrown away. What is None stays as it is."""
        body = SetTraffic(
            None if traffic is None else dict(traffic),
            None if mirror_traffic is None else dict(mirror_traffic),
        )
        self._info = self.workspace.connection.endpoint_traffic.set(self.name, body)
        return self._info

    def rollback_if(
        self,
        *,
        error_rate: float | None = None,
        p99_ms: float | None = None,
        window_seconds: int = 60,
        min_requests: int = 20,
    ) -> EndpointInfo:
        """Have traffic put back to what it was before a deployment got more of it, where that one
        does badly: of its requests in the last `window_seconds`, if there were `min_requests`, a
        part over `error_rate` (0.05 is 5 %) failed, or more than 1 % took over `p99_ms`. With
        neither it is left as it is. `info().rolled_back` says why it was put back."""
        service = self.workspace.connection.endpoint_traffic
        if error_rate is None and p99_ms is None:
            self._info = service.keep(self.name)
        else:
            rule = {
                "error_rate": error_rate,
                "p99_ms": p99_ms,
                "window_seconds": window_seconds,
                "min_requests": min_requests,
            }
            self._info = service.rollback_if(self.name, convert(rule, RollbackRule))
        return self._info

    def scale(
        self, workers: Workers | WorkerScaling, deployment: str | None = None
    ) -> EndpointInfo:
        """Have another number of workers, as for `deploy`, without a pause: of the deployment, or
        of the only one there is."""
        names = [one.name for one in self.info().deployments]
        if deployment is None and len(names) > 1:
            raise InvalidInput(
                f"deployment: the endpoint {self.name} has {len(names)}: {', '.join(names)}.",
                field="deployment",
                hint="Name the one to scale.",
            )
        name = deployment or names[0]
        if not isinstance(workers, WorkerScaling):
            workers = scaling_of(workers, self._model(name))
        self._info = self.workspace.connection.endpoint_scaling.set(self.name, name, workers)
        return self._info

    def _model(self, deployment: str) -> "Model":
        from ml_workspace_lab.client.model import Model

        found = _deployment(self._info, deployment)
        return Model(self.workspace, found.model, found.model_version)

    def delete_deployment(self, deployment: str) -> None:
        """End a deployment that has no traffic."""
        self.workspace.connection.endpoint_traffic.delete_deployment(self.name, deployment)

    def run(self, data: Any, deployment: str | None = None) -> Any:
        """The answer to a body, asked through the workspace (no key is needed for that); of that
        deployment, or of whichever gets the request.

        Raises ScoringFailed where the scoring code raised."""
        score = self.workspace.connection.endpoints.score
        return score(self.name, ScoreRequest(data, deployment)).body

    def invoke_batch(self, data: Any, **options: Any) -> "Run":
        """Score all rows of files, a table, or another run's artifacts as a run, in parallel
        mini-batches; returns at once with the run. See `client.batch.invoke_batch`."""
        from ml_workspace_lab.client.batch import invoke_batch

        return invoke_batch(self, data, **options)

    def get_logs(self, deployment: str | None = None, worker: int = 1) -> str:
        """The whole log of a deployment's worker, by default of the one with the most traffic."""
        log = self.workspace.connection.endpoints.log
        read = partial(log, self.name, deployment=deployment, worker=worker)
        return "".join(log_parts(read))

    def sample(self, share: float, deployment: str | None = None, **rules: Any) -> EndpointInfo:
        """Keep a share of a deployment's requests with their answers from now on (0.01 is 1 %, 0
        none any more); by default of the one with the most traffic. `rules` are those of `Sampling`
        by name: `drop_fields=["name"]`, `hash_fields`, `drop_patterns=["email", "number"]`,
        `hash_patterns`, `most_per_minute`, `most_bytes`, `days`."""
        service = self.workspace.connection.endpoint_telemetry
        one = deployment or _main(self.info())
        if not share:
            self._info = service.stop_sampling(self.name, one)
        else:
            self._info = service.sample(
                self.name, one, convert({"share": share, **rules}, Sampling)
            )
        return self._info

    def samples(self, deployment: str | None = None, limit: int = 1000) -> "Samples":
        """The newest requests that were kept, at most `limit`; of one deployment, or of all.
        `to_pandas()` makes a table of them."""
        from ml_workspace_lab.client.samples import read

        return read(self, deployment, limit)

    def delete_samples(self, deployment: str | None = None) -> None:
        """Delete the requests that were kept; of one deployment, or of all."""
        self.workspace.connection.endpoint_telemetry.delete_samples(self.name, deployment)

    def exceptions(self, deployment: str | None = None) -> list[ExceptionInfo]:
        """What scoring has raised since the last update, by kind, the latest first: how often, and
        the last traceback of each."""
        return self.workspace.connection.endpoint_telemetry.exceptions(self.name, deployment).items

    def telemetry(self) -> Telemetry:
        """What is kept and exported, and how much of that was lost."""
        return self.workspace.connection.endpoint_telemetry.get(self.name)

    def export(self, url: str | None, **options: float) -> EndpointInfo:
        """Send metrics and traces to the collector at a base `url` (`http://127.0.0.1:4318`); None:
        as the environment of the processes says, by default nowhere. `options` are those of
        `Export`: `interval_seconds`, `trace_share`."""
        service = self.workspace.connection.endpoint_telemetry
        if url is None:
            self._info = service.stop_export(self.name)
        else:
            self._info = service.export(self.name, convert({"url": url, **options}, Export))
        return self._info

    def regen_key(self, key: str = "primary") -> str:
        """A new primary or secondary key; the old one stops working at once."""
        body = msgspec.convert({"key": key}, RegenerateKey)
        self.keys = self.workspace.connection.endpoints.regenerate_key(self.name, body)
        made: str | None = getattr(self.keys, body.key)
        assert made is not None
        return made

    def delete(self) -> None:
        """Stop serving and remove the endpoint."""
        self.workspace.connection.endpoints.delete(self.name)

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, {self._info.state}, {self.scoring_uri!r})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        from ml_workspace_lab.client.card import endpoint_bundle

        return endpoint_bundle(self.info(), self.keys)


def _main(info: EndpointInfo) -> str:
    """The deployment with the most traffic."""
    return max(info.deployments, key=lambda one: one.traffic).name


def _deployment(info: EndpointInfo, name: str) -> DeploymentInfo:
    for one in info.deployments:
        if one.name == name:
            return one
    raise NotFound(f"The endpoint {info.name} has no deployment {name!r}.", field="deployment")


def preflight(model: "Model", scoring_script: str | Path | None, sample: Any) -> Any:
    """Run `init()` and `run(sample)` in a fresh process of this environment; the answer, None
    without a sample. Raises ScoringFailed with the traceback, Conflict where loading the model
    executes code that nobody has decided to trust."""
    script = _script(scoring_script) if scoring_script is not None else None
    trust = model.workspace.connection.model_trust.get(model.name, model.version)
    if not trust.allowed:
        raise untrusted(model.name, model.version)
    with tempfile.TemporaryDirectory() as folder:
        files = model.download(folder)
        return try_scoring(files, script, sample)


def _script(path: str | Path) -> Path:
    path = Path(path)
    if not is_file(path):
        raise InvalidInput(f"There is no scoring script {shown(path)}.", field="scoring_script")
    return path
