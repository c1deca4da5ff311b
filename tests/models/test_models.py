"""The registry: versions count up, files never change, every version knows where it came from."""

import hashlib
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Run, Workspace
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.models.model import ModelFile, RegisterModel, UpdateModelVersion

BAD_PATHS = [
    "../secret", "a/../b", "/etc/passwd", "C:/x", "a\\b", "a//b", ".", "a\x00b", "a\nb", "x" * 256,
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of two files."""
    made = tmp_path / "model"
    (made / "parts").mkdir(parents=True)
    (made / "weights.bin").write_bytes(b"\x00\x01" * 1000)
    (made / "parts" / "vocabulary.txt").write_text("one\ntwo\n")
    return made


@pytest.fixture
def run(ws: Workspace, tmp_path: Path) -> Run:
    """A finished job that left a model among its artifacts."""
    command = ["sh", "-c", "mkdir outputs/model; echo w > outputs/model/w.txt; echo c > outputs/c"]
    run = ws.experiment("training").submit(CommandConfig(tmp_path, command))
    run.wait_for_completion(timeout_seconds=60)
    return run


def paths(model: Model) -> list[str]:
    return [file.path for file in model.info().files]


def test_a_folder_is_registered_whole_and_comes_back_as_it_was(
    ws: Workspace, folder: Path, tmp_path: Path
) -> None:
    model = Model.register(ws, "words", folder, tags={"a": "b"}, description="of words")
    assert (model.id, model.tags, model.info().description) == ("words:1", {"a": "b"}, "of words")
    assert paths(model) == ["parts/vocabulary.txt", "weights.bin"]
    assert model.info().size == 2008
    there = model.download(tmp_path / "back")
    assert (there / "parts/vocabulary.txt").read_text() == "one\ntwo\n"
    assert (there / "weights.bin").read_bytes() == b"\x00\x01" * 1000


def test_a_file_is_registered_under_its_name(ws: Workspace, folder: Path) -> None:
    model = Model.register(ws, "m", folder / "weights.bin", properties={"seed": "7"})
    assert paths(model) == ["weights.bin"]
    info = model.info()
    assert (info.framework, info.executes_code, info.properties) == ("Custom", False, {"seed": "7"})
    digest = hashlib.sha256(b"\x00\x01" * 1000).hexdigest()
    assert [(file.digest, file.size) for file in info.files] == [(digest, 2000)]


def test_a_runs_artifacts_become_a_model_that_names_run_and_code(ws: Workspace, run: Run) -> None:
    model = run.register_model("trained", "outputs/model", tags={"stage": "test"})
    info = model.info()
    assert paths(model) == ["w.txt"]
    assert (info.run_id, info.experiment) == (run.id, "training")
    assert info.snapshot_id == run.info().snapshot_id
    assert info.snapshot_id is not None
    assert paths(run.register_model("trained", "outputs/c")) == ["c"]
    assert paths(run.register_model("trained")) == ["c", "model/w.txt"]
    assert Model(ws, "trained").version == 3


def test_what_a_run_did_not_leave_can_not_be_registered(ws: Workspace, run: Run) -> None:
    with pytest.raises(NotFound, match="has no artifact 'outputs/mod'") as refusal:
        run.register_model("m", "outputs/mod")
    assert refusal.value.field == "artifact_path"
    assert "outputs/model/w.txt" in str(refusal.value.hint)
    for bad in BAD_PATHS:
        with pytest.raises(InvalidInput) as unsafe:
            run.register_model("m", bad)
        assert unsafe.value.field == "artifact_path"
    assert ws.models == {}


def test_versions_count_up_and_a_deleted_number_is_not_given_again(
    ws: Workspace, folder: Path
) -> None:
    for number in (1, 2, 3):
        assert Model.register(ws, "m", folder).version == number
    Model(ws, "m", 3).delete()
    assert Model(ws, "m").version == 2
    assert Model.register(ws, "m", folder).version == 4
    listed = ws.connection.models.versions("m").items
    assert [version.version for version in listed] == [4, 2, 1]
    with pytest.raises(NotFound, match="no version 3"):
        Model(ws, "m", 3)


def test_a_model_whose_versions_are_all_deleted_has_none(ws: Workspace, folder: Path) -> None:
    Model.register(ws, "m", folder).delete()
    assert ws.models == {}
    with pytest.raises(NotFound, match="has no versions"):
        Model(ws, "m")
    assert ws.connection.models.get("m").versions == 0
    assert Model.register(ws, "m", folder).version == 2


def test_files_never_change_whatever_becomes_of_their_source(
    ws: Workspace, folder: Path, tmp_path: Path
) -> None:
    first = Model.register(ws, "m", folder)
    (folder / "weights.bin").write_bytes(b"changed")
    (folder / "parts" / "vocabulary.txt").unlink()
    second = Model.register(ws, "m", folder)
    first.download(tmp_path / "first")
    assert (tmp_path / "first/weights.bin").read_bytes() == b"\x00\x01" * 1000
    assert (tmp_path / "first/parts/vocabulary.txt").exists()
    second.download(tmp_path / "second")
    assert (tmp_path / "second/weights.bin").read_bytes() == b"changed"
    for file in first.info().files:
        kept = ws.connection.storage.blobs.path(file.digest)  # type: ignore[attr-defined]
        assert kept.stat().st_mode & 0o222 == 0, "nobody writes into a content"


def test_tags_change_and_properties_do_not(ws: Workspace, folder: Path) -> None:
    Model.register(ws, "m", folder, tags={"keep": "1", "drop": "2"}, properties={"fixed": "a"})
    change = UpdateModelVersion(tags={"new": "3"}, remove_tags=["drop"], properties={"more": "b"})
    info = ws.connection.models.update("m", 1, change)
    assert info.tags == {"keep": "1", "new": "3"}
    assert info.properties == {"fixed": "a", "more": "b"}
    with pytest.raises(Conflict) as refusal:
        ws.connection.models.update("m", 1, UpdateModelVersion(properties={"fixed": "other"}))
    assert refusal.value.field == "properties.fixed"
    assert Model(ws, "m").info().properties["fixed"] == "a"


@pytest.mark.parametrize("name", ["", "..", ".", "..a", "a/b", "a:b", " a", "x" * 10_000, "a\n"])
def test_a_name_that_is_none_is_refused(ws: Workspace, folder: Path, name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Model.register(ws, name, folder)
    assert refusal.value.field == "name"
    assert len(str(refusal.value)) < 300
    assert ws.models == {}


@pytest.mark.parametrize("path", [*BAD_PATHS, "x/" * 600 + "x"])
def test_a_path_that_leads_elsewhere_is_refused(ws: Workspace, folder: Path, path: str) -> None:
    digest = Model.register(ws, "m", folder / "weights.bin").info().files[0].digest
    body = RegisterModel(files=[ModelFile(path, digest, 2000)])
    with pytest.raises(InvalidInput) as refusal:
        ws.connection.models.register("other", body)
    assert str(refusal.value.field).startswith("files")
    with pytest.raises((InvalidInput, NotFound)) as unreadable:
        ws.connection.models.file("m", 1, path)
    assert unreadable.value.field == "path"
    assert list(ws.models) == ["m"]


def test_files_that_could_not_lie_in_one_folder_are_refused(ws: Workspace, folder: Path) -> None:
    digest = Model.register(ws, "m", folder / "weights.bin").info().files[0].digest
    for one, other in [("a", "a"), ("a", "a/b"), ("é", "e\u0301")]:
        files = [ModelFile(one, digest, 2000), ModelFile(other, digest, 2000)]
        with pytest.raises(InvalidInput) as refusal:
            ws.connection.models.register("other", RegisterModel(files=files))
        assert refusal.value.field == "files"


def test_sources_that_are_not_there_are_refused(ws: Workspace, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for source in (tmp_path / "nowhere", Path("x" * 10_000), empty):
        with pytest.raises((InvalidInput, NotFound)) as refusal:
            Model.register(ws, "m", source)
        assert refusal.value.field == "model_path"
        assert len(str(refusal.value)) < 300
    missing = RegisterModel(files=[ModelFile("a", "0" * 64, 1)])
    with pytest.raises(InvalidInput, match="missing") as refusal:
        ws.connection.models.register("m", missing)
    assert refusal.value.field == "files"
    assert ws.models == {}


@pytest.mark.parametrize("text", ["m:", "m:x", "m:-1", "m:1.5", "m:" + "9" * 10_000])
def test_a_version_is_a_number(ws: Workspace, folder: Path, text: str) -> None:
    Model.register(ws, "m", folder)
    with pytest.raises(InvalidInput) as refusal:
        Model.parse(ws, text)
    assert refusal.value.field == "model"
    assert len(str(refusal.value)) < 300
    assert Model.parse(ws, "m:1").id == Model.parse(ws, "m").id == "m:1"


def test_both_ways_into_a_workspace_register_and_download(either: Workspace, folder: Path) -> None:
    model = Model.register(either, "both", folder)
    there = model.download(folder.parent / "back")
    assert (there / "weights.bin").read_bytes() == (folder / "weights.bin").read_bytes()
    with pytest.raises(NotFound):
        either.connection.models.file("both", model.version, "nothing")
