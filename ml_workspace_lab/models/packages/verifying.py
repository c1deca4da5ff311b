"""Contents that are known to be whole before their last byte is given away."""

import hashlib
import io
from typing import BinaryIO

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.packages.images import Descriptor, Image, hex_of

_AT_ONCE = 1 << 18


def verified(image: Image, layer: Descriptor) -> BinaryIO:
    """A layer of an image that fails before its last byte where it is damaged."""
    return io.BufferedReader(Verified(image.open(layer), hex_of(layer), layer.size), _AT_ONCE)


class Verified(io.RawIOBase):
    """Reads `size` bytes of a stream. Raises InvalidInput with the read that would end it, where
    they are fewer, more or others than their digest says."""

    def __init__(self, stream: BinaryIO, digest: str, size: int) -> None:
        self._stream = stream
        self._digest = digest
        self._left = size
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not self._left:
            return 0
        part = self._stream.read(min(len(view), self._left))
        self._hash.update(part)
        self._left -= len(part)
        is_whole = self._left == 0 and not self._stream.read(1)
        if not part or (self._left == 0 and not (is_whole and self._is_right())):
            raise InvalidInput(f"The content sha256:{self._digest} is damaged.")
        view[: len(part)] = part
        return len(part)

    def _is_right(self) -> bool:
        return self._hash.hexdigest() == self._digest

    def close(self) -> None:
        self._stream.close()
        super().close()
