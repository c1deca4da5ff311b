"""Snapshots, packs and their collection against a dictionary: whatever is done in whatever order,
what is in use stays whole, and what is not goes."""

import shutil
import tempfile
from pathlib import Path

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
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import EndRun, StartRun
from ml_workspace_lab.storage.sweep import sweep
from tests.experiments.trash_support import purge, storage

LATER = 2**62
CONTENTS = [b"", b"small", b"one" * 3_000, b"two" * 5_000, b"three" * 400_000]
TREES = st.dictionaries(
    st.sampled_from(["a", "b", "d/c", "d/e"]), st.integers(0, len(CONTENTS) - 1)
)


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.ws = Workspace.create("lab", self.folder / "store")
        self.runs: dict[str, tuple[str, dict[str, bytes]]] = {}
        self.deleted: set[str] = set()

    @rule(numbers=TREES)
    def run_of(self, numbers: dict[str, int]) -> None:
        tree = {path: CONTENTS[number] for path, number in numbers.items()}
        source = self.folder / new_id()
        source.mkdir()
        for path, content in tree.items():
            (source / path).parent.mkdir(exist_ok=True)
            (source / path).write_bytes(content)
        taken = self.ws.snapshots.take(source)
        run = self.ws.connection.runs.start(
            "e", StartRun(kind="external", snapshot_id=taken.id)
        ).run_id
        self.ws.connection.runs.end(run, EndRun("Completed"))
        self.runs[run] = (taken.id, tree)

    @precondition(lambda self: set(self.runs) - self.deleted)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(set(self.runs) - self.deleted)))
        self.ws.connection.runs.delete(run)
        self.deleted.add(run)

    @rule()
    def purge(self) -> None:
        purge(self.ws)
        for run in self.deleted:
            del self.runs[run]
        self.deleted.clear()

    @rule()
    def collect(self) -> None:
        sweep(storage(self.ws), LATER)
        blobs = storage(self.ws).blobs
        assert blobs.packs is not None
        wanted = {content for _, tree in self.runs.values() for content in tree.values()}
        rows = storage(self.ws).database.all("SELECT size FROM packed")
        assert sorted(row["size"] for row in rows) == sorted(map(len, wanted))
        names = {row["name"] for row in storage(self.ws).database.all("SELECT name FROM pack")}
        assert set(blobs.packs.names()) == names
        on_disk = sum(blobs.packs.path(name).stat().st_size for name in names)
        assert on_disk <= 2 * sum(map(len, wanted)) + 500 * (len(names) + 1)

    @invariant()
    def what_is_in_use_is_whole(self) -> None:
        for run, (snapshot, tree) in getattr(self, "runs", {}).items():
            if run not in self.deleted:
                taken = self.ws.snapshots[snapshot]
                assert {path: taken.read(path) for path in taken.files} == tree

    def teardown(self) -> None:
        if hasattr(self, "ws"):
            self.ws.close()
            shutil.rmtree(self.folder)


def test_what_is_in_use_stays_and_what_is_not_goes() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=14,
            suppress_health_check=list(HealthCheck),
        ),
    )
