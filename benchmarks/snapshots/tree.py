"""A folder such as people snapshot: 5,000 files, 300 MB, some of them large, half of them text."""

from pathlib import Path

import numpy as np

LARGE = 13


def make(root: Path, files: int, size: int) -> None:
    """Write `files` files of together `size` bytes below `root`; the same each time."""
    random = np.random.default_rng(7)
    large = np.linspace(0.015, 0.12, LARGE) * size * 0.8
    small = random.lognormal(9, 1.4, files - LARGE)
    sizes = [*large, *(small / small.sum() * (size - large.sum()))]
    for number, length in enumerate(map(int, sizes)):
        folder = root / f"d{number % 50:02}" / f"e{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        if number % 2:
            (folder / f"f{number}.bin").write_bytes(random.bytes(length))
        else:
            line = b"def f(x):\n    return x + %d  # a line of text\n" % number
            (folder / f"f{number}.py").write_bytes((line * (length // len(line) + 1))[:length])
