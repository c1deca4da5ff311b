"""Several files as if they were one."""

from collections.abc import Sequence
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ml_workspace_lab.errors import Conflict

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Joined(RawIOBase):
    """Reads files one after the other, each open only while it is read.

    Raises Conflict where one is no longer there.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._left = list(reversed(files))
        self._file: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while True:
            if self._file is None:
                if not self._left:
                    return 0
                self._file = self._open(self._left.pop())
            count: int = self._file.readinto(buffer)  # type: ignore[attr-defined]
            if count:
                return count
            self._file.close()
            self._file = None

    @staticmethod
    def _open(path: Path) -> BinaryIO:
        try:
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            raise Conflict("A part was taken away meanwhile.", hint="Send it again.") from None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()
