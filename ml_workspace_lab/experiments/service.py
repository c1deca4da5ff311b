"""Experiments: make them, change them, put them away, throw them away."""

import json

import msgspec

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Name, Offset
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments import store, trash_store
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import (
    CreateExperiment,
    ExperimentInfo,
    ExperimentList,
    UpdateExperiment,
    View,
)
from ml_workspace_lab.storage.database import Transaction, now

DEFAULT = "Default"


class Experiments(Service):
    """Named series of runs."""

    @operation("GET", "/experiments", action="experiments/read")
    def list(self, view: View = "active", number: Offset | None = None) -> ExperimentList:
        """Experiments, the one with the newest run first: `active` ones, `archived`, those in the
        trash (`deleted`), or `all`; or the one of a number."""
        return ExperimentList(store.experiments(self.storage.database, view, number))

    @operation("GET", "/experiments/{experiment}", action="experiments/read")
    def get(self, experiment: Name) -> ExperimentInfo:
        """An experiment as it is now, in the trash or not. Raises NotFound."""
        return store.experiment(self.storage.database, experiment)

    @operation("POST", "/experiments", action="experiments/write")
    def create(self, body: CreateExperiment) -> ExperimentInfo:
        """The experiment of that name, made where there is none. Raises Conflict where there is one
        and `exclusive` was asked for."""
        with self.storage.database.write() as transaction:
            if body.exclusive and store.find_experiment(transaction, body.name):
                raise _taken(body.name)
            self.ensure(transaction, body.name, body.description, body.tags)
        return self.get(body.name)

    @operation("PUT", "/default-experiment", action="experiments/write", audited=False)
    def default(self) -> ExperimentInfo:
        """The experiment number 0, `Default`, for clients that name none; made by its first use."""
        for info in store.experiments(self.storage.database, "all", 0):
            return info
        with self.storage.database.write() as transaction:
            if store.find_experiment(transaction, DEFAULT) is None:
                store.insert_experiment(transaction, new_id(), DEFAULT, "", {}, id=0)
        return self.get(DEFAULT)

    @operation("PATCH", "/experiments/{experiment}", action="experiments/write")
    def update(self, experiment: Name, body: UpdateExperiment) -> ExperimentInfo:
        """Rename it, describe it, set its tags. Raises Conflict where the name is taken."""
        with self.storage.database.write() as transaction:
            info = store.experiment(transaction, experiment)
            require_not_deleted(info)
            name = info.name if body.name is msgspec.UNSET else body.name
            if name != info.name and store.find_experiment(transaction, name):
                raise _taken(name)
            kept = {k: v for k, v in info.tags.items() if k not in body.remove_tags}
            described = body.description is not msgspec.UNSET
            store.change_experiment(
                transaction,
                info,
                name=name,
                description=body.description if described else info.description,
                tags_json=json.dumps(kept | body.tags),
            )
        return self.get(name)

    @operation("POST", "/experiments/{experiment}/archive", action="experiments/write")
    def archive(self, experiment: Name) -> ExperimentInfo:
        """Put it away: lists leave it out, everything in it stays."""
        return self._stage(experiment, archived=now())

    @operation("POST", "/experiments/{experiment}/reactivate", action="experiments/write")
    def reactivate(self, experiment: Name) -> ExperimentInfo:
        """Take it out of the archive."""
        return self._stage(experiment, archived=None)

    @operation("DELETE", "/experiments/{experiment}", action="experiments/delete")
    def delete(self, experiment: Name) -> ExperimentInfo:
        """Move it to the trash with all its runs. Raises Conflict while one of them goes on."""
        with self.storage.database.write(frees=True) as transaction:
            trash_store.delete_experiment(transaction, store.experiment(transaction, experiment))
        return self.get(experiment)

    @operation("POST", "/experiments/{experiment}/restore", action="experiments/write")
    def restore(self, experiment: Name) -> ExperimentInfo:
        """Take it out of the trash, with the runs that were deleted with it."""
        with self.storage.database.write() as transaction:
            trash_store.restore_experiment(transaction, store.experiment(transaction, experiment))
        return self.get(experiment)

    def ensure(
        self,
        transaction: Transaction,
        name: str,
        description: str = "",
        tags: dict[str, str] | None = None,
    ) -> int:
        """The row id of the experiment of that name, made where there is none. Raises Conflict for
        one in the trash."""
        row = store.find_experiment(transaction, name)
        if row is None:
            return store.insert_experiment(transaction, new_id(), name, description, tags or {})
        if row["deleted"] is not None:
            raise Conflict(
                f"The experiment {name!r} is in the trash.",
                field="experiment",
                hint="Restore it, or purge the trash to use its name anew.",
            )
        return int(row["id"])

    def _stage(self, experiment: str, **columns: int | None) -> ExperimentInfo:
        with self.storage.database.write() as transaction:
            info = store.experiment(transaction, experiment)
            store.change_experiment(transaction, info, **columns)
        return self.get(experiment)


def require_not_deleted(info: ExperimentInfo) -> None:
    """Raise Conflict where it is in the trash."""
    if info.deleted is not None:
        raise Conflict(
            f"The experiment {info.name!r} is in the trash.",
            field="experiment",
            hint="Restore it to change it.",
        )


def _taken(name: str) -> Conflict:
    return Conflict(f"There is an experiment {name!r} already.", field="name")
