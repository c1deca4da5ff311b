"""Lists of files in parts: a snapshot with one changed file costs about that file, and everything
that knows snapshots knows these."""

import hashlib
import json
from io import BytesIO
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import StartRun
from ml_workspace_lab.experiments.trash import Purge
from ml_workspace_lab.snapshots.model import CreateSnapshot, SnapshotFile
from ml_workspace_lab.storage import gc
from ml_workspace_lab.storage.checking import check
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.freeing import Freed
from ml_workspace_lab.storage.lists import cut
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.storage.sweep import sweep

COUNT = 5_000


def take(ws: Workspace, changed: int = -1) -> str:
    """A snapshot of many files, one of which is another."""
    contents = {name: hashlib.sha256(name).hexdigest() for name in (b"same", b"other")}
    for content, digest in contents.items():
        ws.connection.snapshots.put_blob(digest, BytesIO(content))
    files = [
        SnapshotFile(
            f"folder{n % 50}/file{n}.py", contents[b"other" if n == changed else b"same"], 4
        )
        for n in range(COUNT)
    ]
    return ws.connection.snapshots.create(CreateSnapshot(files)).snapshot_id


def storage_of(ws: Workspace) -> Storage:
    assert isinstance(ws.connection, LocalConnection)
    return ws.connection._services.storage


def disk(ws: Workspace) -> int:
    blobs = Path(ws.location) / "blobs"
    return sum(file.stat().st_size for file in blobs.rglob("*") if file.is_file())


def test_parts_are_the_list_and_one_entry_changes_few_of_them() -> None:
    entries = [
        {"path": f"a{n}", "digest": hashlib.sha256(b"%d" % n).hexdigest()} for n in range(4000)
    ]
    raw = json.dumps(entries, separators=(",", ":")).encode()
    parts = cut(raw)
    assert b"".join(parts) == raw
    assert 60 < len(parts) < 250
    entries[2000]["digest"] = hashlib.sha256(b"other").hexdigest()
    del entries[100]
    again = cut(json.dumps(entries, separators=(",", ":")).encode())
    assert len({*again} - {*parts}) <= 6
    for odd in (b"", b"[]", b'[{"path":"},{"}]', b"},{},{"):
        assert b"".join(cut(odd)) == odd


def test_one_changed_file_costs_a_part_of_the_list(ws: Workspace) -> None:
    first = take(ws)
    before = disk(ws)
    second = take(ws, changed=2500)
    assert 1000 < disk(ws) - before < 40_000, "the list has 600 kB"
    diff = ws.snapshots[first].diff(ws.snapshots[second])
    assert diff.changed == ["folder0/file2500.py"]
    assert ws.snapshots[second].read("folder0/file2500.py") == b"other"
    assert take(ws, changed=2500) == second, "a repeat changes nothing"


def test_what_a_snapshot_needs_stays_and_the_rest_goes(ws: Workspace) -> None:
    storage = storage_of(ws)
    kept, gone = take(ws), take(ws, changed=7)
    ws.connection.runs.start("e", StartRun(snapshot_id=kept))
    sweep(storage, now() + 1000)
    assert len(ws.connection.snapshots.get(kept).files) == COUNT
    assert [one.snapshot_id for one in ws.snapshots] == [kept]
    assert not storage.blobs.lists.path(gone).exists()
    needed = {kept, *(storage.blobs.lists.parts(kept) or []), hashlib.sha256(b"same").hexdigest()}
    packed = {row["digest"] for row in storage.database.all("SELECT digest FROM packed")}
    files = {*(path.name for path in (storage.blobs.root / "lists").iterdir()), *packed}
    assert files <= needed
    assert take(ws, changed=7) == gone, "it can be taken again"
    run = ws.runs()[0]
    run.complete()
    run.delete()
    ws.connection.trash.purge(Purge(run_ids=[run.id]))
    sweep(storage, now() + 1000)
    assert not list((storage.blobs.root / "lists").iterdir())
    assert not storage.database.all("SELECT digest FROM packed")


def test_a_list_whose_parts_went_is_put_anew(ws: Workspace) -> None:
    """The list was given up, and somebody takes the same snapshot while it goes."""
    storage = storage_of(ws)
    digest = take(ws)
    parts = storage.blobs.lists.parts(digest) or []
    gc.remove_snapshots(storage, {digest: now() + 1000})
    gc.remove_blobs(storage, dict.fromkeys(parts, now() + 1000), Freed())
    assert storage.blobs.lists.path(digest).exists()
    assert take(ws) == digest
    assert len(ws.connection.snapshots.get(digest).files) == COUNT


def test_where_a_part_is_lost_the_files_that_others_name_stay(ws: Workspace) -> None:
    storage = storage_of(ws)
    digest = take(ws, changed=7)
    ws.connection.runs.start("e", StartRun(snapshot_id=digest))
    lost = (storage.blobs.lists.parts(digest) or [])[0]
    with storage.database.write() as transaction:
        transaction.execute("DELETE FROM packed WHERE digest = :lost", lost=lost)
    sweep(storage, now() + 1000)
    assert storage.blobs.has(hashlib.sha256(b"same").hexdigest())
    assert [one.problem for one in check(storage).items] == ["missing"] * 2


def test_a_damaged_part_is_found_and_put_back(ws: Workspace, tmp_path: Path) -> None:
    storage = storage_of(ws)
    digest = take(ws)
    ws.backup(tmp_path / "backup")
    parts = storage.blobs.lists.parts(digest) or []
    row = storage.database.one(
        "SELECT p.name, c.start FROM packed c JOIN pack p ON p.id = c.pack WHERE c.digest = :d",
        d=parts[3],
    )
    assert row is not None
    [pack] = storage.blobs.root.glob(f"packs/{row['name']}*")
    content = bytearray(pack.read_bytes())
    content[row["start"] + 5] ^= 1
    pack.unlink()  # the backup shares the file
    pack.write_bytes(content)
    with pytest.raises(Conflict):
        ws.connection.snapshots.get(digest)
    found = check(storage, tmp_path / "backup")
    assert {one.digest for one in found.items} == {digest, parts[3]}
    assert all(one.repaired and one.used_by for one in found.items)
    assert len(ws.connection.snapshots.get(digest).files) == COUNT
    assert not check(storage).items
