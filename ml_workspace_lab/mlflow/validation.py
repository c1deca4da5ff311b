"""The protocol's rules for names and sizes, with the words that its clients look for.

Only what clients rely on is refused here. A value is never cut to a length: the workspace keeps it
whole, or refuses it.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ml_workspace_lab.api.strict_json import convert_field
from ml_workspace_lab.api.types import Name
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.mlflow.entities import Dataset, Pair
from ml_workspace_lab.mlflow.errors import invalid, missing

KEY_LENGTH = 250
EXPERIMENT_NAME = 500
EXPERIMENT_TAG = 20_000
BATCH = {"metrics": 1000, "params": 100, "tags": 100}
ENTITIES = 1000
DATASET = {
    "name": 500,
    "digest": 36,
    "source": 65_535,
    "schema": 1_048_575,
    "profile": 16_777_215,
}
INPUT_TAG_KEY, INPUT_TAG_VALUE = 255, 500

_NAMES_A_RUN = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_KEY = re.compile(r"[/\w.\- :]*")
_USUAL = re.compile(r"\w[\w\-]{0,249}")
_SIGNS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ),"
    " colon(:) and slashes (/)."
)
_UNFIT_FOR_MODELS = frozenset("/:.%\"'")


def check_run_name(name: str, path: str) -> None:
    """Raise InvalidInput, naming the caller's field, where a run can't have this name."""
    convert_field(name, Name, path)


def check_key(key: str, path: str, what: str = "key") -> None:
    """Raise InvalidInput where a metric, parameter or tag can't have this name."""
    if is_usual(key):
        return
    if not key:
        raise missing(path)
    if not _KEY.fullmatch(key):
        raise invalid(path, key, _SIGNS)
    normal = posixpath.normpath(key)
    if normal != key or key == "." or key.startswith(("..", "/")):
        raise invalid(
            path,
            key,
            "Names may be treated as files in certain cases, and must not resolve to other names"
            f" when treated as such. This name would resolve to {normal!r}",
        )
    check_length(what, key, KEY_LENGTH)


@lru_cache(8192)
def is_usual(key: str) -> bool:
    """Whether nothing can be wrong with the key; the same few come again and again."""
    return _USUAL.fullmatch(key) is not None


def check_run_id(run_id: str) -> None:
    """Raise InvalidInput where no server of the protocol has a run of this id. What passes may
    still be no id as runs have them here: such a run is not found."""
    if not _NAMES_A_RUN.fullmatch(run_id):
        raise invalid("run_id", run_id, "it is not the id of a run.")


def check_length(name: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise InvalidInput(f"'{name}' exceeds the maximum length of {limit} characters", field=name)


def check_time(time: int, path: str) -> None:
    if time < 0:
        raise invalid(path, time, "Timestamp must be a nonnegative long (64-bit integer)")


def check_batch(**parts: Sequence[object]) -> None:
    """Raise InvalidInput where a batch has more than clients are told to send."""
    for name, items in parts.items():
        _check_count(name, len(items), BATCH[name])
    _check_count("metrics, params, and tags", sum(map(len, parts.values())), ENTITIES)


def check_unique(keys: Iterable[str]) -> None:
    """Raise InvalidInput where one batch sets a parameter twice."""
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise InvalidInput(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request"
            " contains only one param value per param key.",
            field="params",
        )


def check_dataset(dataset: Dataset, tags: Iterable[Pair], path: str) -> None:
    """Raise InvalidInput where a part of a dataset is longer than clients may send."""
    for name, limit in DATASET.items():
        check_length(f"{path}.dataset.{name}", getattr(dataset, name) or "", limit)
    for index, tag in enumerate(tags):
        check_length(f"{path}.tags[{index}].key", tag.key, INPUT_TAG_KEY)
        check_length(f"{path}.tags[{index}].value", tag.value, INPUT_TAG_VALUE)


def check_model_name(name: str) -> None:
    """Raise InvalidInput where a logged model can't have this name."""
    if unfit := sorted(_UNFIT_FOR_MODELS.intersection(name)):
        raise InvalidInput(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string and"
            f" cannot contain the following characters: {unfit}",
            field="name",
        )


def _check_count(name: str, count: int, limit: int) -> None:
    if count > limit:
        raise InvalidInput(
            f"A batch logging request can contain at most {limit} {name}. Got {count} {name}."
            f" Please split up {name} across multiple requests and try again.",
            field=name,
        )
