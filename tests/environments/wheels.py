"""A folder of wheels to install from, so that no test asks an index: those of what is installed
here, and small ones that are made up."""

import base64
import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ml_workspace_lab.environments import runtime


def fill(folder: Path) -> Path:
    """Wheels of all that runs jobs, made of what is installed here."""
    folder.mkdir(parents=True)
    for name in sorted(_closure()):
        _repack(metadata.distribution(name), folder)
    return folder


def make(folder: Path, name: str, version: str, source: str = "", requires: str = "") -> Path:
    """A wheel of one module that says its version."""
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    identity = f"Name: {name}\nVersion: {version}\n"
    contents = {
        f"{name}.py": f"__version__ = {version!r}\n{source}".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\n{identity}{needs}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }  # fmt: skip
    path = folder / f"{name}-{version}-py3-none-any.whl"
    _write(path, contents, info)
    return path


def _closure() -> set[str]:
    """Names of the packages that this package needs, and those need, as they are here."""
    found: set[str] = set()
    left = [(line, "") for line in runtime.requirements()]
    while left:
        line, extra = left.pop()
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        for one in ["", *wanted.extras]:
            if f"{name}[{one}]" not in found:
                found.add(f"{name}[{one}]")
                left += [(line, one) for line in metadata.requires(name) or []]
    return {entry.partition("[")[0] for entry in found}


def _repack(found: metadata.Distribution, folder: Path) -> None:
    files = [file for file in found.files or [] if ".." not in file.parts]
    info = next(f.parts[0] for f in files if f.parts[0].endswith(".dist-info"))
    skipped = {f"{info}/{name}" for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")}
    contents = {
        file.as_posix(): Path(str(file.locate())).read_bytes()
        for file in files
        if file.as_posix() not in skipped and "__pycache__" not in file.parts
    }
    wheel = found.read_text("WHEEL") or ""
    tags = [line.split(": ")[1] for line in wheel.splitlines() if line.startswith("Tag: ")]
    stem = info.removesuffix(".dist-info")
    tag = next((tag for tag in tags if not tag.startswith("py2")), tags[0])
    _write(folder / f"{stem}-{tag}.whl", contents, info)


def _write(path: Path, contents: dict[str, bytes], info: str) -> None:
    rows = [f"{name},{_digest(content)},{len(content)}" for name, content in contents.items()]
    record = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in [*contents.items(), (f"{info}/RECORD", record)]:
            archive.writestr(zipfile.ZipInfo(name), content)


def _digest(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
