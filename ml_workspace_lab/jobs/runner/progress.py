"""How far a cell or a program has come, read from what it shows: bars of tqdm and its widgets."""

import re
from collections.abc import Mapping
from typing import Any

from ml_workspace_lab.experiments.model import Bar

_BAR = re.compile(
    r"^(?P<label>[^|\r\n]{0,200}?):?\s*"
    r"(?P<percent>\d{1,3})%\|[^|]{0,400}\|\s*"
    r"(?P<done>[\d.]+[kMGTP]?)/(?P<total>[\d.]+[kMGTP]?)[^\[\r\n]{0,20}"
    r"(?:\[[\d:]+<(?P<left>[\d:]+|\?))?"
)
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SCALE = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
LONGEST = 1000
WIDGETS = ("FloatProgressModel", "IntProgressModel")


def bar_in(line: str) -> Bar | None:
    """The bar that a line shows, None where it shows none (or one without a total)."""
    found = _BAR.match(_ESCAPES.sub("", line[:LONGEST]).strip())
    if found is None:
        return None
    left = found["left"]
    return Bar(
        label=found["label"].strip(),
        done=_number(found["done"]),
        total=_number(found["total"]),
        seconds_left=_seconds(left) if left and left != "?" else None,
    )


def bar_of_widgets(states: Mapping[str, Mapping[str, Any]]) -> Bar | None:
    """The newest progress widget that is under way among the states of a kernel's widgets."""
    newest = None
    for model, state in states.items():
        if state.get("_model_name") not in WIDGETS:
            continue
        low, high, value = (_float(state.get(name)) for name in ("min", "max", "value"))
        if high > low and value < high:
            label = str(state.get("description") or "") or _text_beside(states, model)
            newest = Bar(label, value - low, high - low)
    return newest


def _text_beside(states: Mapping[str, Mapping[str, Any]], model: str) -> str:
    """What stands left of a bar: tqdm puts both into one box, its text with the per cent."""
    for box in states.values():
        children = box.get("children") or []
        if f"IPY_MODEL_{model}" in children:
            first = states.get(str(children[0]).removeprefix("IPY_MODEL_"), {})
            text = str(first.get("value") or "")
            return re.sub(r":?\s*\d+%\s*$", "", text).strip()
    return ""


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _number(text: str) -> float:
    try:
        return float(text[:-1]) * _SCALE[text[-1]] if text[-1] in _SCALE else float(text)
    except ValueError:
        return 0.0


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part or 0)
    return total
