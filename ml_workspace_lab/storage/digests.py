"""The hash that names contents."""

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import hashlib

    from _typeshed import ReadableBuffer

CHUNK = 1 << 20


def sha256(content: "ReadableBuffer" = b"") -> "hashlib._Hash":
    """SHA-256 of what is given now and in updates."""
    import hashlib  # OpenSSL, which a client that only logs need not load

    return hashlib.sha256(content)


def digest_of(file: BinaryIO, size: int) -> str:
    """The SHA-256 in hex of the next `size` bytes, or of those that there are."""
    digest = sha256()
    while size and (part := file.read(min(size, CHUNK))):
        digest.update(part)
        size -= len(part)
    return digest.hexdigest()
