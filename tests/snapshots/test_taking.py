"""Taking snapshots again and again: what is read and sent, and that nothing old is believed."""

import os
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.snapshots import stat_cache, walking
from ml_workspace_lab.snapshots.frames import frame
from ml_workspace_lab.snapshots.reading import Reading
from ml_workspace_lab.storage.sweep import sweep
from tests.conftest import Server
from tests.experiments.trash_support import storage
from tests.snapshots.test_capture import write


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read."""
    names: list[str] = []
    parts = Reading.parts

    def noted(self: Reading, root: Path) -> object:
        names.append(self.found.path)
        return parts(self, root)

    monkeypatch.setattr(Reading, "parts", noted)
    return names


def settle(folder: Path) -> None:
    """Let the files be old enough to be remembered."""
    newest = max(path.lstat().st_ctime_ns for path in folder.rglob("*"))
    while time.time_ns() < newest + 2 * stat_cache._TICK_NS:
        time.sleep(0.02)


def test_only_what_has_changed_is_read(ws: Workspace, tmp_path: Path, read: list[str]) -> None:
    source = tmp_path / "code"
    write(source, "a.py", "b/c.py", "b/d.py")
    settle(source)
    first = ws.snapshots.take(source)
    assert sorted(read) == ["a.py", "b/c.py", "b/d.py"]
    read.clear()
    assert ws.snapshots.take(source).id == first.id
    assert read == []
    (source / "a.py").write_text("new")
    os.utime(source / "b/c.py")
    second = ws.snapshots.take(source)
    assert sorted(read) == ["a.py", "b/c.py"]
    assert second.id != first.id
    assert second.read("a.py") == b"new"


def test_a_change_within_one_tick_of_the_clock_is_seen(ws: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "code"
    for number in range(30):
        write(source, "a.py")
        (source / "a.py").write_text(f"{number:03}")
        assert ws.snapshots.take(source).read("a.py") == f"{number:03}".encode()


def test_a_damaged_cache_is_not_believed(ws: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "code"
    write(source, "a.py")
    settle(source)
    ws.snapshots.take(source)
    file = stat_cache._file(source)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    assert stat_cache.load(source).folders == {}
    assert ws.snapshots.take(source).read("a.py") == b"a.py"


def test_what_a_workspace_has_lost_or_never_had_is_sent_again(
    ws: Workspace, tmp_path: Path
) -> None:
    source = tmp_path / "code"
    write(source, "a.py", "b.py")
    settle(source)
    first = ws.snapshots.take(source)
    other = Workspace.create("other", tmp_path / "other")
    assert other.snapshots.take(source).id == first.id
    assert other.snapshots[first.id].read("a.py") == b"a.py"
    sweep(storage(ws), 2**62)
    assert list(ws.snapshots) == []
    assert ws.snapshots.take(source).read("b.py") == b"b.py"


def test_a_file_that_changes_each_time_it_is_read_is_named(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "code"
    write(source, "a.py", "steady.py")
    (source / "long.bin").write_bytes(b"x" * 3_000_000)
    parts = Reading.parts

    def changing(self: Reading, root: Path) -> object:
        for part in parts(self, root):
            if self.found.path != "steady.py":
                with (root / self.found.path).open("r+b") as file:
                    file.write(os.urandom(2))
            yield part

    monkeypatch.setattr(Reading, "parts", changing)
    taken = ws.snapshots.take(source)
    assert set(taken.files) == {"steady.py"}
    assert {one.path: one.reason for one in taken.info.omitted} == {
        "a.py": "was changed each time that it was read",
        "long.bin": "was changed each time that it was read",
    }


def test_a_file_that_goes_while_it_is_looked_at_is_named(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "code"
    write(source, "a.py", "b.py")
    (source / "long.bin").write_bytes(b"x" * 3_000_000)
    parts = Reading.parts

    def going(self: Reading, root: Path) -> object:
        if self.found.path != "b.py":
            (root / self.found.path).unlink(missing_ok=True)
        return parts(self, root)

    monkeypatch.setattr(Reading, "parts", going)
    taken = ws.snapshots.take(source)
    assert set(taken.files) == {"b.py"}
    assert {one.path for one in taken.info.omitted} == {"a.py", "long.bin"}


def test_over_http_few_requests_carry_what_is_missing(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "code"
    write(source, *(f"d{number % 7}/f{number}.py" for number in range(300)))
    (source / "long.bin").write_bytes(os.urandom(9_000_000))
    (source / "link").symlink_to("long.bin")
    ws = server.connect()
    calls: list[str] = []
    call = ws.connection.call

    def counted(service: str, operation: object, *rest: object) -> object:
        calls.append(operation.name)  # type: ignore[attr-defined]
        return call(service, operation, *rest)  # type: ignore[arg-type]

    ws.connection.call = counted  # type: ignore[method-assign,assignment]
    taken = ws.snapshots.take(source)
    assert len(taken.files) == 302
    assert len(calls) <= 7, calls
    assert ws.snapshots[taken.id].restore(tmp_path / "back").written == 302
    assert (tmp_path / "back/long.bin").read_bytes() == (source / "long.bin").read_bytes()
    assert (tmp_path / "back/link").readlink() == Path("long.bin")


def test_a_body_that_is_cut_off_leaves_nothing(ws: Workspace) -> None:
    body = frame(b"first") + frame(b"second" * 400_000)
    for end in (3, 8, 10, 15, 21, 100, len(body) - 1):
        with pytest.raises(InvalidInput, match="ends in the middle"):
            ws.connection.snapshots.put_many(BytesIO(body[:end]))
    assert storage(ws).database.all("SELECT * FROM packed") == []
    assert [info.size for info in ws.connection.snapshots.put_many(BytesIO(body)).items] == [
        5,
        2_400_000,
    ]


def test_two_snapshots_differ_by_lines_and_cells(ws: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "code"
    write(source, "same.py", "gone.py", "data.bin")
    (source / "nb.ipynb").write_text('{"cells": [{"cell_type": "code", "source": ["a = 1\\n"]}]}')
    first = ws.snapshots.take(source)
    (source / "gone.py").unlink()
    (source / "new.py").write_text("x = 1\n")
    (source / "data.bin").write_bytes(b"\0\1")
    (source / "nb.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "source": "a = 2\\n", "outputs": []}]}'
    )
    diff = first.diff(ws.snapshots.take(source))
    assert (diff.added, diff.removed, diff.changed) == (
        ["new.py"],
        ["gone.py"],
        ["data.bin", "nb.ipynb"],
    )
    text = str(diff)
    assert "-a = 1\n+a = 2\n" in text
    assert "+x = 1\n" in text
    assert "Binary or long: data.bin" in text
    assert not first.diff(first)


def test_the_command_line_previews_takes_restores_and_compares(
    ws: Workspace, tmp_path: Path
) -> None:
    source = tmp_path / "code"
    write(source, "a.py")

    def command(*words: str) -> str:
        line = [sys.executable, "-m", "ml_workspace_lab.cli.main", "-w", ws.location, *words]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout

    assert "1 files" in command("snapshot", "preview", str(source))
    command("snapshot", "take", str(source))
    [first] = [one.snapshot_id for one in ws.snapshots]
    (source / "a.py").write_text("other")
    command("snapshot", "take", str(source))
    [second] = [one.snapshot_id for one in ws.snapshots if one.snapshot_id != first]
    assert "+other" in command("snapshot", "diff", first, second)
    assert command("snapshot", "read", first, "a.py") == "a.py"
    command("snapshot", "restore", first, str(tmp_path / "back"))
    assert (tmp_path / "back/a.py").read_text() == "a.py"
    assert second in command("snapshot", "list")


def test_a_snapshot_knows_who_uses_it(ws: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "code"
    write(source, "a.py")
    with ws.experiment("e").start_logging(snapshot_directory=source) as run:
        pass
    taken = ws.snapshots.of_run(run.id)
    assert taken is not None
    assert [(use.kind, use.name, use.experiment) for use in taken.uses()] == [("run", run.id, "e")]
    assert [one.runs for one in ws.snapshots] == [1]


def test_who_submits_is_told_of_large_files_and_what_to_do(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "MAX_FILE", 100)
    source = tmp_path / "code"
    write(source, "a.py")
    ws.snapshots.take(source)
    (source / "large.bin").write_bytes(b"x" * 3_000_000)
    run = ws.experiment("e").submit(CommandConfig(source, ["true"]))
    [note] = run.snapshot_notes
    assert "large.bin has 3 MiB" in note
    assert "`/large.bin`" in note
    run.wait_for_completion()
