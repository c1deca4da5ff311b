"""Many contents in one file."""

import hashlib
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from threading import Thread

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, NotFound, StorageFull
from ml_workspace_lab.storage import packing
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.storage.freeing import Freed
from ml_workspace_lab.storage.gc import remove_blobs
from ml_workspace_lab.storage.pack_file import table
from ml_workspace_lab.storage.packs import Packs
from ml_workspace_lab.storage.reindexing import reindex
from ml_workspace_lab.storage.sweep import sweep
from tests.experiments.trash_support import storage

LATER = 2**62


def put(blobs: Blobs, *contents: bytes) -> list[str]:
    with blobs.packing() as target:
        return [target.add(content) for content in contents]


def pack_files(blobs: Blobs) -> list[Path]:
    return [path for path in (blobs.root / "packs").iterdir() if path.is_file()]


def the_packs(blobs: Blobs) -> Packs:
    assert blobs.packs is not None
    return blobs.packs


def test_contents_that_are_put_together_lie_in_one_file(ws: Workspace) -> None:
    blobs = storage(ws).blobs
    contents = [b"", b"a", b"b" * 5000, b"a"]
    digests = put(blobs, *contents)
    assert digests == [hashlib.sha256(content).hexdigest() for content in contents]
    [file] = pack_files(blobs)
    assert file.stat().st_mode & 0o777 == 0o400
    assert [blobs.read(digest) for digest in digests] == contents
    assert blobs.kept([*digests, "f" * 64]) == set(digests)
    assert blobs.size(digests[2]) == 5000
    with blobs.open(digests[2]) as stream:
        assert stream.read(10) + stream.read(4990) == contents[2]
        assert stream.seek(4000) == 4000
        assert stream.read() == b"b" * 1000
    with pytest.raises(NotFound):
        blobs.open("f" * 64)


def test_what_is_here_is_not_written_again(ws: Workspace) -> None:
    blobs = storage(ws).blobs
    digest, _ = blobs.add(BytesIO(b"has a file of its own"))
    put(blobs, b"in a pack")
    assert put(blobs, b"has a file of its own", b"in a pack")[0] == digest
    assert len(pack_files(blobs)) == 1
    assert blobs.add(BytesIO(b"in a pack"))[1] == 9
    assert len([path for path in blobs.root.rglob("*") if path.is_file()]) == 2


def test_a_long_content_comes_in_parts_and_is_taken_back_where_it_is_known(ws: Workspace) -> None:
    blobs = storage(ws).blobs
    parts = [bytes([number]) * 1000 for number in range(5)]
    with blobs.packing() as target:
        digest, size = target.add_parts(parts)
        assert target.add_parts(parts) == (digest, size)
        other = target.add(b"other")
    assert (size, blobs.read(digest), blobs.read(other)) == (5000, b"".join(parts), b"other")
    [file] = pack_files(blobs)
    assert [entry.size for entry in table(file)] == [5000, 5]
    assert file.stat().st_size < 5300


def test_an_exception_leaves_nothing(ws: Workspace) -> None:
    blobs = storage(ws).blobs

    def fail() -> None:
        with blobs.packing() as target:
            target.add(b"x" * 10_000_000)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert pack_files(blobs) == []
    assert blobs.kept([hashlib.sha256(b"x" * 10_000_000).hexdigest()]) == set()


