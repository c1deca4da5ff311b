"""The mini-batches that are finished: each is an artifact of the run before it counts, so that the
next attempt, or a run that resumes this one, goes on from there.

What is finished while some are being kept goes into one artifact together.
"""

import shutil
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from ml_workspace_lab.endpoints.batch.model import Done
from ml_workspace_lab.endpoints.batch.plan import Basis, check_same
from ml_workspace_lab.errors import NotFound, StorageFull, Unavailable

if TYPE_CHECKING:
    from ml_workspace_lab.client.run import Run

KEPT = "outputs/finished"
BASIS = "basis.json"
MOST_WAITING = 256
"""Mini-batches that wait to be kept; then scoring waits, too."""
PAUSES = (0.5, 30.0)
"""Seconds until the workspace is tried again where it could not be reached: at first, at most."""
_LENGTH = struct.Struct(">Q")
_DONE = msgspec.msgpack.Decoder(Done)


class Finished:
    """Keeps them for a run; `folder` has copies of all that is kept."""

    def __init__(self, run: "Run", folder: Path) -> None:
        self.numbers: dict[int, tuple[Path, int, int]] = {}
        """Of each mini-batch: the file that has it, where it begins there, and its length."""
        self.rows = 0
        self.failed = 0
        self._run = run
        self._folder = folder
        self._attempt = uuid4().hex
        self._parts = 0
        self._changed = threading.Condition()
        self._waiting: list[Done] = []
        self._is_busy = False
        self._error: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_all, name="finished", daemon=True)
        folder.mkdir(exist_ok=True)

    def begin(self, basis: Basis) -> None:
        """Find what is finished already: by attempts before this one, and by the run that this one
        resumes. Raises Conflict where that scored something else."""
        for name in self._recovered():
            if name == BASIS:
                found = (self._folder / name).read_bytes()
                check_same(basis, msgspec.json.decode(found, type=Basis))
            else:
                self._read(self._folder / name)
        if not (self._folder / BASIS).exists():
            (self._folder / BASIS).write_bytes(msgspec.json.encode(basis))
            self._upload(BASIS)
        self._thread.start()

    def put(self, done: Done) -> None:
        """Have a mini-batch kept, soon. Raises what has kept an earlier one from it."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < MOST_WAITING or self._error)
            self._raise()
            self._waiting.append(done)
            self._changed.notify_all()

    def settle(self, seconds: float | None = None) -> None:
        """Wait until all of them are kept (or for so many seconds)."""
        with self._changed:
            self._changed.wait_for(
                lambda: not (self._waiting or self._is_busy) or self._error, seconds
            )
            self._raise()

    def close(self) -> None:
        self._over.set()
        with self._changed:
            self._changed.notify_all()

    def remove(self) -> None:
        """Forget them: the run has what is made of them."""
        artifacts = self._run.workspace.connection.artifacts
        for name in self._kept():
            with suppress(NotFound):
                artifacts.delete(self._run.id, f"{KEPT}/{name}")
        shutil.rmtree(self._folder)

    def in_order(self) -> Iterator[tuple[int, Done]]:
        """Every mini-batch by its number."""
        for number in sorted(self.numbers):
            path, start, length = self.numbers[number]
            with path.open("rb") as file:
                file.seek(start)
                yield number, _DONE.decode(file.read(length))

    def _recovered(self) -> list[str]:
        """The names of what was kept before, all of which are in the folder now, and artifacts of
        this run."""
        own = self._kept()
        staged = Path(KEPT)
        for name in own:
            self._run.download_file(f"{KEPT}/{name}", self._folder / name)
        for path in sorted(staged.iterdir()) if staged.is_dir() else []:
            if path.name not in own:
                shutil.move(path, self._folder / path.name)
                self._upload(path.name)
        shutil.rmtree(staged, ignore_errors=True)
        return sorted(path.name for path in self._folder.iterdir())

    def _kept(self) -> list[str]:
        names = self._run.get_file_names()
        return [name.removeprefix(f"{KEPT}/") for name in names if name.startswith(f"{KEPT}/")]

    def _upload(self, name: str) -> None:
        self._run.upload_file(f"{KEPT}/{name}", self._folder / name)

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        at = 0
        while at < len(content):
            (length,) = _LENGTH.unpack_from(content, at)
            at += _LENGTH.size
            self._note(_DONE.decode(content[at : at + length]), path, at, length)
            at += length

    def _note(self, done: Done, path: Path, start: int, length: int) -> None:
        if done.number not in self.numbers:
            self.numbers[done.number] = (path, start, length)
            self.rows += done.scored + done.failed
            self.failed += done.failed

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _keep_all(self) -> None:
        while not self._over.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._over.is_set())
                group, self._waiting = self._waiting, []
                self._is_busy = bool(group)
                self._changed.notify_all()
            try:
                if group:
                    self._keep(group)
            except Exception as error:  # noqa: BLE001 - whoever puts the next one is told
                self._error = error
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()

    def _keep(self, group: list[Done]) -> None:
        path = self._folder / f"{self._attempt}-{self._parts:06}.part"
        self._parts += 1
        places = []
        with path.open("wb") as file:
            for done in group:
                content = msgspec.msgpack.encode(done)
                file.write(_LENGTH.pack(len(content)))
                places.append((done, path, file.tell(), len(content)))
                file.write(content)
        pause, longest = PAUSES
        while not self._over.is_set():
            try:
                self._upload(path.name)
            except (Unavailable, StorageFull):
                self._over.wait(pause)
                pause = min(2 * pause, longest)
                continue
            for place in places:
                self._note(*place)
            return
