"""How verdicts on graphs of versions are kept."""

import msgspec

from ml_workspace_lab.models.compiled.model import Compilation, Verdict
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now

_COMPILATIONS = "SELECT c.*, m.name FROM model_compilation c JOIN model m ON m.id = c.model"


def find(queries: Queries, name: str, number: int, content: str) -> Compilation | None:
    """That of a version with this content, else of any that has the same."""
    rows = queries.all(
        f"{_COMPILATIONS} WHERE c.content = :content ORDER BY c.created DESC", content=content
    )
    own = (row for row in rows if (row["name"], row["version"]) == (name, number))
    found = next(own, rows[0] if rows else None)
    return _compilation(found) if found is not None else None


def put(
    transaction: Transaction,
    name: str,
    number: int,
    *,
    content: str,
    onnx: str | None,
    verdict: Verdict,
    user: str,
) -> None:
    transaction.execute(
        'INSERT INTO model_compilation (model, version, content, onnx, verdict_json, "user",'
        " created) VALUES ((SELECT id FROM model WHERE name = :name), :number, :content, :onnx,"
        " :verdict, :user, :now) ON CONFLICT (model, version) DO UPDATE SET"
        " content = excluded.content, onnx = excluded.onnx, verdict_json = excluded.verdict_json,"
        ' "user" = excluded."user", created = excluded.created',
        name=name,
        number=number,
        content=content,
        onnx=onnx,
        verdict=msgspec.json.encode(verdict).decode(),
        user=user,
        now=now(),
    )
    kept = "yes" if verdict.kept else "no"
    transaction.event("model.compiled", name, version=str(number), kept=kept)


def delete(transaction: Transaction, content: str) -> None:
    """Take away what holds for this content, of all versions that have it."""
    transaction.execute("DELETE FROM model_compilation WHERE content = :content", content=content)


def _compilation(row: Row) -> Compilation:
    return Compilation(
        name=row["name"],
        version=row["version"],
        content=row["content"],
        onnx=row["onnx"],
        verdict=msgspec.json.decode(row["verdict_json"], type=Verdict),
        created=row["created"],
        user=row["user"],
    )
