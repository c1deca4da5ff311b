"""A path of a run's artifacts is a file or a folder, never both."""

import threading
from io import BytesIO

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict


def test_nothing_is_kept_below_a_file_or_in_place_of_a_folder(ws: Workspace) -> None:
    run = ws.experiment("paths").start_logging()
    run.log_text("x", "o.txt")
    with pytest.raises(Conflict):
        run.log_text("y", "o.txt/x.txt")

    def put(path: str) -> None:
        ws.connection.artifacts.put(run.id, path, BytesIO(b"y"))

    put("a/b/c")
    for path, there in (
        ("o.txt/x.txt", "o.txt"),
        ("o.txt/deep/x.txt", "o.txt"),
        ("a", "a/b/c"),
        ("a/b", "a/b/c"),
        ("a/b/c/d", "a/b/c"),
    ):
        with pytest.raises(Conflict) as error:
            put(path)
        assert repr(path) in str(error.value)
        assert repr(there) in str(error.value)
    beside = ("o.txt", "o", "o.txt0", "o.txt-", "O.TXT", "a-", "a0", "a/b-", "a/bc", "a/b/c")
    for path in beside:
        put(path)
    other = ws.experiment("paths").start_logging()
    other.log_text("x", "o.txt/x.txt")
    kept = ws.connection.artifacts.list(run.id).items
    assert {one.path for one in kept} == set(beside)


def test_of_a_file_and_a_folder_that_come_at_once_one_is_kept(ws: Workspace) -> None:
    run = ws.experiment("paths").start_logging()
    start = threading.Barrier(8)
    refused: list[str] = []

    def put(path: str) -> None:
        start.wait()
        try:
            ws.connection.artifacts.put(run.id, path, BytesIO(b"x"))
        except Conflict:
            refused.append(path)

    paths = [path for n in range(4) for path in ("p", f"p/{n}")]
    threads = [threading.Thread(target=put, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = {one.path for one in ws.connection.artifacts.list(run.id).items}
    assert kept in ({"p"}, {f"p/{n}" for n in range(4)})
    assert set(refused) == set(paths) - kept
