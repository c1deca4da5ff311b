"""Purging: what goes for good, and what stays whole."""

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.access.model import CreateToken
from ml_workspace_lab.environments.model import RecordRunEnvironment
from ml_workspace_lab.environments.record import EnvironmentRecord
from ml_workspace_lab.errors import Conflict, NotFound
from ml_workspace_lab.experiments.model import StartRun
from ml_workspace_lab.experiments.trash import Purge, PurgeResult
from ml_workspace_lab.models.model import RegisterModel
from ml_workspace_lab.storage.checking import check
from ml_workspace_lab.storage.gc import NAMING
from ml_workspace_lab.storage.schema import metadata
from tests.experiments.trash_support import made, names, purge, put, storage, used


def test_a_purge_frees_what_it_says(ws: Workspace) -> None:
    gone, stays = (
        made(ws, "a", x=os.urandom(50_000), both=b"b" * 30_000),
        made(ws, "a", both=b"b" * 30_000),
    )
    ws.connection.runs.delete(gone.id)
    before = used(ws)
    result = purge(ws)
    assert (result.runs, result.experiments, result.kept) == (1, 0, [])
    assert result.bytes == before - used(ws) >= 50_000
    assert not storage(ws).run(gone.id).path.exists()
    with pytest.raises(NotFound):
        ws.run(gone.id)
    assert ws.connection.artifacts.get(stays.id, "both").read() == b"b" * 30_000
    assert ws.connection.events.list(0).events[-1].kind == "run.purged"
    assert purge(ws).runs == 0


def test_the_record_of_a_runs_environment_goes_with_it(ws: Workspace) -> None:
    run = made(ws, "a")
    record = EnvironmentRecord("3.12", "CPython", "python", "/", "Linux", [])
    ws.connection.environments.record(run.id, RecordRunEnvironment(record))
    digest = ws.connection.environments.of_run(run.id).digest
    file = storage(ws).blobs.path(digest)
    file.rename(aside := storage(ws).temporary / "aside")
    (missing,) = check(storage(ws)).items
    assert (missing.digest, missing.used_by) == (digest, [f"{run.id}, its environment"])
    aside.rename(file)
    ws.connection.runs.delete(run.id)
    assert purge(ws).bytes > 0
    assert not file.exists()


def test_rows_of_a_purged_run_are_gone_and_the_database_is_smaller(ws: Workspace) -> None:
    run = ws.connection.runs.start("a", StartRun(kind="external"))
    values = np.random.default_rng(1).normal(size=200_000)
    columns = np.arange(200_000).tobytes() * 2 + values.tobytes()
    ws.connection.metrics.put_columns(run.run_id, "m", BytesIO(columns))
    ws.connection.tokens.create(CreateToken("other"))
    ws.connection.runs.delete(run.run_id)
    result = purge(ws)
    for table in ("run", "run_history", "series", "chunk", "mark", "artifact", "attribute"):
        assert storage(ws).database.one(f"SELECT count(*) AS n FROM {table}")["n"] == 0, table
    assert 0 <= storage(ws).database.size() - result.database_bytes_after < 65_536
    if storage(ws).database.describe().startswith("SQLite"):
        assert result.database_bytes_after < result.database_bytes_before - 1_500_000


def test_only_what_lay_there_long_enough_is_purged(ws: Workspace) -> None:
    run = made(ws, "a")
    ws.connection.runs.delete(run.id)
    result: PurgeResult = ws.connection.trash.purge(Purge())
    assert (result.runs, result.kept) == (0, [])
    result = ws.connection.trash.purge(Purge(older_than_days=1, run_ids=[run.id]))
    assert [kept.id for kept in result.kept] == [run.id]
    assert purge(ws, run_ids=[run.id]).runs == 1


def test_what_is_not_in_the_trash_is_kept_with_the_reason(ws: Workspace) -> None:
    run = made(ws, "a")
    result = purge(ws, run_ids=[run.id, "0" * 32], experiments=["a", "none"])
    assert {kept.id for kept in result.kept} == {run.id, "0" * 32, "a", "none"}
    assert names(ws, "a") == {run.id}


