"""A replica, as far as it needs no Ray."""

import os
import tempfile
from pathlib import Path

import pytest

from ml_workspace_lab.endpoints.drivers.ray import replica
from ml_workspace_lab.models.packages import interpreters, layouts
from ml_workspace_lab.models.packages.images import Config, Image, Process, RootFs, hex_of
from ml_workspace_lab.models.packages.layers import of_bytes, write_layer

ASKED = {"variables": {"WORD": "a", "AZUREML_MODEL_DIR": "/elsewhere"}}


def archive_of(folder: Path, files: dict[str, bytes]) -> Path:
    """An image with files in two layers."""
    layers = []
    for name, content in files.items():
        with (folder / "layer").open("wb") as target:
            layer = write_layer([of_bytes(name, content)], target, "something")
        (folder / "layer").rename(folder / hex_of(layer.descriptor))
        layers.append(layer)
    here = interpreters.platform_here()
    variables = ["PYTHONPATH=/opt/ml-workspace/server:/opt/ml-workspace/packages"]
    variables.append("AZUREML_MODEL_DIR=/opt/ml-workspace/model")
    config = Config(
        here.architecture,
        here.os,
        RootFs("layers", [layer.diff_id for layer in layers]),
        config=Process(env=variables),
    )
    image = Image.make(
        config,
        [layer.descriptor for layer in layers],
        {},
        lambda one: (folder / hex_of(one)).open("rb"),
    )
    layouts.write(image, folder / "image.tar")
    return folder / "image.tar"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a node keeps images."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    root = tmp_path / "tmp" / f"ml-workspace-lab-{os.getuid()}"
    root.mkdir(parents=True)
    return root


def unpacked(root: Path, name: str) -> Path:
    (root / name).mkdir()
    (root / name / "held").touch()
    return root / name


def test_an_image_is_unpacked_without_what_is_the_system_s(tmp_path: Path) -> None:
    files = {"opt/ml-workspace/model/factor.txt": b"2", "opt/ml-workspace/score.py": b"pass"}
    archive = archive_of(tmp_path, {**files, "etc/passwd": b"root"})
    target = tmp_path / "there"
    target.mkdir()
    replica.extract(archive, target)
    found = {str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()}
    assert found == {"config.json", "model/factor.txt", "score.py"}
    assert (target / "model/factor.txt").read_bytes() == b"2"


def test_the_process_has_the_image_s_variables_and_nothing_of_ray_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica.extract(archive_of(tmp_path, {"opt/ml-workspace/a": b""}), tmp_path)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a secret")
    monkeypatch.setenv("PYTHONHOME", "/usr")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    found = replica.environment_of(ASKED, tmp_path, 7)
    assert found["PYTHONPATH"] == f"{tmp_path}/server:{tmp_path}/packages"
    assert found["AZUREML_MODEL_DIR"] == "/elsewhere", "variables of the deployment come first"
    assert (found["WORD"], found["CUDA_VISIBLE_DEVICES"]) == ("a", "1")
    assert found["ML_WORKSPACE_SCORING_SOCKET"] == "7"
    assert not {"RAY_AUTH_TOKEN", "PYTHONHOME"} & found.keys()


def test_what_no_replica_needs_goes_and_what_one_has_stays(root: Path) -> None:
    for name in ("first", "second", "broken.part"):
        unpacked(root, name)
    held, folder = replica.unpack("a-g1", "first", 1)
    assert folder == root / "first"
    assert sorted(p.name for p in root.iterdir()) == ["first", "lock"]
    unpacked(root, "third")
    other, _ = replica.unpack("a-g2", "third", 1)
    assert (root / "first").exists(), "the first replica is still there"
    held.close()
    again, _ = replica.unpack("a-g2", "third", 1)
    assert sorted(p.name for p in root.iterdir()) == ["lock", "third"]
    other.close()
    again.close()


def test_a_folder_of_somebody_else_is_not_used(root: Path, tmp_path: Path) -> None:
    root.rmdir()
    (tmp_path / "theirs").mkdir()
    root.symlink_to(tmp_path / "theirs")
    with pytest.raises(RuntimeError, match="not this user's own"):
        replica.unpack("a-g1", "first", 1)
