"""How scorers and their versions are kept."""

import uuid
from collections.abc import Iterable, Sequence

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.evaluation.scorer import ScorerSampling, ScorerVersion
from ml_workspace_lab.experiments.search.bounded import fitting
from ml_workspace_lab.experiments.search.sql import TRUE, Bindings, Dialect
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.storage.marks import groups

_SCORERS = (
    "SELECT s.*, e.name AS experiment_name, v.version, v.created, length(v.content) AS size"
    " FROM scorer s JOIN experiment e ON e.id = s.experiment"
    " JOIN scorer_version v ON v.scorer = s.id"
)
_LATEST = "v.version = (SELECT max(version) FROM scorer_version WHERE scorer = s.id)"

Place = tuple[int, str]
"""Where a page of scorers begins: behind that of an experiment's number and a name."""


def find(queries: Queries, experiment: int, name: str) -> Row | None:
    return queries.one(
        "SELECT * FROM scorer WHERE experiment = :experiment AND name = :name",
        experiment=experiment,
        name=name,
    )


def row_of(queries: Queries, experiment: int, name: str) -> Row:
    row = find(queries, experiment, name)
    if row is None:
        raise not_there(experiment, name)
    return row


def not_there(experiment: int, name: str, version: int | None = None) -> NotFound:
    which = "" if version is None else f" and version {version}"
    return NotFound(
        f"Scorer with name '{name}'{which} not found for experiment {experiment}.",
        field="name" if version is None else "version",
    )


def add(transaction: Transaction, experiment: int, name: str, content: str) -> int:
    """Add a version, of a new scorer where there is none of that name; its number."""
    newest = transaction.one(
        "SELECT coalesce(max(v.version), 0) AS version FROM scorer s JOIN scorer_version v"
        " ON v.scorer = s.id WHERE s.experiment = :experiment AND s.name = :name",
        experiment=experiment,
        name=name,
    )
    assert newest is not None
    version = int(newest["version"]) + 1
    restore(transaction, experiment, name, version, content, now())
    return version


def restore(
    transaction: Transaction, experiment: int, name: str, version: int, content: str, created: int
) -> None:
    """Add the version of that number, which is not there yet."""
    row = find(transaction, experiment, name)
    uid = row["uid"] if row else str(uuid.uuid4())
    scorer = (
        row["id"] if row else transaction.add("scorer", uid=uid, experiment=experiment, name=name)
    )
    transaction.insert(
        "scorer_version", scorer=scorer, version=version, content=content, created=created
    )
    transaction.event("scorer.registered", uid, name=name, version=str(version))


def all_of(queries: Queries, scorer: Row) -> list[tuple[int, str, int]]:
    """Number, content and moment of each version, the oldest first."""
    rows = queries.all(
        "SELECT version, content, created FROM scorer_version WHERE scorer = :id ORDER BY version",
        id=scorer["id"],
    )
    return [(row["version"], row["content"], row["created"]) for row in rows]


def delete(transaction: Transaction, row: Row, version: int | None) -> None:
    """Delete a version, or all; a scorer goes with its last. Raises NotFound where there is
    none."""
    which = "" if version is None else " AND version = :version"
    gone = transaction.execute(
        f"DELETE FROM scorer_version WHERE scorer = :scorer{which}",
        scorer=row["id"],
        version=version,
    ).rowcount
    if not gone:
        raise not_there(row["experiment"], row["name"], version)
    transaction.execute(
        "DELETE FROM scorer WHERE id = :id AND NOT EXISTS"
        " (SELECT 1 FROM scorer_version WHERE scorer = :id)",
        id=row["id"],
    )
    said = {} if version is None else {"version": str(version)}
    transaction.event("scorer.deleted", row["uid"], name=row["name"], **said)


def latest(
    queries: Queries, way: Dialect, experiments: Sequence[str] | None, after: Place, limit: int
) -> tuple[list[ScorerVersion], Place | None]:
    """The newest version of each scorer of experiments that are not in the trash, by experiment and
    name, as many as a page takes; the last one's place where others follow."""
    bindings = Bindings()
    number, name = (bindings.mark(value) for value in after)
    named = way.bytewise("s.name")
    among = TRUE if experiments is None else way.among("e.name", experiments, bindings)
    rows = queries.all(
        f"{_SCORERS} WHERE {_LATEST} AND e.deleted IS NULL AND {among}"
        f" AND (e.id > {number} OR (e.id = {number} AND {named} > {name}))"
        f" ORDER BY e.id, {named} LIMIT {bindings.mark(limit + 1)}",
        **bindings.values,
    )
    items = _whole(queries, rows[: fitting(rows, limit)])
    if len(items) == len(rows):
        return items, None
    return items, (items[-1].experiment_number, items[-1].name)


def versions(
    queries: Queries, scorer: Row, after: int, limit: int
) -> tuple[list[ScorerVersion], int | None]:
    """Versions after that number, the oldest first, as many as a page takes; the number of the last
    one where others follow."""
    rows = queries.all(
        f"{_SCORERS} WHERE s.id = :id AND v.version > :after ORDER BY v.version LIMIT :limit",
        id=scorer["id"],
        after=after,
        limit=limit + 1,
    )
    items = _whole(queries, rows[: fitting(rows, limit)])
    return items, None if len(items) == len(rows) else items[-1].version


def version(queries: Queries, scorer: Row, number: int | None) -> ScorerVersion:
    """The version of that number, or the newest. Raises NotFound where there is none."""
    which = _LATEST if number is None else "v.version = :number"
    row = queries.one(f"{_SCORERS} WHERE s.id = :id AND {which}", id=scorer["id"], number=number)
    if row is None:
        raise not_there(scorer["experiment"], scorer["name"], number)
    return _whole(queries, [row])[0]


def set_sampling(transaction: Transaction, row: Row, share: float, text: str | None) -> None:
    transaction.execute(
        'UPDATE scorer SET sampling = :uid, share = :share, "filter" = :text WHERE id = :id',
        uid=uuid.uuid4().hex,
        share=share,
        text=text,
        id=row["id"],
    )
    transaction.event("scorer.updated", row["uid"], name=row["name"])


def samplings(queries: Queries, scorer_ids: Iterable[str]) -> list[ScorerSampling]:
    """What is to be scored as it comes, of those scorers that something was said of."""
    return [
        ScorerSampling(
            sampling_id=row["sampling"],
            scorer_id=row["uid"],
            experiment=row["experiment_name"],
            experiment_number=row["experiment"],
            share=row["share"],
            filter=row["filter"],
        )
        for marks, named in groups(scorer_ids)
        for row in queries.all(
            "SELECT s.*, e.name AS experiment_name FROM scorer s JOIN experiment e"
            f" ON e.id = s.experiment WHERE s.sampling IS NOT NULL AND s.uid IN ({marks})",
            **named,
        )
    ]


def _whole(queries: Queries, rows: Sequence[Row]) -> list[ScorerVersion]:
    """The versions of rows that `_SCORERS` selects."""
    found = []
    for row in rows:
        kept = queries.one(
            "SELECT content FROM scorer_version WHERE scorer = :scorer AND version = :version",
            scorer=row["id"],
            version=row["version"],
        )
        assert kept is not None
        found.append(
            ScorerVersion(
                scorer_id=row["uid"],
                name=row["name"],
                version=row["version"],
                experiment=row["experiment_name"],
                experiment_number=row["experiment"],
                content=kept["content"],
                created=row["created"],
            )
        )
    return found
