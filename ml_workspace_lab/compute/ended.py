"""How processes have ended that a background process had begun and did not outlive.

Whoever adopted them is told by the kernel and writes it down here; the next background process
reads it. Each line is a native id and a code (-n: by signal n).
"""

from contextlib import suppress
from pathlib import Path

FILE = "agent.ended"
LONG = 64 * 1024
"""Bytes: with a longer file it begins anew."""


def note(root: Path, native: str, code: int) -> None:
    path = root / FILE
    with suppress(OSError):  # a full disk, a workspace that is gone
        too_long = path.exists() and path.stat().st_size > LONG
        with path.open("w" if too_long else "a", encoding="ascii") as file:
            file.write(f"{native} {code}\n")


def code_of(root: Path, native: str) -> int | None:
    """None where nobody was told."""
    with suppress(OSError, ValueError):
        for line in (root / FILE).read_text(encoding="ascii").splitlines():
            found, _, code = line.partition(" ")
            if found == native:
                return int(code)
    return None
