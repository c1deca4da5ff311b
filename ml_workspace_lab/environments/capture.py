"""What a Python environment consists of, found out from inside it.

Standard library alone, nothing from this package, and no syntax newer than Python 3.8: other
interpreters execute this file too, and print what they find as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from typing import Any
from urllib.parse import urlsplit, urlunsplit

VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "LANG",
    "LC_ALL",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "TF_DETERMINISTIC_OPS",
    "TZ",
)
"""Variables that change results and hold no secret: no other is ever looked at unless named."""

_NVIDIA = "/proc/driver/nvidia"
_ENDINGS = (".dist-info", ".egg-info", ".egg-link", ".pth")


def capture(variables: tuple[str, ...] = ()) -> dict[str, Any]:
    """This interpreter's environment. Packages are in the order of their names."""
    folders = package_folders()
    return {
        "python_version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "platform": f"{sys.platform}-{platform.machine()}",
        "packages": _packages(folders),
        "conda": _conda(),
        "gpus": _gpus(),
        "gpu_driver": _gpu_driver(),
        "variables": {
            name: os.environ[name] for name in (*VARIABLES, *variables) if name in os.environ
        },
        "folders": folders,
        "fingerprint": fingerprint(sys.executable, folders),
    }


def package_folders() -> list[str]:
    """The folders of packages, in the order in which an import looks into them."""
    library = os.path.dirname(os.__file__)  # noqa: PTH120 - quick, and for old interpreters
    found = [path for path in sys.path if path and path != library and os.path.isdir(path)]  # noqa: PTH112
    return [path for path in dict.fromkeys(found) if _entries(path)]


def fingerprint(executable: str, folders: list[str]) -> str:
    """A digest that changes when a package is installed, removed or replaced. It can be taken from
    outside, too, without starting the interpreter; about a millisecond for 200 packages."""
    digest = hashlib.sha256()
    for part in (executable, _stamp(executable), *folders):
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    for folder in folders:
        for name, stamp in sorted(_entries(folder)):
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0%d\0" % stamp)
    return digest.hexdigest()


def _stamp(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _entries(folder: str) -> list[tuple[str, int]]:
    """What tells of packages in a folder, with the times of its last change."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_ENDINGS):
                    found.append((entry.name, entry.stat().st_mtime_ns))
    except OSError:
        pass
    return found


def _packages(folders: list[str]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for name, _ in _entries(folder):
            package = _package(os.path.join(folder, name))  # noqa: PTH118
            if package is not None:
                # The first on the path is the one that is imported.
                found.setdefault(_canonical(package["name"]), package)
    return [found[name] for name in sorted(found)]


def _package(path: str) -> dict[str, Any] | None:
    if path.endswith(".dist-info"):
        metadata = _read(path, "METADATA")
    elif path.endswith(".egg-info"):
        metadata = _read(path, "PKG-INFO") or _read(path, "")
    else:
        return None
    headers = {}
    for line in metadata.splitlines():
        if not line:
            break
        name, separator, value = line.partition(": ")
        if separator and name in ("Name", "Version"):
            headers[name] = value.strip()
    if "Name" not in headers:
        return None
    package: dict[str, Any] = {"name": headers["Name"], "version": headers.get("Version", "")}
    package.update(_origin(_read(path, "direct_url.json")))
    return package


def archive_hash(archive: dict[str, Any]) -> str | None:
    """`sha256:…` of an archive as PEP 610 tells of it; pip before 23.1 knew one hash alone."""
    if digest := (archive.get("hashes") or {}).get("sha256"):
        return f"sha256:{digest}"
    name, _, digest = archive.get("hash", "").partition("=")
    return f"sha256:{digest}" if name == "sha256" else None


def _origin(text: str) -> dict[str, Any]:
    """Where a package that no index gave came from (PEP 610), without user names and passwords."""
    try:
        origin = json.loads(text) if text else {}
    except ValueError:
        return {}
    found: dict[str, Any] = {}
    if origin.get("url"):
        found["url"] = without_credentials(origin["url"])
    if origin.get("dir_info", {}).get("editable"):
        found["editable"] = True
    if digest := archive_hash(origin.get("archive_info", {})):
        found["hash"] = digest
    commit = origin.get("vcs_info", {}).get("commit_id")
    if commit:
        found["commit"] = commit
    return found


def without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _conda() -> dict[str, Any] | None:
    """What conda has installed, where this is one of its environments."""
    folder = os.path.join(sys.prefix, "conda-meta")  # noqa: PTH118
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))  # noqa: PTH208
    except OSError:
        return None
    packages = []
    for name in names:
        parts = name[:-5].rsplit("-", 2)
        if len(parts) == 3:
            packages.append({"name": parts[0], "version": parts[1], "build": parts[2]})
    return {"name": os.environ.get("CONDA_DEFAULT_ENV"), "packages": packages}


def _gpus() -> list[str]:
    """NVIDIA's GPUs by their model, as the driver lists them."""
    folder, found = os.path.join(_NVIDIA, "gpus"), []  # noqa: PTH118
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []
    for name in names:
        for line in _read(os.path.join(folder, name), "information").splitlines():  # noqa: PTH118
            if line.startswith("Model:"):
                found.append(line.partition(":")[2].strip())
    return found


def _gpu_driver() -> str | None:
    words = _read(_NVIDIA, "version").partition("\n")[0].split()
    for word in words:
        if word.replace(".", "").isdigit() and "." in word:
            return word
    return None


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _read(folder: str, name: str) -> str:
    try:
        path = os.path.join(folder, name) if name else folder  # noqa: PTH118
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""


if __name__ == "__main__":
    print(json.dumps(capture(tuple(sys.argv[1:]))))  # noqa: T201
