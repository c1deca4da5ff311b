"""What waits for the line to come back: an append-only file of numbered lines."""

import json
import os
import time
from pathlib import Path
from typing import Any

from ml_workspace_lab.storage.files import write_atomic

LIMIT = 8 << 20
AT_ONCE = 256 << 10


class Outbox:
    """Messages in the order of their numbers, each kept until it was taken.

    `limit` is the most bytes that wait. Where there would be more the oldest half goes, and the
    next message says how many were lost; the gap in the numbers tells it, too.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._path = folder / "outbox.jsonl"
        self._mark = folder / "outbox.json"
        self._limit = limit
        try:
            mark = json.loads(self._mark.read_bytes())
        except (FileNotFoundError, ValueError):
            mark = {}
        self._taken: int = mark.get("taken", 0)
        self._lost: int = mark.get("lost", 0)
        self._mend()
        lines = self._lines()
        self._last = max(self._taken, json.loads(lines[-1])["sequence"] if lines else 0)

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Keep a message; it is on the disk when this returns. Raises OSError, StorageFull."""
        message = {"sequence": self._last + 1, "kind": kind, "time": time.time(), **content}
        if self._lost:
            message["lost"] = self._lost
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if self._size() and self._size() + len(line) > self._limit:
            self._make_room()
            return self.add(kind, content)
        self._append(line)
        self._last += 1
        if self._lost:
            self._lost = 0
            self._remember()
        return None

    def waiting(self) -> tuple[bytes, int]:
        """The next messages as a JSON array, and the number of the last of them; `b""` for none."""
        found: list[bytes] = []
        size, last = 0, 0
        for line in self._lines():
            number = json.loads(line)["sequence"]
            if number <= self._taken:
                continue
            if found and size + len(line) > AT_ONCE:
                break
            found.append(line)
            size, last = size + len(line), number
        return (b"[" + b",".join(found) + b"]", last) if found else (b"", 0)

    def taken(self, number: int) -> None:
        """All up to that number have arrived. Raises OSError, StorageFull."""
        self._taken = number
        self._remember()
        if number == self._last:
            self._path.unlink(missing_ok=True)

    def _make_room(self) -> None:
        lines = [one for one in self._lines() if json.loads(one)["sequence"] > self._taken]
        kept = lines[len(lines) // 2 + 1 :]
        # First what is said of it: a crash between the two says too much rather than nothing.
        self._lost += len(lines) - len(kept)
        self._remember()
        write_atomic(self._path, b"".join(one + b"\n" for one in kept), durable=True)

    def _append(self, line: bytes) -> None:
        before = self._size()
        try:
            with self._path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            if self._path.exists():
                os.truncate(self._path, before)
            raise

    def _mend(self) -> None:
        """Take away the beginning of a line whose writer was killed."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        if content and not content.endswith(b"\n"):
            os.truncate(self._path, content.rfind(b"\n") + 1)

    def _lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _remember(self) -> None:
        mark = {"taken": self._taken, "lost": self._lost}
        write_atomic(self._mark, json.dumps(mark).encode(), durable=True)
