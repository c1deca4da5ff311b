"""Real rows that a model takes: the example that it was registered with, and those that a user
gives."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_workspace_lab.models.described import MLMODEL

MOST = 1000


class NoRows(Exception):
    """There are none that could be compared; the message says why."""


@dataclass(frozen=True)
class Table:
    """Rows of numbers (an array of 64-bit floats) and the names of their columns, if they have
    any."""

    names: list[str]
    rows: Any


def real(folder: Path, data: Path | None, names: list[str], count: int | None) -> Any:
    """The rows, in the order of the model's columns. Raises NoRows."""
    import numpy as np

    found = [_ordered(table, names) for table in (example(folder), given(data)) if table]
    if not found:
        raise NoRows(
            "there are no rows to verify it with: register the model with an input_example, or"
            " compile it with data"
        )
    width = count or len(names) or found[0].shape[1]
    if any(rows.shape[1] != width for rows in found):
        raise NoRows(f"the rows to verify it with don't have the {width} columns of the model")
    joined = np.concatenate(found)
    if len(joined) > MOST:
        picked = np.random.default_rng(0).choice(len(joined), MOST, replace=False)
        joined = joined[np.sort(picked)]
    return joined


def example(folder: Path) -> Table | None:
    """The input example of a folder in MLflow's layout; None where there is none."""
    kept = kept_example(folder)
    if kept is None:
        return None
    if isinstance(kept, dict) and "data" in kept:
        return _table(kept["data"], [str(name) for name in kept.get("columns") or []])
    return _table(kept, [])


def kept_example(folder: Path) -> Any:
    """The same as JSON has it: rows, or `data` and `columns`; None where there is none."""
    import yaml  # type: ignore[import-untyped]

    described = yaml.safe_load((folder / MLMODEL).read_text(encoding="utf-8"))
    info = described.get("saved_input_example_info") or {}
    path = (folder / str(info.get("artifact_path", ""))).resolve()
    if not path.is_file() or not path.is_relative_to(folder.resolve()):
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(kept, dict):
        return next((kept[name] for name in ("dataframe_split", "inputs") if name in kept), kept)
    return kept


def given(path: Path | None) -> Table | None:
    """The rows that a user gave, as `write` wrote them."""
    if path is None:
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    return _table(kept["data"], kept["columns"])


def write(data: Any, path: Path) -> None:
    """Write a data frame, or an array with a row for each input, where a process can read it."""
    if hasattr(data, "columns"):
        kept = {"columns": [str(name) for name in data.columns], "data": data.to_numpy().tolist()}
    else:
        import numpy as np

        kept = {"columns": [], "data": np.asarray(data).tolist()}
    path.write_text(json.dumps(kept, default=str), encoding="utf-8")


def _table(rows: Any, names: list[str]) -> Table:
    import numpy as np

    try:
        array = np.asarray(rows)
    except ValueError:
        array = np.asarray(0)
    if array.ndim != 2 or not array.size:
        raise NoRows("the rows to verify it with are no table")
    if array.dtype.kind not in "biuf":
        raise NoRows("the rows to verify it with hold others than numbers")
    return Table(names, array.astype("f8"))


def _ordered(table: Table, names: list[str]) -> Any:
    if not names or not table.names:
        return table.rows
    if missing := [name for name in names if name not in table.names]:
        raise NoRows(f"the rows to verify it with have no column {', '.join(missing[:5])}")
    return table.rows[:, [table.names.index(name) for name in names]]


def as_taken(rows: Any, names: list[str]) -> Any:
    """Rows as a model takes them that knows its columns by `names`, or by their places."""
    if not names:
        return rows
    import pandas

    return pandas.DataFrame(rows, columns=names)
