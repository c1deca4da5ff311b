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
from ml_workspace_lab.endpoints.model import (
    DeployEndpoint,
    EndpointInfo,
    EndpointKeys,
    EndpointState,
    Engine,
    RegenerateKey,
    RequestSettings,
    ScoreRequest,
)
from ml_workspace_lab.endpoints.preflight import try_scoring
from ml_workspace_lab.errors import InvalidInput, Unavailable, shown
from ml_workspace_lab.models.trust import untrusted

if TYPE_CHECKING:
    from ml_workspace_lab.client.model import Model
    from ml_workspace_lab.client.workspace import Workspace

HEALTHY_SECONDS = 120.0
"""A first deployment compiles its model, which takes a few seconds of it."""


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
        wait: bool = True,
    ) -> "Endpoint":
        """Serve a model; an endpoint of that name gets the new version without a pause.

        `scoring_script` has `init()` and `run(data)`; without one a scikit-learn model is scored
        as it is. The scoring process has `environment_variables` beside its usual ones;
        `request_settings` are limits by name, see `RequestSettings`. With the `engine` `auto` ONNX
        Runtime answers where a graph of the model was verified and is faster; `native` is the
        model's own library, `onnx` fails where there is no such graph. `providers` are ONNX
        Runtime's. Raises Unavailable with the reason where it does not come up.
        """
        script = None
        if scoring_script is not None:
            script, _ = put_file(workspace.connection, _script(scoring_script))
        python = sys.executable if isinstance(workspace.connection, LocalConnection) else None
        deployed = workspace.connection.endpoints.deploy(
            name,
            DeployEndpoint(
                model=model.name,
                version=model.version,
                scoring_script=script,
                port=port,
                python=python,
                environment_variables=dict(environment_variables or {}),
                request_settings=convert(dict(request_settings or {}), RequestSettings),
                engine=engine,
                providers=[*providers],
            ),
        )
        endpoint = cls(workspace, name, deployed.keys)
        if wait:
            endpoint.wait_for_deployment()
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

    def wait_for_deployment(self, timeout_seconds: float = HEALTHY_SECONDS) -> EndpointInfo:
        """Wait until it answers. Raises Unavailable with the reason where it fails to."""
        until = time.monotonic() + timeout_seconds
        while (info := self.info()).state is not EndpointState.HEALTHY:
            if info.state is EndpointState.FAILED or time.monotonic() > until:
                raise Unavailable(
                    f"Endpoint {self.name} is {info.state}: {info.reason}",
                    hint=f"`ml-workspace endpoint log {self.name}` shows its log.",
                )
            time.sleep(0.05)
        return info

    def run(self, data: Any) -> Any:
        """The answer to a body, asked through the workspace (no key is needed for that).

        Raises ScoringFailed where the scoring code raised."""
        score = self.workspace.connection.endpoints.score
        return score(self.name, ScoreRequest(data)).body

    def get_logs(self) -> str:
        """The whole log of the scoring process."""
        return "".join(log_parts(partial(self.workspace.connection.endpoints.log, self.name)))

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