def test_the_name_of_a_purged_experiment_is_free(ws: Workspace) -> None:
    made(ws, "a")
    uid = ws.connection.experiments.delete("a").experiment_id
    assert purge(ws, experiments=["a"]).experiments == 1
    made(ws, "a")
    assert ws.connection.experiments.get("a").experiment_id != uid


def test_a_registered_model_survives_the_purge_of_its_run(ws: Workspace) -> None:
    run = made(ws, "a", model=b"weights", log=b"noise" * 1000)
    run.register_model("m", "model")
    log = next(a for a in ws.connection.artifacts.list(run.id).items if a.path == "log")
    ws.connection.runs.delete(run.id)
    assert purge(ws).runs == 1
    assert not storage(ws).blobs.has(log.digest)
    (file,) = ws.connection.models.version("m", 1).files
    assert ws.connection.models.file("m", 1, file.path).read() == b"weights"


def test_a_run_that_a_model_has_its_files_from_is_not_purged(ws: Workspace) -> None:
    run = made(ws, "a")
    source = f"runs:/{run.id}/later"
    ws.connection.models.register("m", RegisterModel(source=source))
    ws.connection.experiments.delete("a")
    result = purge(ws)
    assert (result.runs, result.experiments) == (0, 0)
    assert "m:1" in next(kept.reason for kept in result.kept if kept.id == run.id)


def test_snapshots_that_nothing_needs_go_and_shared_ones_stay(
    ws: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "shared.py").write_text("shared")
    runs = []
    for text in ("one", "two"):
        (tmp_path / "code" / "own.py").write_text(text)
        with ws.experiment("a").start_logging(snapshot_directory=tmp_path / "code") as run:
            runs.append(run)
    first, second = (run.info().snapshot_id for run in runs)
    ws.connection.runs.delete(runs[0].id)
    assert purge(ws).files >= 2
    with pytest.raises(NotFound):
        ws.connection.snapshots.get(first)
    assert ws.connection.snapshots.file(second, "shared.py").read() == b"shared"
    assert ws.connection.snapshots.file(second, "own.py").read() == b"two"


def test_children_outlive_a_purged_parent(ws: Workspace) -> None:
    with ws.experiment("a").start_logging() as parent, parent.child_run() as child:
        child.log("m", 1)
    ws.connection.runs.delete(parent.id)
    purge(ws)
    assert ws.run(child.id).parent is None


def test_a_content_that_was_put_again_is_left_for_who_put_it(ws: Workspace) -> None:
    gone = made(ws, "a", x=b"content")
    ws.connection.runs.delete(gone.id)
    with ws.experiment("a").start_logging() as run:
        with storage(ws).blobs.hold(BytesIO(b"content")) as held:
            assert purge(ws).runs == 1
            assert storage(ws).blobs.has(held.digest)
        put(ws, run.id, "y", b"content")
    assert ws.connection.artifacts.get(run.id, "y").read() == b"content"


def test_a_content_that_vanishes_while_it_is_put_is_put_back(ws: Workspace) -> None:
    blobs = storage(ws).blobs
    blobs.add(BytesIO(b"content"))
    with blobs.hold(BytesIO(b"content")) as held:
        blobs.path(held.digest).unlink()
        held.require()
        assert blobs.read(held.digest) == b"content"
    assert blobs.has(held.digest)


PUTTING = """
import sys
from io import BytesIO
from ml_workspace_lab import Workspace
ws = Workspace.open(sys.argv[1])
for number in range(60):
    ws.connection.artifacts.put(sys.argv[2], f"f{number}", BytesIO(b"content %d" % (number % 3)))
"""


def test_what_processes_put_while_others_purge_the_same_is_whole(ws: Workspace) -> None:
    keeper = ws.connection.runs.start("keep", StartRun(kind="external")).run_id
    words = [sys.executable, "-c", PUTTING, ws.location, keeper]
    processes = [subprocess.Popen(words) for _ in range(2)]
    while any(process.poll() is None for process in processes):
        gone = ws.connection.runs.start("a", StartRun(kind="external")).run_id
        for number in range(3):
            put(ws, gone, "x", b"content %d" % number)
            put(ws, gone, "y", b"content %d" % number)
        ws.connection.runs.delete(gone)
        purge(ws, run_ids=[gone])
    assert [process.returncode for process in processes] == [0, 0]
    kept = ws.connection.artifacts.list(keeper).items
    assert len(kept) == 60
    for one in kept:
        content = ws.connection.artifacts.get(keeper, one.path).read()
        assert content == b"content %d" % (int(one.path[1:]) % 3)


