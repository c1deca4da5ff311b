"""An interpreter as it is on this machine: what it is, and its files for an image that has none."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_workspace_lab.environments import tools
from ml_workspace_lab.environments.tools import BuildFailed
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.packages.images import Platform
from ml_workspace_lab.models.packages.layers import Entry, of_bytes, of_path

HOME = "opt/python"
PROGRAM = f"/{HOME}/bin/python3"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_LEFT_OUT = {
    "__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data",
    "site-packages", "test", "tests", "tkinter", "turtledemo",
}  # fmt: skip
"""Parts of the standard library that nobody needs who answers requests."""
_NOT_LOADED = re.compile(r"_tkinter\.|_test|_ctypes_test|xxlimited")
_FOUND = re.compile(r"(?:=>\s+)?(/\S+)\s+\(0x[0-9a-f]+\)$")
_AT_ONCE = 200
_USERS = b"root:x:0:0:root:/:/bin/false\nscoring:x:65532:65532:scoring:/tmp:/bin/false\n"
_GROUPS = b"root:x:0:\nscoring:x:65532:\n"
_ASK = """
import json, os, sys, sysconfig
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "full_version": sys.version.split()[0],
    "path": [p for p in sys.path if os.path.isdir(p)],
    "program": os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable),
    "prefix": sys.base_prefix,
    "library": os.path.dirname(os.__file__),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """What an interpreter says of itself; `path` is where it looks for modules."""

    version: str
    full_version: str
    path: list[str]
    program: str
    prefix: str
    library: str

    @property
    def markers(self) -> dict[str, str]:
        """What requirements' conditions on the version mean for it."""
        return {"python_version": self.version, "python_full_version": self.full_version}

    @property
    def packages(self) -> list[str]:
        """Where it looks for packages: on its path, the standard library left out."""
        library = (self.library, f"{self.library}/lib-dynload")
        return [place for place in self.path if place not in library]


def ask(python: str) -> Interpreter:
    """What an interpreter of this machine is. Raises BuildFailed where it does not work."""
    try:
        ended = subprocess.run(
            [python, "-P", "-c", _ASK],
            env=tools.environment(),
            cwd="/",
            capture_output=True,
            timeout=60,
            check=True,
        )
        return Interpreter(**json.loads(ended.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        raise BuildFailed(f"The interpreter {python} does not say what it is: {error}") from None


def platform_here() -> Platform:
    """What images made here run on. Raises InvalidInput where there are none for it."""
    found = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or found is None:
        raise InvalidInput(
            f"Images are made on Linux on x86-64 and ARM64, not on {sys.platform}"
            f" on {platform.machine()}.",
            hint="Package the model in a workspace that is served from such a machine.",
        )
    return Platform(found, "linux")


def files(python: Interpreter, extensions: Iterable[Path]) -> tuple[list[Entry], list[str]]:
    """The files of an interpreter with its standard library, and the shared libraries that it and
    the packages' `extensions` need; and the folders that the loader has to look for those in."""
    standard = list(_standard_library(python))
    loaded = [path for _, path in standard if path.suffix == ".so"]
    libraries = shared_libraries([Path(python.program), *loaded, *extensions])
    found = [of_path(PROGRAM.lstrip("/"), Path(python.program))]
    found += [of_path(name, path) for name, path in standard]
    found += [of_path(library.lstrip("/"), Path(library)) for library in libraries]
    found += [of_bytes("etc/passwd", _USERS), of_bytes("etc/group", _GROUPS)]
    return found, sorted({str(Path(library).parent) for library in libraries})


def _standard_library(python: Interpreter) -> Iterator[tuple[str, Path]]:
    library = Path(python.library)
    place = f"{HOME}/lib/python{python.version}"
    for folder, folders, names in os.walk(library):
        folders[:] = sorted(
            name for name in folders if name not in _LEFT_OUT and not name.startswith("config-")
        )
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not _NOT_LOADED.match(name):
                yield f"{place}/{path.relative_to(library).as_posix()}", path


def shared_libraries(programs: Sequence[Path]) -> list[str]:
    """The system's libraries that programs and extensions are loaded with, the loader itself too:
    those that lie with a package are the package's own. Raises BuildFailed."""
    found: set[str] = set()
    for at in range(0, len(programs), _AT_ONCE):
        some = [str(path) for path in programs[at : at + _AT_ONCE]]
        try:
            # Its exit code is 1 where one of the files is linked statically.
            said = subprocess.run(
                ["ldd", *some],  # noqa: S607 - the system's own
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise BuildFailed(f"The interpreter's libraries are not known: {error}") from None
        lines = (line.strip() for line in said.splitlines())
        found |= {match.group(1) for line in lines if (match := _FOUND.search(line))}
    system = {path for path in found if ".so" in path and not _is_bundled(path)}
    # Threads end by it, and it is looked for only then.
    beside = {str(Path(path).parent / "libgcc_s.so.1") for path in system if "/libc.so" in path}
    return sorted(system | {path for path in beside if Path(path).is_file()})


def _is_bundled(path: str) -> bool:
    return any(part in ("site-packages", "dist-packages") for part in Path(path).parts)
