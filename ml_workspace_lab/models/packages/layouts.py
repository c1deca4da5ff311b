"""OCI image layouts: an image in a folder, or in an archive of such a folder."""

import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from ml_workspace_lab.errors import InvalidInput, NotFound, shown
from ml_workspace_lab.models.packages.images import (
    DOCKER_INDEX,
    DOCUMENT_LIMIT,
    INDEX,
    Descriptor,
    Image,
    Index,
    Platform,
    check,
    decode,
    encode,
    hex_of,
    matching,
)
from ml_workspace_lab.models.packages.layers import copy
from ml_workspace_lab.models.packages.verifying import verified

_MARK = b'{"imageLayoutVersion":"1.0.0"}'
Files = Callable[[str], BinaryIO]
"""Opens a file of a layout by its name. Raises FileNotFoundError."""


@contextmanager
def reading(path: Path, platform: Platform | None) -> Iterator[Image]:
    """The image for a platform (None: the only one) in a layout, a folder or a tar archive. Raises
    NotFound and InvalidInput."""
    if path.is_dir():
        yield _image(lambda name: (path / name).open("rb"), platform, path)
        return
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115 - it is closed below
    except FileNotFoundError:
        raise NotFound(f"There is no image layout {shown(path)}.", field="base") from None
    except tarfile.TarError:
        raise InvalidInput(f"{shown(path)} is no tar archive.", field="base") from None
    with archive:
        yield _image(lambda name: _member(archive, name), platform, path)


def write(image: Image, path: Path) -> None:
    """Write a layout: an archive where the name ends in `.tar`, else a folder, which must be empty
    or not there. All of it, or nothing where it is an archive. Raises InvalidInput and OSError."""
    if path.suffix != ".tar":
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InvalidInput(f"{shown(path)} is there already.", field="path")
        for name, _, opener in _files(image):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            with (path / name).open("wb") as target:
                copy(opener(), target)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with unfinished.open("xb") as target, tarfile.open(fileobj=target, mode="w|") as archive:
            for name, size, opener in _files(image):
                info = tarfile.TarInfo(name)
                info.size = size
                with opener() as content:
                    archive.addfile(info, content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _files(image: Image) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    """The files of a layout in their order: names, sizes and what opens them."""
    manifest = image.descriptor
    documents = {
        _blob(manifest): image.manifest_content,
        _blob(image.manifest.config): image.config_content,
        "index.json": encode(Index(2, [manifest])),
        "oci-layout": _MARK,
    }
    layers = {_blob(layer): layer for layer in image.manifest.layers}
    for name in sorted({*documents, *layers}):
        if name in documents:
            content = documents[name]
            yield name, len(content), partial(BytesIO, content)
        else:
            layer = layers[name]
            yield name, layer.size, partial(verified, image, layer)


def _blob(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{hex_of(descriptor)}"


def _member(archive: tarfile.TarFile, name: str) -> BinaryIO:
    for spelled in (name, f"./{name}"):
        try:
            found = archive.extractfile(spelled)
        except KeyError:
            continue
        if found is not None:
            return cast(BinaryIO, found)
    raise FileNotFoundError(name)


def _image(files: Files, platform: Platform | None, path: Path) -> Image:
    def document(descriptor: Descriptor) -> bytes:
        content = _read(files, _blob(descriptor))
        check(descriptor, content)
        return content

    try:
        index = decode(_read(files, "index.json"), Index)
        found = matching(index, platform)
        while found.media_type in (INDEX, DOCKER_INDEX):
            found = matching(decode(document(found), Index), platform)
        content = document(found)
        return Image.read(found, content, document, lambda layer: files(_blob(layer)))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidInput(
            f"{shown(path)} is no image layout: it has no {shown(error.filename or error)}.",
            field="base",
            hint="`skopeo copy docker://… oci:FOLDER` writes one.",
        ) from None


def _read(files: Files, name: str) -> bytes:
    with files(name) as file:
        content = file.read(DOCUMENT_LIMIT + 1)
    if len(content) > DOCUMENT_LIMIT:
        raise InvalidInput(f"{name} of the image layout is too large to be one.", field="base")
    return content