def test_the_same_contents_put_by_many_at_once_are_all_there(ws: Workspace) -> None:
    blobs = storage(ws).blobs
    contents = [os.urandom(2000) for _ in range(50)]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    threads = [Thread(target=put, args=(blobs, *contents[i:], *contents[:i])) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [blobs.read(digest) for digest in digests] == contents
    assert storage(ws).database.one("SELECT count(*) AS n FROM packed")["n"] == 50
    sweep(storage(ws), 0)
    remove_blobs(storage(ws), {}, Freed())
    assert len(pack_files(blobs)) == 1, "packs that came too late hold nothing"
    assert [blobs.read(digest) for digest in digests] == contents


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_a_damaged_content_is_not_served_and_the_others_are(ws: Workspace, damage: str) -> None:
    blobs = storage(ws).blobs
    digests = put(blobs, b"first" * 1000, b"second" * 300_000)
    [file] = pack_files(blobs)
    file.chmod(0o600)
    if damage == "flipped":
        raw = bytearray(file.read_bytes())
        raw[6_000] ^= 1
        file.write_bytes(raw)
    elif damage == "truncated":
        os.truncate(file, 6_000)
    else:
        file.unlink()
    with pytest.raises(NotFound if damage == "missing" else Conflict):
        blobs.read(digests[1])
    if damage != "missing":
        assert blobs.read(digests[0]) == b"first" * 1000
        with pytest.raises(Conflict, match="hash differs"), blobs.open(digests[1]) as stream:
            while stream.read(1 << 20):
                pass


def test_a_pack_of_which_little_lives_is_written_anew(ws: Workspace) -> None:
    blobs = storage(ws).blobs
    live, *dead = put(blobs, os.urandom(40_000), *(os.urandom(20_000) for _ in range(6)))
    refer(ws, live)
    [before] = pack_files(blobs)
    freed = Freed()
    remove_blobs(storage(ws), dict.fromkeys(dead[:3], LATER), freed)
    assert pack_files(blobs) == [before], "more than half of it lives"
    remove_blobs(storage(ws), dict.fromkeys(dead, LATER), freed)
    [after] = pack_files(blobs)
    assert after != before
    assert 110_000 < freed.bytes < 130_000
    assert blobs.kept([live, *dead]) == {live}
    assert len(blobs.read(live)) == 40_000


def test_what_was_put_again_stays(ws: Workspace) -> None:
    blobs = storage(ws).blobs
    digests = put(blobs, b"a", b"b")
    remove_blobs(storage(ws), dict.fromkeys(digests, 0), Freed())
    assert blobs.kept(digests) == set(digests)


def test_a_full_disk_is_told_before_it_is_full(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "FLOOR", 2**60)
    with pytest.raises(StorageFull, match="MiB are needed"):
        put(storage(ws).blobs, b"a")
    assert pack_files(storage(ws).blobs) == []


def test_a_lost_index_is_made_from_the_packs(ws: Workspace) -> None:
    blobs, database = storage(ws).blobs, storage(ws).database
    digests = put(blobs, b"a", b"b" * 100)
    put(blobs, b"c")
    with database.write() as transaction:
        transaction.execute("DELETE FROM packed")
        transaction.execute("DELETE FROM pack")
    assert blobs.kept(digests) == set()
    assert reindex(the_packs(blobs), database) == []
    assert blobs.kept(digests) == set(digests)
    assert blobs.read(digests[1]) == b"b" * 100


KILLED = """
import os, signal, sys
from pathlib import Path
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.storage.freeing import Freed
from ml_workspace_lab.storage.gc import remove_blobs
from ml_workspace_lab import Workspace
storage = Workspace.open(sys.argv[1]).connection.storage
left = int(sys.argv[2])
def count(frame, event, argument):
    global left
    if "/storage/" not in frame.f_code.co_filename:
        return None
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return count
sys.settrace(count)
remove_blobs(storage, dict.fromkeys(sys.argv[3:], 2**62), Freed())
sys.settrace(None)
print(int(sys.argv[2]) - left)
"""


def test_killed_at_any_step_the_collection_loses_nothing_and_is_finished_by_the_next(
    ws: Workspace,
) -> None:
    blobs, root = storage(ws).blobs, storage(ws).root
    live = dict[str, bytes]()

    def round_(lines: int) -> "subprocess.CompletedProcess[str]":
        content = os.urandom(5_000)
        kept, *dead = put(blobs, content, *(os.urandom(9_000) for _ in range(3)))
        refer(ws, kept)
        live[kept] = content
        words = [sys.executable, "-c", KILLED, str(root), str(lines), *dead]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        assert {digest: blobs.read(digest) for digest in live} == live
        return ended

    total = int(round_(10**9).stdout)
    for lines in range(5, total, max(1, total // 12)):
        assert round_(lines).returncode == -signal.SIGKILL
    sweep(storage(ws), LATER)
    assert {digest: blobs.read(digest) for digest in live} == live
    rows = storage(ws).database.all("SELECT digest FROM packed")
    assert {row["digest"] for row in rows} == set(live), "no dangling row"
    names = {row["name"] for row in storage(ws).database.all("SELECT name FROM pack")}
    assert {path.name for path in pack_files(blobs)} == names, "no file that nobody knows"


def refer(ws: Workspace, digest: str) -> None:
    """Let an artifact have that content."""
    with ws.experiment("e").start_logging() as run:
        run.upload_file("file", BytesIO(storage(ws).blobs.read(digest)))
