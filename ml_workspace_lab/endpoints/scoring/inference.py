"""The Open Inference Protocol, version 2, over HTTP: `/v2/…`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ml_workspace_lab._version import __version__
from ml_workspace_lab.api import strict_json
from ml_workspace_lab.endpoints.folder import Deployment
from ml_workspace_lab.endpoints.scoring import frames, tensors
from ml_workspace_lab.endpoints.scoring.call import BadInput, Call, Reply
from ml_workspace_lab.endpoints.scoring.pages import Page, Served
from ml_workspace_lab.endpoints.scoring.payload import encode
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.request import Request
from ml_workspace_lab.endpoints.scoring.score import ScoringPage
from ml_workspace_lab.endpoints.scoring.tensors import InferenceRequest, WantedOutput
from ml_workspace_lab.endpoints.scoring.turns import Turns
from ml_workspace_lab.errors import InvalidInput

MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(|/ready|/infer)")
"""The paths of a model: its name, its version and what is asked."""


class V2Page(Page):
    """Answers of the protocol; its errors have one field."""

    name = "v2"

    def error(self, _status: int, message: str) -> dict[str, Any]:
        return {"error": message}


Models = Callable[[], dict[str, list[int]]]
"""Tells which models take traffic behind an endpoint, in which versions."""


class OfModel(V2Page):
    """Answers about the model of this deployment; `models` are those of all deployments."""

    def __init__(self, served: Served, models: Models) -> None:
        super().__init__(served)
        self._models = models

    def is_served(self, request: Request) -> bool:
        """Whether the model of this deployment is asked for; else the request is refused."""
        deployment = self.served.deployment
        served = deployment.model, str(deployment.version)
        name, version = request.arguments
        if (name, version or served[1]) == served:
            return True
        there = self.models()
        told = (f"{name!r} in version {_listed(versions)}" for name, versions in there.items())
        known = version is not None and name in there
        what = f"version {version!r:.100} of {name!r}" if known else f"model {name!r:.100}"
        self.refuse(request, 404, f"There is no {what} here, but {'; '.join(told)}.")
        return False

    def models(self) -> dict[str, list[int]]:
        """Those of all deployments that take traffic, and of this one."""
        deployment = self.served.deployment
        found = self._models()
        own = found.get(deployment.model, [])
        return {**found, deployment.model: sorted({*own, deployment.version})}


class ServerPage(V2Page):
    def get(self, request: Request) -> None:
        said = {"name": "ml-workspace-lab", "version": __version__, "extensions": []}
        request.answer_json(200, said)


class ServerHealthPage(V2Page):
    """A process that answers has loaded its model."""

    name = "health"

    def __init__(self, served: Served, word: str) -> None:
        super().__init__(served)
        self._word = word

    def get(self, request: Request) -> None:
        request.answer_json(200, {self._word: True})


class ModelPage(OfModel):
    def get(self, request: Request) -> None:
        if self.is_served(request):
            deployment = self.served.deployment
            versions = self.models()[deployment.model]
            request.answer_json(200, _metadata(deployment, versions, self.served.scorer))


class ModelReadyPage(OfModel):
    name = "health"

    def get(self, request: Request) -> None:
        if self.is_served(request):
            request.answer_json(200, {"name": self.served.deployment.model, "ready": True})


class InferPage(OfModel, ScoringPage):
    """Tensors in, tensors out, for a model that is served without a script."""

    name = "infer"

    def __init__(self, served: Served, turns: Turns, models: Models) -> None:
        ScoringPage.__init__(self, served, turns)
        self._models = models

    def post(self, request: Request) -> None:
        if self.is_served(request):
            self.score(request)

    def rows(self, _: bytes | bytearray) -> None:
        """Tensors have types of their own, and are not joined with others."""

    def work(self, call: Call) -> Reply:
        if not isinstance(scorer := self.served.scorer, Predictor):
            raise BadInput("This deployment has a scoring script, which answers at /score.")
        if any(name.lower() == "inference-header-content-length" for name, _ in call.headers):
            raise BadInput("Binary tensors are not taken; send their data as JSON.")
        call.json()
        try:
            asked = strict_json.decode(call.body, InferenceRequest)
        except InvalidInput as error:
            raise BadInput(error.message) from None
        _refuse_binary(asked)
        found = tensors.joined(asked.inputs, scorer.model.names)
        if hasattr(found, "columns"):
            predictions = scorer.predict_frame(found)
        else:
            names, count = scorer.model.names, scorer.model.count
            predictions = scorer.predict(frames.placed(found, names, count))
        answer = {
            "model_name": self.served.deployment.model,
            "model_version": str(self.served.deployment.version),
            "outputs": _wanted(tensors.outputs(predictions), asked.outputs),
        }
        return Reply(encode(answer if asked.id is None else {**answer, "id": asked.id}))


def _metadata(deployment: Deployment, versions: list[int], scorer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": deployment.model,
        "versions": [str(version) for version in versions],
        "platform": "script" if deployment.has_script else "mlflow",
        "inputs": [],
        "outputs": [],
    }
    if isinstance(scorer, Predictor):
        model = scorer.model
        found["inputs"] = tensors.inputs(scorer.signature, model.names, model.count)
        found["outputs"] = tensors.described(scorer.signature.outputs, tensors.PREDICTIONS)
    return found


def _listed(versions: list[int]) -> str:
    return ", ".join(map(str, versions))


def _refuse_binary(asked: InferenceRequest) -> None:
    parts: list[Mapping[str, Any]] = [asked.parameters]
    parts += [tensor.parameters for tensor in asked.inputs]
    parts += [output.parameters for output in asked.outputs or []]
    if any(part.get(name) for part in parts for name in tensors.BINARY):
        raise BadInput("Binary tensors are neither taken nor given; leave out binary_data.")


def _wanted(found: list[dict[str, Any]], wanted: list[WantedOutput] | None) -> list[dict[str, Any]]:
    if not wanted:
        return found
    by_name = {output["name"]: output for output in found}
    for one in wanted:
        if one.name not in by_name:
            raise BadInput(f"There is no output {one.name!r}, but {', '.join(by_name)}.")
    return [by_name[one.name] for one in wanted]
