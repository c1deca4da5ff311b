"""Which runs a search is over: those of some experiments, outside the trash or in it."""

from collections.abc import Sequence

from msgspec import Struct

from ml_workspace_lab.errors import NotFound, shown
from ml_workspace_lab.experiments.search.conditions import Scope
from ml_workspace_lab.experiments.search.model import RunView
from ml_workspace_lab.storage.database import Queries, Row

MOST = 0.1
"""A share of all runs from which on walking along all of them beats sorting those of a list."""


class Reach(Struct, frozen=True):
    """Experiments by row id (None: any), those in the trash, and about how many runs there are: of
    the workspace, and outside the trash in these experiments."""

    view: RunView
    experiments: list[int] | None
    trashed: list[int]
    total: int
    live: int

    @property
    def needs_row(self) -> bool:
        """Whether it takes more of a run than its row id to tell."""
        return self.experiments is not None or bool(self.trashed) or self.view == "deleted"

    def conditions(self, scope: Scope) -> list[str]:
        """On the row `r` of a run."""
        found = [] if self.view != "active" else ["r.deleted IS NULL"]
        plain = scope.dialect.unindexed("r.experiment")
        if self.view == "active" and self.trashed and self.experiments is None:
            found.append(f"{plain} NOT IN ({_numbers(self.trashed)})")
        if self.view == "deleted":
            found.append(f"(r.deleted IS NOT NULL OR {plain} IN ({_numbers(self.trashed)}))")
        if self.experiments is not None:
            many = len(self.experiments) > 1 and self.live > MOST * self.total
            column = plain if many else "r.experiment"
            found.append(f"{column} IN ({_numbers(self.experiments)})")
        return found

    def outside_trash(self, scope: Scope) -> list[str]:
        """The same on a row id alone, where that is enough."""
        if self.view == "all":
            return []
        return [f"{scope.run} NOT IN (SELECT id FROM run WHERE deleted IS NOT NULL)"]


def reach(queries: Queries, experiments: Sequence[str] | None, view: RunView) -> Reach:
    """Over the experiments of these names (None: all). Raises NotFound for one that isn't there."""
    rows = queries.all("SELECT id, name, live, deleted FROM experiment")
    trashed = [row["id"] for row in rows if row["deleted"] is not None]
    chosen = rows if experiments is None else _chosen(rows, experiments)
    live = [row for row in chosen if row["deleted"] is None]
    if view == "active":
        chosen = live
    everything = len(chosen) == len(rows) or (view == "active" and experiments is None)
    return Reach(
        view=view,
        experiments=None if everything else [row["id"] for row in chosen],
        trashed=trashed,
        total=sum(row["live"] for row in rows),
        live=sum(row["live"] for row in live),
    )


def _chosen(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    by_name = {row["name"]: row for row in rows}
    for name in names:
        if name not in by_name:
            raise NotFound(
                f"There is no experiment {shown(name)}.",
                field="experiments",
                hint="`ml-workspace experiment list` lists what there is.",
            )
    return [by_name[name] for name in dict.fromkeys(names)]


def _numbers(ids: Sequence[int]) -> str:
    return ", ".join(f"{one:d}" for one in ids) or "NULL"