def test_every_column_that_names_a_content_is_looked_at() -> None:
    others = {
        ("lineage", "digest"),  # of things elsewhere
        ("evaluation_dataset", "digest"),  # of its records, which are rows
        ("logged_model_metric", "dataset_digest"),
        ("snapshot", "digest"),  # read with the list that it names
        ("environment_version", "digest"),  # of its declaration, which is in the row
        ("packed", "digest"),  # says where a content is, and holds none
        ("model_trust", "digest"),  # of a version's list of files
        ("model_version", "files_json"),
    }
    found = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if "digest" in column.name or column.name in ("scoring_script", "files_json", "onnx")
    }
    assert found == {*NAMING, *others}


def test_garbage_is_collected_when_it_is_a_day_old(ws: Workspace) -> None:
    run = made(ws, "a", x=b"kept")
    blobs = storage(ws).blobs
    digests = [blobs.add(BytesIO(text))[0] for text in (b"old", b"new")]
    left = blobs.root / ".0123456789abcdef"
    left.write_bytes(b"half")
    nobody = storage(ws).run("f" * 32)
    nobody.create()
    for path in (*blobs.root.glob("??/*"), left, nobody.path):
        if path != blobs.path(digests[1]):
            os.utime(path, (1, 1))
    collected = ws.connection.trash.collect()
    assert collected.files == 2
    assert [blobs.has(digest) for digest in digests] == [False, True]
    assert not nobody.path.exists()
    assert ws.connection.artifacts.get(run.id, "x").read() == b"kept"


KILLED_PURGE = """
import os, sys
from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.trash import Purge
from ml_workspace_lab.storage import gc
from ml_workspace_lab.experiments import purging
steps = 0
def dying(function):
    def step(*arguments):
        global steps
        if steps == int(sys.argv[2]):
            os._exit(9)
        steps += 1
        return function(*arguments)
    return step
for module, name in ((purging, "_write_down"), (purging, "_finish"), (gc, "remove_snapshots"),
                     (gc, "remove_blobs"), (gc, "remove"), (purging.store, "purge_run")):
    setattr(module, name, dying(getattr(module, name)))
Workspace.open(sys.argv[1]).connection.trash.purge(Purge(older_than_days=0))
"""


def test_a_purge_that_was_killed_at_any_step_is_finished_by_the_next(
    ws: Workspace, tmp_path: Path
) -> None:
    ended = 9
    for step in range(100):
        runs = [made(ws, "a", x=b"x%d" % n * 5000, y=b"same") for n in range(3)]
        ws.connection.experiments.delete("a")
        ended = subprocess.run(
            [sys.executable, "-c", KILLED_PURGE, ws.location, str(step)], check=False
        ).returncode
        purge(ws)
        root = storage(ws).root
        left = [
            p for name in ("blobs", "runs", "tmp") for p in (root / name).rglob("*") if p.is_file()
        ]
        assert left == [], step
        assert ws.connection.trash.list().items == []
        assert all(not storage(ws).run(run.id).path.exists() for run in runs)
        if ended == 0:
            break
    assert ended == 0
    assert step > 8


def test_two_purges_don_t_meet(ws: Workspace) -> None:
    from ml_workspace_lab.storage.files import FileLock

    lock = FileLock(storage(ws).root / "purge.lock")
    assert lock.acquire()
    with pytest.raises(Conflict):
        purge(ws)
    lock.release()


def test_a_damaged_list_of_a_snapshot_stops_a_purge_that_would_trust_it(
    ws: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "x.py").write_text("x")
    with ws.experiment("a").start_logging(snapshot_directory=tmp_path / "code") as run:
        pass
    path = storage(ws).blobs.path(run.info().snapshot_id or "")
    path.chmod(0o600)
    path.write_text(json.dumps([]))
    other = made(ws, "b", z=b"z")
    ws.connection.runs.delete(other.id)
    with pytest.raises(Conflict):
        purge(ws)
