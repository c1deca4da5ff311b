"""What a scorer's content may be. It is kept for clients that run it, each with its own rights and
keys: so what would make them run somebody's code, or send these keys somewhere, is refused."""

import re
from collections.abc import Iterator
from typing import Any

from ml_workspace_lab.api.strict_json import loads
from ml_workspace_lab.errors import InvalidInput, NotFound

CODE = "call_source"
THIRD_PARTY = "third_party_scorer_data"
BASE_JUDGE = "memory_augmented_judge_data"
MODELS = (
    "instructions_judge_pydantic_data",
    "builtin_scorer_pydantic_data",
    BASE_JUDGE,
    THIRD_PARTY,
)
"""Parts that may name the model that judges; the first that is there does."""
DESTINATIONS = ("api_base", "base_url", "custom_llm_provider", "fallbacks", "model_list")
_GATEWAY = re.compile(r"gateway:/+(?P<name>.*[^/].*)", re.DOTALL)


def check(content: str) -> None:
    """Raise InvalidInput for what is no scorer, or none that may be kept, and NotFound where it is
    judged by a model of a gateway, which a workspace has not."""
    try:
        value = loads(content.encode())
    except (InvalidInput, UnicodeEncodeError) as error:
        raise InvalidInput(f"content: must be valid JSON. {error}", field="content") from None
    for one in _objects([value]):
        _check_object(one)
    if not isinstance(value, dict):
        raise InvalidInput("content: must be a JSON object.", field="content")
    model = _model(value)
    if model is None:
        return
    if not isinstance(model, str):
        raise InvalidInput("Scorer model must be a string.", field="content")
    if not model.strip():
        raise InvalidInput(
            "Scorer model cannot be empty or contain only whitespace.", field="content"
        )
    if named := _GATEWAY.fullmatch(model):
        raise NotFound(
            f"GatewayEndpoint not found (name={named['name'][:80]!r})",
            field="content",
            hint="There is no AI gateway here: name the model of a provider.",
        )


def _check_object(one: dict[str, Any]) -> None:
    if one.get(CODE) is not None:
        raise InvalidInput(
            "Custom scorer registration is not supported: clients would run its code when they"
            " read it.",
            field="content",
            hint="Keep the code with your own, or register a built-in scorer or a judge.",
        )
    data = one.get(THIRD_PARTY)
    options = data.get("kwargs") if isinstance(data, dict) else None
    if options is not None and not isinstance(options, dict):
        raise InvalidInput(f"{THIRD_PARTY}.kwargs must be a JSON object.", field="content")
    if found := sorted({key for key in _keys(options) if key in DESTINATIONS}):
        raise InvalidInput(
            f"{THIRD_PARTY}.kwargs must not contain {', '.join(map(repr, found))}: these say where"
            " clients would send their requests, with their keys.",
            field="content",
        )


def _objects(level: list[Any]) -> Iterator[dict[str, Any]]:
    """Every object in these values, however deep."""
    while level:
        objects = [one for one in level if isinstance(one, dict)]
        yield from objects
        arrays = [one for one in level if isinstance(one, list)]
        level = [value for one in objects for value in one.values()]
        level += [value for one in arrays for value in one]


def _keys(options: Any) -> Iterator[Any]:
    """Keys in it, those of pairs too, of which Python also makes a dictionary."""
    for one in _objects([options]):
        yield from one
        for value in one.values():
            yield from _of_pairs(value)


def _of_pairs(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            if isinstance(one, list) and len(one) == 2:
                yield one[0] if isinstance(one[0], str) else None
            yield from _of_pairs(one)


def _model(value: dict[str, Any]) -> Any:
    """The model that judges; None where none is named."""
    for name in MODELS:
        part = value.get(name)
        if not part:
            continue
        if not isinstance(part, dict):
            raise InvalidInput(f"{name}: must be a JSON object.", field="content")
        if name != BASE_JUDGE:
            return part.get("model")
        base = part.get("base_judge") or {}
        if not isinstance(base, dict):
            raise InvalidInput(f"{name}.base_judge: must be a JSON object.", field="content")
        return _model(base)
    return None
