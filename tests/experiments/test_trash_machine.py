"""The trash against a model of it: whatever is done in whatever order, what is in use stays whole
and what is not goes."""

import os
import shutil
import tempfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ml_workspace_lab import Workspace
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import EndRun, StartRun
from ml_workspace_lab.models.model import RegisterModel

CONTENTS = [b"one" * 100, b"two" * 200, b"three"]
EXPERIMENTS = ["a", "b"]


class Model:
    """What should be there: runs with their files and when they were deleted, by experiment."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.experiment: dict[str, str] = {}
        self.deleted: dict[str, int] = {}
        self.gone: dict[str, int] = {}
        self.models: list[bytes] = []
        self.purged: set[str] = set()
        self.moment = 0

    def live(self, experiment: str | None = None) -> list[str]:
        return [
            run
            for run, of in self.experiment.items()
            if run not in self.deleted and experiment in (None, of)
        ]

    def in_use(self) -> set[bytes]:
        return {content for files in self.files.values() for content in files.values()} | set(
            self.models
        )


class Machine(RuleBasedStateMachine):
    database: str | None = None

    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.ws = Workspace.create("lab", self.folder / "store", database=self.database)
        self.model = Model()
        for name in EXPERIMENTS:
            self.ws.experiment(name).info()

    def teardown(self) -> None:
        if hasattr(self, "ws"):
            connection = self.ws.connection
            assert isinstance(connection, LocalConnection)
            connection.storage.database.drop()
            shutil.rmtree(self.folder)

    def some(self, data: st.DataObject, runs: list[str]) -> str:
        return data.draw(st.sampled_from(sorted(runs)))

    @rule(experiment=st.sampled_from(EXPERIMENTS))
    def start(self, experiment: str) -> None:
        run_id = new_id()
        body = StartRun(run_id=run_id, kind="external")
        if experiment in self.model.gone:
            with pytest.raises(Conflict):
                self.ws.connection.runs.start(experiment, body)
            return
        self.ws.connection.runs.start(experiment, body)
        self.ws.connection.runs.end(run_id, EndRun())
        self.model.experiment[run_id], self.model.files[run_id] = experiment, {}

    @precondition(lambda self: self.model.live())
    @rule(data=st.data(), name=st.sampled_from("xy"), content=st.sampled_from(CONTENTS))
    def put(self, data: st.DataObject, name: str, content: bytes) -> None:
        run = self.some(data, self.model.live())
        self.ws.connection.artifacts.put(run, name, BytesIO(content))
        self.model.files[run][name] = content

    @precondition(lambda self: any(self.model.files[run] for run in self.model.live()))
    @rule(data=st.data())
    def register(self, data: st.DataObject) -> None:
        run = self.some(data, [one for one in self.model.live() if self.model.files[one]])
        name = sorted(self.model.files[run])[0]
        self.ws.connection.models.register("m", RegisterModel(run_id=run, artifact_path=name))
        self.model.models.append(self.model.files[run][name])

    @precondition(lambda self: self.model.experiment)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        run = self.some(data, list(self.model.experiment))
        self.ws.connection.runs.delete(run)
        self.model.moment += 1
        self.model.deleted.setdefault(run, self.model.moment)

    @precondition(lambda self: self.model.deleted)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        run = self.some(data, list(self.model.deleted))
        if self.model.experiment[run] in self.model.gone:
            with pytest.raises(Conflict):
                self.ws.connection.runs.restore(run)
            return
        self.ws.connection.runs.restore(run)
        del self.model.deleted[run]

    @rule(experiment=st.sampled_from(EXPERIMENTS))
    def delete_experiment(self, experiment: str) -> None:
        self.ws.connection.experiments.delete(experiment)
        if experiment not in self.model.gone:
            self.model.moment += 1
            self.model.gone[experiment] = self.model.moment
            for run in self.model.live(experiment):
                self.model.deleted[run] = self.model.moment

    @rule(experiment=st.sampled_from(EXPERIMENTS))
    def restore_experiment(self, experiment: str) -> None:
        self.ws.connection.experiments.restore(experiment)
        moment = self.model.gone.pop(experiment, None)
        for run in [one for one, at in self.model.deleted.items() if at == moment]:
            del self.model.deleted[run]

    @rule(data=st.data(), everything=st.booleans())
    def purge(self, data: st.DataObject, everything: bool) -> None:
        if everything:
            self.ws.purge(older_than_days=0)
            going = list(self.model.deleted)
            for experiment in list(self.model.gone):
                del self.model.gone[experiment]
                self.ws.experiment(experiment).info()
        else:
            wanted = data.draw(st.lists(st.sampled_from([*self.model.experiment, "0" * 32])))
            self.ws.purge(run_ids=wanted)
            going = [run for run in set(wanted) if run in self.model.deleted]
        self.model.purged |= set(going)
        for run in going:
            for held in (self.model.deleted, self.model.experiment, self.model.files):
                del held[run]

    @rule()
    def collect(self) -> None:
        """As if all that is there had been there for long."""
        for path in (self.folder / "store" / "blobs").glob("??/*"):
            os.utime(path, (1, 1))
        self.ws.collect_garbage()
        kept = {path.read_bytes() for path in (self.folder / "store" / "blobs").glob("??/*")}
        assert kept == self.model.in_use()

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "model"):
            return
        connection = self.ws.connection
        for name in EXPERIMENTS:
            info = connection.experiments.get(name)
            live = self.model.live(name)
            assert info.run_count == len(live)
            assert {run.id for run in self.ws.runs(name, limit=None)} == set(live)
            assert (info.deleted is not None) == (name in self.model.gone)
        for run, files in self.model.files.items():
            found = connection.artifacts.list(run).items
            assert {
                one.path: connection.artifacts.get(run, one.path).read() for one in found
            } == files
        for number, content in enumerate(self.model.models, 1):
            version = connection.models.version("m", number)
            (file,) = version.files
            assert connection.models.file("m", number, file.path).read() == content
        folders = self.folder / "store" / "runs"
        present = {path.name for path in folders.iterdir()} if folders.is_dir() else set()
        assert present >= set(self.model.experiment)
        assert not present & self.model.purged


def test_the_trash_does_what_a_model_of_it_does(database_url: str | None) -> None:
    class OfDatabase(Machine):
        database = database_url

    few = settings(
        max_examples=15 if database_url is None else 5,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(OfDatabase, settings=few)
