"""The hash that names contents."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib

    from _typeshed import ReadableBuffer


def sha256(content: "ReadableBuffer" = b"") -> "hashlib._Hash":
    """SHA-256 of what is given now and in updates."""
    import hashlib  # OpenSSL, which a client that only logs need not load

    return hashlib.sha256(content)
