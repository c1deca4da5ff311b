"""The Open Inference Protocol, version 2, over HTTP: `/v2/…`."""

from collections.abc import Mapping
from typing import Any

from ml_workspace_lab._version import __version__
from ml_workspace_lab.api import strict_json
from ml_workspace_lab.endpoints.folder import Deployment
from ml_workspace_lab.endpoints.scoring import frames, tensors
from ml_workspace_lab.endpoints.scoring.call import BadInput, Call, Reply
from ml_workspace_lab.endpoints.scoring.handlers import Handler
from ml_workspace_lab.endpoints.scoring.payload import encode
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.score import ScoringHandler
from ml_workspace_lab.endpoints.scoring.tensors import InferenceRequest, WantedOutput
from ml_workspace_lab.errors import InvalidInput

MODEL = r"/v2/models/([^/]+)(?:/versions/([^/]+))?"


class V2Handler(Handler):
    """Answers of the protocol; its errors have one field."""

    def refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        self.end({"error": message})

    def is_served(self, name: str, version: str | None) -> bool:
        """Whether that is the model of this deployment; else it is refused."""
        deployment = self.served.deployment
        if (name, version or str(deployment.version)) == (
            deployment.model,
            str(deployment.version),
        ):
            return True
        self.refuse(404, f"Here {deployment.model!r} is served, in version {deployment.version}.")
        return False


class ServerHandler(V2Handler):
    def get(self) -> None:
        self.end({"name": "ml-workspace-lab", "version": __version__, "extensions": []})


class ServerHealthHandler(V2Handler):
    """A process that answers has loaded its model."""

    def get(self, word: str) -> None:
        self.end({word: True})


class ModelHandler(V2Handler):
    def get(self, name: str, version: str | None) -> None:
        if self.is_served(name, version):
            self.end(_metadata(self.served.deployment, self.served.scorer))


class ModelReadyHandler(V2Handler):
    def get(self, name: str, version: str | None) -> None:
        if self.is_served(name, version):
            self.end({"name": self.served.deployment.model, "ready": True})


class InferHandler(V2Handler, ScoringHandler):
    """Tensors in, tensors out, for a model that is served without a script."""

    async def post(self, name: str, version: str | None) -> None:
        if self._refusal is None and not self.is_served(name, version):
            return
        await self.score()

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


def _metadata(deployment: Deployment, scorer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": deployment.model,
        "versions": [str(deployment.version)],
        "platform": "script" if deployment.has_script else "mlflow",
        "inputs": [],
        "outputs": [],
    }
    if isinstance(scorer, Predictor):
        model = scorer.model
        found["inputs"] = tensors.inputs(scorer.signature, model.names, model.count)
        found["outputs"] = tensors.described(scorer.signature.outputs, tensors.PREDICTIONS)
    return found


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
