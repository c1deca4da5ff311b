"""What every built environment has besides its own packages: this package, as it is here."""

import base64
import hashlib
import zipfile
from functools import cache
from importlib import metadata
from pathlib import Path

NAME = "ml-workspace-lab"
_MODULE = "ml_workspace_lab"
_LEFT_OUT = ("__pycache__", "labextension")


def requirements() -> list[str]:
    """What this package needs, without its extras."""
    return [line for line in metadata.requires(_MODULE) or [] if "extra ==" not in line]


@cache
def identity() -> str:
    """Tells one release of this package from another; of a source tree, which changes, where it
    is."""
    if is_source_tree():
        return f"source:{_folder().parent}"
    digest = hashlib.sha256()
    for path in _files():
        digest.update(path.encode() + b"\0" + (_folder() / path).read_bytes())
    return f"{metadata.version(_MODULE)}:{digest.hexdigest()}"


def is_source_tree() -> bool:
    """Whether what runs here is a source tree and not what was installed."""
    return (_folder().parent / "pyproject.toml").is_file()


def wheel(folder: Path) -> Path:
    """A wheel of this package as it is installed here, without the front end, in `folder`."""
    version = metadata.version(_MODULE)
    info = f"{_MODULE}-{version}.dist-info"
    path = folder / f"{_MODULE}-{version}-py3-none-any.whl"
    contents = {f"{_MODULE}/{name}": (_folder() / name).read_bytes() for name in _files()}
    found = metadata.distribution(_MODULE)
    contents[f"{info}/METADATA"] = (found.read_text("METADATA") or "").encode()
    contents[f"{info}/entry_points.txt"] = (found.read_text("entry_points.txt") or "").encode()
    contents[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: ml_workspace_lab\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n"
    )
    rows = [f"{name},{_digest(content)},{len(content)}" for name, content in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in contents.items():
            # Of a fixed time, so that the same content is the same wheel.
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


def path_line() -> str:
    """What a `.pth` file says for the source tree to be found."""
    return f"{_folder().parent}\n"


def _folder() -> Path:
    return Path(__file__).parent.parent


def _files() -> list[str]:
    folder = _folder()
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(p.as_posix() for p in found if not set(p.parts) & set(_LEFT_OUT))


def _digest(content: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={encoded.decode()}"
