"""Layers are the same for the same files, and a layout that lies is found out."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.models.packages import layouts
from ml_workspace_lab.models.packages.images import Config, Image, Platform, RootFs, hex_of
from ml_workspace_lab.models.packages.layers import Layer, of_bytes, of_path, write_layer
from ml_workspace_lab.models.packages.verifying import verified

HERE = Platform("amd64", "linux")


def written(*entries: object, **folders: int) -> tuple[Layer, bytes]:
    target = io.BytesIO()
    return write_layer(entries, target, "tests", folders), target.getvalue()  # type: ignore[arg-type]


def small(folder: Path) -> Path:
    """A layout of one small layer."""
    layer, content = written(of_bytes("a/b", b"hello"))
    config = Config("amd64", "linux", RootFs("layers", [layer.diff_id]))
    image = Image.make(config, [layer.descriptor], {}, lambda _: io.BytesIO(content))
    layouts.write(image, folder)
    return folder


def test_neither_order_nor_times_nor_owners_make_another_layer(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(b"x")
    path.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(path)
    first, content = written(of_path("b/program", path), of_bytes("a" * 120, b"y"), tmp=0o1777)
    os.utime(path, (1, 1))
    path.chmod(0o711)
    second, again = written(of_bytes("a" * 120, b"y"), of_path("b/program", link), tmp=0o1777)
    assert (first, content) == (second, again)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
        found = [(m.name, m.mode, m.uid, m.mtime, m.isdir()) for m in archive.getmembers()]
    assert found == [
        ("a" * 120, 0o644, 0, 0, False),
        ("b", 0o755, 0, 0, True),
        ("b/program", 0o755, 0, 0, False),
        ("tmp", 0o1777, 0, 0, True),
    ]


@pytest.mark.parametrize("name", ["layout", "layout.tar"])
def test_a_layout_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    path = small(tmp_path / name)
    with layouts.reading(path, HERE) as image:
        assert image.config.rootfs.type == "layers"
        with verified(image, image.manifest.layers[0]) as content:
            assert gzip.decompress(content.read())
    other = layouts.reading(path, Platform("arm64", "linux"))
    with pytest.raises(InvalidInput, match="for linux/arm64; there is linux/amd64"), other:
        pass


def test_damage_is_found_before_the_last_byte(tmp_path: Path) -> None:
    path = small(tmp_path / "layout")
    with layouts.reading(path, HERE) as image:
        layer = image.manifest.layers[0]
        place = path / "blobs" / "sha256" / hex_of(layer)
        whole = place.read_bytes()
        for content in (whole[:-1], whole + b"x", whole[:-1] + b"x"):
            place.write_bytes(content)
            with pytest.raises(InvalidInput, match="is damaged"):
                layouts.write(image, tmp_path / "copy.tar")
            assert not (tmp_path / "copy.tar").exists()
    manifest = path / "blobs" / "sha256" / hex_of(image.descriptor)
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(InvalidInput, match="is damaged"), layouts.reading(path, HERE):
        pass


@pytest.mark.parametrize(
    "digest", ["sha256:../../../secret", "sha256:" + "A" * 64, "md5:" + "0" * 32, ""]
)
def test_a_digest_is_never_a_path(digest: str, tmp_path: Path) -> None:
    path = small(tmp_path / "layout")
    index = json.loads((path / "index.json").read_bytes())
    index["manifests"][0]["digest"] = digest
    (path / "index.json").write_text(json.dumps(index))
    with pytest.raises(InvalidInput, match="names a content by"), layouts.reading(path, HERE):
        pass


def test_what_is_no_layout_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.tar").write_text("no archive")
    for name, error in (("empty", InvalidInput), ("file.tar", InvalidInput), ("no", NotFound)):
        with pytest.raises(error, match=r"layout|archive"), layouts.reading(tmp_path / name, HERE):
            pass
    with pytest.raises(InvalidInput, match="is there already"):
        small(small(tmp_path / "layout"))
