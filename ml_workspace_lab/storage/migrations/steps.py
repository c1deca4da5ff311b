"""The steps from schema to schema, the same for every database."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Literal

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.database import Queries, Transaction
from ml_workspace_lab.storage.files import is_held
from ml_workspace_lab.storage.migrations import to_schema_2, to_schema_9, to_schema_11

DatabaseKind = Literal["sqlite", "postgresql"]

AGENT = "agent.lock"
"""Held by a workspace's background process, in every release."""

_FILLERS: dict[int, Callable[[Transaction, Path], None]] = {
    2: to_schema_2.fill,
    9: to_schema_9.fill,
    11: to_schema_11.fill,
}


def take(transaction: Transaction, version: int, kind: DatabaseKind, folder: Path) -> None:
    """Bring the database of the workspace in `folder` from the schema before `version` to it."""
    name = f"{version:04}.{kind}.sql"
    for statement in statements(name):
        transaction.run(statement, {})
    if fill := _FILLERS.get(version):
        fill(transaction, folder)


def require_rest(queries: Queries, folder: Path) -> None:
    """Raise Unavailable while processes of an earlier release write to the workspace in their own
    way: what they log would not be seen."""
    rows = queries.all("SELECT uid FROM run WHERE state NOT IN ('Completed', 'Failed', 'Canceled')")
    going_on = [row["uid"] for row in rows if is_held(folder / "runs" / row["uid"] / "lock")]
    if going_on:
        raise Unavailable(
            f"Run {going_on[0]} goes on with an earlier release of ml_workspace_lab.",
            hint="Let it end, or cancel it; then the workspace is upgraded.",
        )
    if is_held(folder / AGENT):
        raise Unavailable(
            "An earlier release of ml_workspace_lab is at work in this workspace.",
            hint="End the JupyterLab that uses it and try again a minute later.",
        )


def statements(name: str) -> list[str]:
    """The statements of a file in `sql`, each of which ends with a semicolon and its line; none of
    one that isn't there, for a step that leaves the tables as they are."""
    file = resources.files(__package__).joinpath("sql", name)
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return [part for part in text.split(";\n") if part.strip()]
