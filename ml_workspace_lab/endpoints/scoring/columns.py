"""What the signature in a model's folder says of its input and output."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_workspace_lab.models.described import MLMODEL


@dataclass(frozen=True)
class Column:
    """A column or tensor with its type in MLflow's words (`double`, `string`, …) or numpy's; the
    name is "" where it has none."""

    name: str
    kind: str
    shape: tuple[int, ...] = (-1,)


@dataclass(frozen=True)
class Signature:
    """Nothing where the folder does not tell."""

    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()


def signature(folder: Path) -> Signature:
    """The signature of a model's folder, whose MLmodel file has been read without complaint."""
    found = _described(folder).get("signature") or {}
    return Signature(_columns(found.get("inputs")), _columns(found.get("outputs")))


def flavors(folder: Path) -> list[str]:
    """The flavors that a model's folder has, whose MLmodel file has been read without complaint."""
    return list(_described(folder)["flavors"])


def _described(folder: Path) -> Any:
    import yaml  # type: ignore[import-untyped]

    return yaml.safe_load((folder / MLMODEL).read_text(encoding="utf-8"))


def _columns(text: str | None) -> tuple[Column, ...]:
    return tuple(_column(one) for one in json.loads(text or "[]"))


def _column(one: dict[str, Any]) -> Column:
    name = str(one.get("name", ""))
    if (spec := one.get("tensor-spec")) is not None:
        return Column(name, str(spec["dtype"]), tuple(spec["shape"]))
    return Column(name, str(one["type"]))
