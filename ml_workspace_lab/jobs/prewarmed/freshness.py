"""Whether a process that has imported things ahead is what a new process would be."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

THREADS = frozenset(
    {
        "BLIS_NUM_THREADS",
        "GOTO_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    }
)
"""Read once, when the library is loaded that has the threads."""
THREADED = ("numpy", "scipy", "numexpr", "torch")
_AT_START = ("PYTHON", "LD_", "MALLOC_", "GLIBC_", "LC_", "IPYTHON", "JUPYTER_")
_AT_START_TOO = frozenset({"HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR"})
_INSTALLED = (".dist-info", ".egg-info", ".egg-link", ".pth")


def differing(environment: Mapping[str, str], started_with: Mapping[str, str]) -> list[str]:
    """Variables that a process reads when it starts and that are not what this one found."""
    threaded = any(name in sys.modules for name in THREADED)
    names = {
        name
        for name in {*environment, *started_with}
        if name.startswith(_AT_START) or name in _AT_START_TOO or (threaded and name in THREADS)
    }
    return sorted(name for name in names if environment.get(name) != started_with.get(name))


class Imported:
    """The state of the disk when this process had imported what it imports ahead."""

    def __init__(self) -> None:
        self._files = {
            path: _stamp(path)
            for module in list(sys.modules.values())
            if (path := getattr(module, "__file__", None)) and not path.startswith("<")
        }
        self._folders = [folder for folder in sys.path if Path(folder).is_dir()]
        self._installed = self._what_is_installed()

    def changed(self) -> str:
        """What has changed since, in words; empty where nothing has."""
        for path, stamp in self._files.items():
            if _stamp(path) != stamp:
                return f"{path} has changed"
        return "" if self._what_is_installed() == self._installed else "packages have changed"

    def _what_is_installed(self) -> list[tuple[str, int]]:
        found = []
        for folder in self._folders:
            try:
                with os.scandir(folder) as entries:
                    found += [
                        (entry.path, entry.stat().st_mtime_ns)
                        for entry in entries
                        if entry.name.endswith(_INSTALLED)
                    ]
            except OSError:
                found.append((folder, 0))
        return sorted(found)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a thousand of them before each run
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
