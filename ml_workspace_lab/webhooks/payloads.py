"""What webhooks are told of an event, in the words that MLflow documents."""

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.models.model import PROMPT_TAG
from ml_workspace_lab.webhooks.model import EventKind

if TYPE_CHECKING:
    from ml_workspace_lab.services import Services

_TEXT_TAG = "mlflow.prompt.text"
_OF_PROMPTS = (PROMPT_TAG, "_mlflow_prompt_type", _TEXT_TAG)

_KINDS: dict[tuple[str, bool], str] = {
    ("model.created", False): "registered_model.created",
    ("model.registered", True): "model_version.created",
    ("model.tagged", True): "model_version_tag.set",
    ("model.untagged", True): "model_version_tag.deleted",
    ("model.aliased", True): "model_version_alias.created",
    ("model.unaliased", False): "model_version_alias.deleted",
}
_PROMPT_KINDS: dict[tuple[str, bool], str] = {
    ("model.created", False): "prompt.created",
    ("model.registered", True): "prompt_version.created",
    ("model.tagged", False): "prompt_tag.set",
    ("model.untagged", False): "prompt_tag.deleted",
    ("model.tagged", True): "prompt_version_tag.set",
    ("model.untagged", True): "prompt_version_tag.deleted",
    ("model.aliased", True): "prompt_alias.created",
    ("model.unaliased", False): "prompt_alias.deleted",
}
"""Kinds of webhooks' events by our own kind and whether it is about a version."""


class Told(Struct, frozen=True):
    kind: str
    data: dict[str, Any]


def told(services: "Services", kind: str, name: str, data: dict[str, str]) -> Told | None:
    """What to tell of an event about the model `name`; None where that is of no interest, or the
    model is gone before anybody could be told."""
    if not kind.startswith("model."):
        return None
    try:
        model = services.models.get(name)
        is_prompt = model.tags.get(PROMPT_TAG) == "true"
        found = (_PROMPT_KINDS if is_prompt else _KINDS).get((kind, "version" in data))
        if found is None:
            return None
        if found.endswith("model.created") or found == "prompt.created":
            described = {"tags": _tags(model.tags), "description": model.description or None}
            return Told(found, {"name": name, **described})
        if kind == "model.registered":
            return Told(found, _version(services, name, int(data["version"]), is_prompt=is_prompt))
        return Told(found, {"name": name, **data})
    except NotFound:
        return None


def example(kind: EventKind) -> dict[str, Any]:
    """What a test tells."""
    entity, _, action = kind.partition(".")
    data: dict[str, Any] = {"name": "example"}
    if entity in ("registered_model", "prompt"):
        return {**data, "tags": {"example_key": "example_value"}, "description": "An example"}
    if entity.endswith("_tag"):
        data |= {"version": "1"} if "version" in entity else {}
        data |= {"key": "example_key"}
        return data | ({"value": "example_value"} if action == "set" else {})
    if entity.endswith("_alias"):
        return {**data, "alias": "champion"} | ({"version": "1"} if action == "created" else {})
    return {**data, "version": "1", "tags": {"example_key": "example_value"}, "description": None}


def _version(services: "Services", name: str, number: int, *, is_prompt: bool) -> dict[str, Any]:
    version = services.models.version(name, number)
    origin: dict[str, Any] = {"source": version.source, "run_id": version.run_id}
    if is_prompt:
        origin = {"template": version.tags.get(_TEXT_TAG)}
    return {
        "name": name,
        "version": str(number),
        **origin,
        "tags": _tags(version.tags),
        "description": version.description or None,
    }


def _tags(tags: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key not in _OF_PROMPTS}
