"""Logged models as the protocol shows them."""

from msgspec import Struct

from ml_workspace_lab.mlflow import entities
from ml_workspace_lab.mlflow.entities import Metric, Pair
from ml_workspace_lab.models.logged_model import LoggedModelInfo, ModelMetric, Status

STATUSES: dict[str | int, Status] = {
    "LOGGED_MODEL_PENDING": "pending",
    1: "pending",
    "LOGGED_MODEL_READY": "ready",
    2: "ready",
    "LOGGED_MODEL_UPLOAD_FAILED": "failed",
    3: "failed",
}
WORDS = {status: word for word, status in STATUSES.items() if isinstance(word, str)}


class Info(Struct, frozen=True, omit_defaults=True):
    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: str
    tags: list[Pair]
    model_type: str = ""
    source_run_id: str = ""


class Data(Struct, frozen=True):
    params: list[Pair]
    metrics: list[Metric]


class Model(Struct, frozen=True):
    info: Info
    data: Data


def model(info: LoggedModelInfo) -> Model:
    return Model(
        Info(
            model_id=info.model_id,
            experiment_id=str(info.experiment_number),
            name=info.name,
            creation_timestamp_ms=info.created,
            last_updated_timestamp_ms=info.updated,
            artifact_uri=location(info),
            status=WORDS[info.status],
            tags=entities.pairs(info.tags),
            model_type=info.model_type,
            source_run_id=info.run_id or "",
        ),
        Data(entities.pairs(info.params), [_metric(info.model_id, one) for one in info.metrics]),
    )


def _metric(model_id: str, one: ModelMetric) -> Metric:
    return Metric(
        key=one.name,
        value=entities.shown(one.value),
        timestamp=one.time,
        step=one.step,
        model_id=model_id,
        dataset_name=one.dataset_name,
        dataset_digest=one.dataset_digest,
        run_id=one.run_id or "",
    )


def location(info: LoggedModelInfo) -> str:
    return f"{entities.location(info.experiment_number)}/models/{info.model_id}/artifacts"
