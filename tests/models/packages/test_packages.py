"""Images of models: the same each time, and what they answer when they are run."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ml_workspace_lab import Model, Package
from ml_workspace_lab.cli.main import run as command
from ml_workspace_lab.client.package import PackageFailed
from ml_workspace_lab.errors import Conflict, Denied, InvalidInput, NotFound
from ml_workspace_lab.models.packages import layouts
from ml_workspace_lab.models.packages.folder import PackageFolder
from ml_workspace_lab.models.packages.images import Image
from tests.conftest import Server
from tests.models.packages import containers
from tests.models.packages.conftest import Scales


def test_an_image_answers_who_has_a_key_and_needs_nothing_of_this_machine(
    layout: Path, tmp_path: Path
) -> None:
    config = containers.unpack(layout, tmp_path / "root")
    log = tmp_path / "log.txt"
    with containers.container(
        tmp_path / "root", config, log, ML_WORKSPACE_SCORING_KEY=containers.KEY
    ) as address:
        assert containers.score(address, {"x": 21}).json == {"y": 42.0}
        assert containers.score(address, {"x": 21}, key="another").status == 401
    assert "Serving scale:1" in log.read_text()
    environment = dict(line.split("=", 1) for line in config["config"]["Env"])
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    without_a_key = subprocess.run(
        [*containers.chroot(), tmp_path / "root", *config["config"]["Entrypoint"]],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (without_a_key.returncode, without_a_key.stdout) == (os.EX_CONFIG, "")
    assert without_a_key.stderr.startswith("Not started: set ML_WORKSPACE_SCORING_KEY to the key")


def test_the_same_is_the_same_image_to_the_last_byte(whole: Package, scales: Scales) -> None:
    again = scales.model.package(scoring_script=scales.script)
    assert again.id != whole.id
    assert again.info().digest == whole.info().digest
    for one in (whole, again):
        one.save(scales.folder / f"{one.id}.tar")
    first, second = ((scales.folder / f"{one.id}.tar").read_bytes() for one in (whole, again))
    assert first == second
    again.delete()
    with pytest.raises(NotFound):
        again.info()
    assert not PackageFolder.of(scales.root, again.id).path.exists()


def test_an_edited_script_changes_the_last_layer_alone(scales: Scales, tmp_path: Path) -> None:
    one = scales.on_base("nowhere").info()
    other = scales.on_base("nowhere", "def run(data):\n    return 1\n").info()
    assert one.layers[:-1] == other.layers[:-1]
    assert one.layers[-1] != other.layers[-1]
    assert other.layers[-1].size < 1000
    assert [layer.made_of for layer in one.layers][1:] == [
        "what answers requests", "the model scale:1", "what it is told",
    ]  # fmt: skip


def test_an_image_lies_on_a_base_that_has_an_interpreter(
    layout: Path, scales: Scales, tmp_path: Path
) -> None:
    base = python_alone(layout, tmp_path / "base")
    made = scales.on_base(base)
    digest = made.save(tmp_path / "image")
    with layouts.reading(tmp_path / "image", None) as image:
        assert image.descriptor.digest == digest
        assert len(image.manifest.layers) == 1 + len(made.info().layers)
    config = containers.unpack(tmp_path / "image", tmp_path / "root")
    assert "LANG=C.UTF-8" in config["config"]["Env"]
    with containers.container(
        tmp_path / "root", config, tmp_path / "log.txt", ML_WORKSPACE_SCORING_KEY=containers.KEY
    ) as address:
        assert containers.score(address, {"x": 3}).json == {"y": 6.0}
    with pytest.raises(InvalidInput, match="no interpreter"):
        Package(scales.ws, made.id).save(tmp_path / "alone")


def test_a_base_with_another_python_is_refused(
    layout: Path, scales: Scales, tmp_path: Path
) -> None:
    base = python_alone(layout, tmp_path / "base", "PYTHON_VERSION=3.8.1")
    with pytest.raises(InvalidInput, match=r"The base has Python 3.8.1"):
        scales.on_base(base).save(tmp_path / "image")


def test_several_models_go_into_one_image_each_in_its_folder(
    scales: Scales, tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "word.txt").write_text("hello")
    other = Model.register(scales.ws, "a model of words", tmp_path)
    with pytest.raises(InvalidInput, match="scored by a script"):
        scales.model.package(models=[other], base="nowhere")
    made = scales.model.package(models=[other], base="nowhere", scoring_script=scales.script)
    assert made.info().models == ["scale:1", "a model of words:1"]
    names = {
        name for name in containers.names_in(made, tmp_path / "image.tar") if "/model/" in name
    }
    assert "opt/ml-workspace/model/scale/1/factor.txt" in names
    assert "opt/ml-workspace/model/a model of words/1/word.txt" in names


def test_what_cannot_be_packaged_is_told_with_the_reason(scales: Scales, tmp_path: Path) -> None:
    alone = Model.register(scales.ws, "alone", scales.folder / "model" / "factor.txt")
    with pytest.raises(InvalidInput, match="does not say which packages it needs"):
        alone.package()
    (tmp_path / "requirements.txt").write_text("tornado==1.0\n")
    old = Model.register(scales.ws, "old", tmp_path)
    made = old.package(wait=False, base="nowhere")
    with pytest.raises(PackageFailed, match=r"The image needs tornado==1.0, which is .* here"):
        made.wait()
    assert made.info().state == "failed"
    with pytest.raises(Conflict, match="is failed"):
        scales.ws.connection.packages.image(made.id)
    with pytest.raises(InvalidInput, match="target: is oci or edge"):
        scales.model.package(target="aci")


def test_a_package_whose_process_was_ended_says_so(scales: Scales) -> None:
    made = scales.model.package(wait=False, scoring_script=scales.script)
    folder = PackageFolder.of(scales.root, made.id)
    folder.end()
    assert made.info().state == "failed"
    assert "was ended" in made.info().reason
    made.delete()


def test_only_who_may_package_can(server: Server, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("")
    owner = server.connect()
    model = Model.register(owner, "rights", tmp_path)
    made = model.package(base="nowhere")
    assert made.info().state == "ready"
    reader = server.connect(("workspaces/read", "models/read"))
    assert Package(reader, made.id).info().digest == made.info().digest
    with pytest.raises((Denied, NotFound)):
        Model(reader, "rights").package(base="nowhere")
    with pytest.raises(Denied):
        Package(reader, made.id).delete()
    for one in (owner, reader):
        one.close()


def test_the_command_saves_an_image(
    scales: Scales, layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = python_alone(layout, tmp_path / "base")
    words = ["-w", str(scales.root), "-o", "json", "model", "package", "scale:1"]
    words += ["--script", str(scales.script), "--base", str(base)]
    words += ["--save", str(tmp_path / "i.tar")]
    assert command(words) == 0
    found = json.loads(capsys.readouterr().out)
    with layouts.reading(tmp_path / "i.tar", None) as image:
        assert image.descriptor.digest == found["digest"]


def python_alone(layout: Path, target: Path, *variables: str) -> Path:
    """A base image: the interpreter of a whole package, on the PATH."""
    with layouts.reading(layout, None) as image:
        lowest = image.manifest.layers[0]
        libraries = next(v for v in image.config.config.env or [] if v.startswith("LD_LIBRARY"))
        config = image.config.__class__(
            architecture=image.config.architecture,
            os=image.config.os,
            rootfs=type(image.config.rootfs)("layers", image.config.rootfs.diff_ids[:1]),
            config=type(image.config.config)(
                env=["PATH=/opt/python/bin", "LANG=C.UTF-8", libraries, *variables],
                entrypoint=["python3"],
            ),
        )
        layouts.write(Image.make(config, [lowest], {}, image.open), target)
    return target
