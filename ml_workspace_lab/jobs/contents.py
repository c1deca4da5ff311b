"""Many contents as one stream."""

from collections.abc import Callable, Sequence
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO, cast

AT_ONCE = 1024 * 1024


def concatenated(digests: Sequence[str], open_: Callable[[str], BinaryIO]) -> BinaryIO:
    """The contents one after the other, each opened when its turn comes."""
    return cast("BinaryIO", BufferedReader(_Concatenated(digests, open_), AT_ONCE))


class _Concatenated(RawIOBase):
    def __init__(self, digests: Sequence[str], open_: Callable[[str], BinaryIO]) -> None:
        self._waiting = list(reversed(digests))
        self._open = open_
        self._present: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._present is not None or self._waiting:
            if self._present is None:
                self._present = self._open(self._waiting.pop())
            part = self._present.read(len(buffer))
            if part:
                buffer[: len(part)] = part
                return len(part)
            self._present.close()
            self._present = None
        return 0

    def close(self) -> None:
        if self._present is not None:
            self._present.close()
            self._present = None
        super().close()
