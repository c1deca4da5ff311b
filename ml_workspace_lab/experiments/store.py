"""How experiments are kept."""

import json
from typing import Any

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.experiments.model import ExperimentInfo, View
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now

# A `+` and `coalesce` keep the columns' indexes out of the plan: few runs are active, and many are
# in an experiment or outside the trash.
EXPERIMENTS = """
SELECT e.*,
    (SELECT max(created) FROM run WHERE experiment = e.id AND deleted IS NULL) AS last_run,
    coalesce(a.runs, 0) AS active_runs
FROM experiment e LEFT JOIN (
    SELECT experiment, count(*) AS runs FROM run
    WHERE ended IS NULL AND coalesce(deleted, 0) = 0 GROUP BY experiment
) a ON a.experiment = e.id
"""

_VIEWS: dict[View, str] = {
    "active": "e.deleted IS NULL AND e.archived IS NULL",
    "archived": "e.deleted IS NULL AND e.archived IS NOT NULL",
    "deleted": "e.deleted IS NOT NULL",
    "all": "1 = 1",
}


def experiments(queries: Queries, view: View, number: int | None) -> list[ExperimentInfo]:
    """Experiments, the one with the newest run first."""
    which = "" if number is None else "AND e.id = :number"
    rows = queries.all(f"{EXPERIMENTS} WHERE {_VIEWS[view]} {which}", number=number)
    found = [_experiment(row) for row in rows]
    return sorted(found, key=lambda one: (one.last_run or one.created, one.number), reverse=True)


def matching(
    queries: Queries, view: View, condition: str, order: str, limit: int, values: dict[str, Any]
) -> list[ExperimentInfo]:
    """Experiments that a condition holds for, in an order; both are SQL of the search's making."""
    rows = queries.all(
        f"{EXPERIMENTS} WHERE {_VIEWS[view]} AND {condition} ORDER BY {order} LIMIT {limit:d}",
        **values,
    )
    return [_experiment(row) for row in rows]


def experiment(queries: Queries, name: str) -> ExperimentInfo:
    row = queries.one(f"{EXPERIMENTS} WHERE e.name = :name", name=name)
    if row is None:
        raise NotFound(
            f"There is no experiment {name!r}.",
            field="experiment",
            hint="`ml-workspace experiment list` lists what there is.",
        )
    return _experiment(row)


def find_experiment(queries: Queries, name: str) -> Row | None:
    """The row of the experiment of that name."""
    return queries.one("SELECT * FROM experiment WHERE name = :name", name=name)


def insert_experiment(
    transaction: Transaction,
    uid: str,
    name: str,
    description: str,
    tags: dict[str, str],
    **columns: int,
) -> int:
    """Add an experiment; its number."""
    moment = now()
    created = transaction.add(
        "experiment",
        uid=uid,
        name=name,
        description=description,
        tags_json=json.dumps(tags),
        created=moment,
        updated=moment,
        **columns,
    )
    transaction.event("experiment.created", uid, name=name)
    return created


def change_experiment(transaction: Transaction, info: ExperimentInfo, **columns: Any) -> None:
    """Set columns of an experiment. Their names are the caller's own words."""
    settings = ", ".join(f"{name} = :{name}" for name in columns)
    transaction.execute(
        f"UPDATE experiment SET {settings}, updated = :now WHERE id = :id",
        **columns,
        now=now(),
        id=info.number,
    )
    transaction.event("experiment.updated", info.experiment_id, name=info.name)


def next_number(transaction: Transaction, experiment: int) -> int:
    """The number of the experiment's next run."""
    row = transaction.one(
        "UPDATE experiment SET runs = runs + 1, live = live + 1 WHERE id = :id RETURNING runs",
        id=experiment,
    )
    assert row is not None
    return int(row["runs"])


def count_live(transaction: Transaction, experiment: int, difference: int) -> None:
    """Keep the number of runs that are not in the trash."""
    transaction.execute(
        "UPDATE experiment SET live = live + :difference WHERE id = :id",
        difference=difference,
        id=experiment,
    )


def _experiment(row: Row) -> ExperimentInfo:
    return ExperimentInfo(
        experiment_id=row["uid"],
        number=row["id"],
        name=row["name"],
        created=row["created"],
        updated=row["updated"],
        run_count=row["live"],
        active_runs=row["active_runs"],
        last_run=row["last_run"],
        description=row["description"],
        tags=json.loads(row["tags_json"]),
        archived=row["archived"],
        deleted=row["deleted"],
    )
