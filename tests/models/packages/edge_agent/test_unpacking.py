"""Layers of others are laid out below the module's home, whatever their entries say."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from ml_workspace_lab.errors import InvalidInput, StorageFull
from ml_workspace_lab.models.packages.edge_agent.unpacking import compose, unpack
from ml_workspace_lab.models.packages.images import LAYER

HOME = "opt/ml-workspace"


def layer(*entries: tuple[str, bytes], link: str = "") -> bytes:
    """A layer of entries (a name and a kind, or a content), packed."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if len(content) == 1 and content != tarfile.REGTYPE:
                info.type, info.linkname = content, link
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def laid_out(folder: Path, packed: bytes) -> Path:
    target = folder / "layer"
    target.mkdir()
    unpack(io.BytesIO(packed), LAYER, target)
    return target


def test_only_the_home_is_laid_out(tmp_path: Path) -> None:
    packed = layer(
        ("./opt/ml-workspace/model/factor.txt", b"two"),
        ("usr/bin/python3", b"\x7fELF"),
        ("etc/localtime", tarfile.SYMTYPE),
        ("dev/null", tarfile.CHRTYPE),
        (HOME, tarfile.DIRTYPE),
        ("opt/ml-workspacesque/file", b"no"),
        link="/usr/share/zoneinfo/UTC",
    )
    target = laid_out(tmp_path, packed)
    assert [str(one.relative_to(target)) for one in sorted(target.rglob("*"))] == [
        "model", "model/factor.txt",
    ]  # fmt: skip
    assert (target / "model/factor.txt").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("../outside", b"bad"),
        ("/etc/outside", b"bad"),
        (f"{HOME}/../../outside", b"bad"),
        ("usr/../../outside", b"bad"),
        (f"{HOME}/link", tarfile.SYMTYPE),
        (f"{HOME}/link", tarfile.LNKTYPE),
        (f"{HOME}/device", tarfile.CHRTYPE),
        (f"{HOME}/device", tarfile.BLKTYPE),
        (f"{HOME}/pipe", tarfile.FIFOTYPE),
        (HOME, b"a file in its place"),
        (f"{HOME}/{'n' * 300}", b"too long a name"),
    ],
)
def test_what_leads_out_or_is_no_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InvalidInput):
        laid_out(tmp_path, layer((name, content), link="/etc/passwd"))
    assert not (tmp_path.parent / "outside").exists()
    assert not (tmp_path / "outside").exists()


def test_a_file_that_is_a_folder_too_and_what_is_no_archive_are_refused(tmp_path: Path) -> None:
    twice = layer((f"{HOME}/a", b"file"), (f"{HOME}/a/b", b"below it"))
    with pytest.raises(InvalidInput, match="as file and as folder"):
        laid_out(tmp_path, twice)
    for number, packed in enumerate(
        (b"", b"no archive", twice[:-20], gzip.compress(b"no tar" * 99))
    ):
        place = tmp_path / str(number)
        place.mkdir()
        with pytest.raises(InvalidInput, match="no archive"):
            laid_out(place, packed)


def test_what_is_larger_than_the_device_is_refused_before_it_fills_it(tmp_path: Path) -> None:
    packed = io.BytesIO()
    info = tarfile.TarInfo(f"{HOME}/model/large")
    info.size = 1 << 50
    packed.write(gzip.compress(info.tobuf(tarfile.GNU_FORMAT)))
    with pytest.raises(StorageFull, match="has no room"):
        laid_out(tmp_path, packed.getvalue())


def test_upper_layers_replace_and_remove_what_lower_ones_have(tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for name in ("a", "b", "c/one", "d/one"):
        (lower / name).parent.mkdir(parents=True, exist_ok=True)
        (lower / name).write_text("lower")
    for name in ("a", ".wh.b", "c/.wh..wh..opq", "c/two", ".wh.d", "e"):
        (upper / name).parent.mkdir(parents=True, exist_ok=True)
        (upper / name).write_text("upper")
    target = tmp_path / "target"
    compose([lower, upper], target)
    found = {
        str(one.relative_to(target)): one.read_text() for one in target.rglob("*") if one.is_file()
    }
    assert found == {"a": "upper", "c/two": "upper", "e": "upper"}
    assert (lower / "a").read_text() == "lower"
    assert (target / "e").samefile(upper / "e")
