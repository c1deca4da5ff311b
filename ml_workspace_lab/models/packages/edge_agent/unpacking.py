"""Layers laid out in folders: what a module needs of each, and nothing that leads out of it."""

import gzip
import os
import shutil
import tarfile
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, cast

from ml_workspace_lab.errors import InvalidInput, StorageFull, shown
from ml_workspace_lab.models.packages.images import LAYER, LAYERS
from ml_workspace_lab.models.packages.places import HOME

RESERVE = 16 << 20
"""Bytes that a device keeps free for whatever else it does."""
_HOME = HOME.strip("/").split("/")
_PLAIN = "application/vnd.oci.image.layer.v1.tar"
_LONGEST = 255
_GONE = ".wh."
_ALL_GONE = ".wh..wh..opq"


def unpack(packed: BinaryIO, media_type: str, target: Path) -> None:
    """Lay out what a layer has below the home of our images: files and folders. The interpreter and
    whatever else it has are the device's own. Raises InvalidInput where it has a path that leads
    out, or a link or device in there; StorageFull; OSError."""
    kind = LAYERS[media_type]
    if kind not in (LAYER, _PLAIN):
        raise InvalidInput(f"A layer of the image is packed as {kind}, which is not known here.")
    try:
        with (
            gzip.GzipFile(fileobj=packed) if kind == LAYER else nullcontext(packed) as plain,
            tarfile.open(fileobj=cast(BinaryIO, plain), mode="r|") as archive,
        ):
            for member in archive:
                _lay_out(archive, member, target)
        while packed.read(1 << 20):
            """Its digest is that of all its bytes."""
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidInput(f"A layer of the image is no archive: {error}.") from None


def _lay_out(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if member.name.startswith("/") or ".." in parts or "\0" in member.name:
        raise InvalidInput(f"The image has a path that leads out of it: {shown(member.name)}.")
    if parts[: len(_HOME)] != _HOME:
        return
    if any(len(os.fsencode(part)) > _LONGEST for part in parts):
        raise InvalidInput(f"The image has a name that is too long: {shown(member.name)}.")
    path = target.joinpath(*parts[len(_HOME) :])
    try:
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.isreg() and path != target:
            _write(archive, member, path)
        else:
            raise InvalidInput(f"The image has a link or a device, {shown(member.name)}.")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise InvalidInput(f"The image has {shown(member.name)} as file and as folder.") from error


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    check_room(path, member.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    content = archive.extractfile(member)
    assert content is not None
    with path.open("xb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    path.chmod(0o555 if member.mode & 0o100 else 0o444)


def check_room(path: Path, size: int) -> None:
    """Raise StorageFull where so many bytes more would leave the device too few."""
    place = next(parent for parent in path.parents if parent.exists())
    if shutil.disk_usage(place).free - size < RESERVE:
        raise StorageFull(
            f"The device has no room for {size:,} bytes more: {RESERVE >> 20} MiB are left free.",
            hint="Make room on it.",
        )


def compose(layers: list[Path], target: Path) -> None:
    """One folder of several layers, the lowest first; the files are theirs, not copies, where the
    disk can do that. Raises OSError, InvalidInput."""
    for layer in layers:
        for folder, folders, names in os.walk(layer):
            place = target / Path(folder).relative_to(layer)
            if _ALL_GONE in names:
                shutil.rmtree(place, ignore_errors=True)
            _folder(place)
            for name in folders:
                _folder(place / name)
            for name in names:
                if name.startswith(_GONE):
                    _remove(place / name.removeprefix(_GONE), is_known=name != _ALL_GONE)
                else:
                    _remove(place / name, is_known=True)
                    _link(Path(folder) / name, place / name)


def _folder(path: Path) -> None:
    if path.is_file():
        path.unlink()
    path.mkdir(parents=True, exist_ok=True)


def _remove(path: Path, *, is_known: bool) -> None:
    if is_known and path.is_dir():
        shutil.rmtree(path)
    elif is_known:
        path.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)
