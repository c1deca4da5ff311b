"""Registered models and their versions as the protocol shows them."""

from collections.abc import Sequence

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.mlflow import validation
from ml_workspace_lab.mlflow.entities import Pair, by_key, pairs
from ml_workspace_lab.models.model import ModelInfo, ModelVersion

TAG_LENGTH = 100_000
PROMPT_TEXT_TAG = "mlflow.prompt.text"


class Alias(Struct, frozen=True):
    alias: str
    version: str


class Version(Struct, frozen=True, omit_defaults=True):
    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int
    current_stage: str
    description: str
    source: str
    run_id: str
    status: str
    user_id: str = ""
    run_link: str = ""
    model_id: str = ""
    tags: list[Pair] = []
    aliases: list[str] = []


class Model(Struct, frozen=True, omit_defaults=True):
    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str = ""
    latest_versions: list[Version] = []
    tags: list[Pair] = []
    aliases: list[Alias] = []


def version(info: ModelVersion) -> Version:
    return Version(
        name=info.name,
        version=str(info.version),
        creation_timestamp=info.created,
        last_updated_timestamp=info.updated,
        current_stage=info.stage,
        description=info.description,
        source=source(info),
        run_id=info.run_id or "",
        status="READY",
        user_id=info.user,
        run_link=info.run_link,
        model_id=info.model_id or "",
        tags=pairs(info.tags),
        aliases=info.aliases,
    )


def model(info: ModelInfo, latest: Sequence[ModelVersion]) -> Model:
    return Model(
        name=info.name,
        creation_timestamp=info.created,
        last_updated_timestamp=info.updated,
        description=info.description,
        latest_versions=[version(each) for each in latest],
        tags=pairs(info.tags),
        aliases=[Alias(alias, str(number)) for alias, number in info.aliases.items()],
    )


def source(info: ModelVersion) -> str:
    """What a version was made from. One that was registered here has no other than itself."""
    return info.source or f"models:/{info.name}/{info.version}"


def tags(items: Sequence[Pair]) -> dict[str, str]:
    """The tags of a call. Raises InvalidInput where a model can't have one."""
    for item in items:
        validation.check_key(item.key, "key")
        if item.key == PROMPT_TEXT_TAG and len(item.value) > TAG_LENGTH:
            raise InvalidInput(
                f"Prompt text exceeds max length of {TAG_LENGTH} characters.", field="tags"
            )
        validation.check_length("value", item.value, TAG_LENGTH)
    return by_key(items)
