"""Looking at a model never runs it: not when it is registered, listed, read or downloaded."""

import gzip
import io
import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.card import model_bundle
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.models import inspection
from tests.conftest import Server


class Malicious:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.marker),)


def archive(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, content)
    return buffer.getvalue()


def look_at(workspace: Workspace, path: Path, into: Path) -> Model:
    """Everything that can be done with a model short of deploying it."""
    model = Model.register(workspace, "evil", path)
    models = workspace.connection.models
    assert models.list().items[0].name == "evil"
    models.get("evil")
    models.versions("evil")
    model_bundle(models.version("evil", model.version))
    models.file("evil", model.version, path.name).read()
    model.download(into)
    return model


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_stays_asleep(
    ws: Workspace, server: Server, tmp_path: Path, protocol: int
) -> None:
    marker = tmp_path / "executed"
    content = pickle.dumps(Malicious(marker), protocol=protocol)
    remote = server.connect()
    forms = {
        "model.pkl": content,
        "model.joblib": gzip.compress(content),
        "model.pt": archive("archive/data.pkl", content),
        "model.bin": content,
        "model.zip": archive("data.pkl", content),
    }
    for name, form in forms.items():
        path = tmp_path / name
        path.write_bytes(form)
        model = look_at(ws, path, tmp_path / "here")
        assert model.info().executes_code, name
        assert "executes code" in model_bundle(model.info())["text/plain"]
        look_at(remote, path, tmp_path / "there")
    remote.close()
    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists(), "the pickle would have done it"


def test_what_is_no_pickle_raises_no_alarm(ws: Workspace, tmp_path: Path) -> None:
    for name, content in {
        "a.txt": b"(this is text.)",
        "b.onnx": b"\x08\x07\x12\x04",
        "c.zip": archive("weights.npy", b"1"),
        "d.json": b"{}",
        "empty": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert Model.register(ws, "m", tmp_path / name).info().executes_code is False, name


@pytest.mark.parametrize(
    ("name", "content", "framework"),
    [
        ("m.onnx", b"", "Onnx"),
        ("m.PTH", b"", "PyTorch"),
        ("m.pkl", b"\x80\x04csklearn.linear_model", "ScikitLearn"),
        ("m.pkl", b"\x80\x04.", "Custom"),
        ("README", b"", "Custom"),
        (".", b"", "Custom"),
    ],
)
def test_the_framework_is_told_from_names_and_first_bytes(
    name: str, content: bytes, framework: str
) -> None:
    assert inspection.framework([name], [content]) == framework


def test_torn_and_odd_files_never_break_inspection() -> None:
    chance = random.Random(7)
    whole = [
        pickle.dumps({"a": list(range(50))}, protocol=4),
        archive("a/data.pkl", b"x" * 300),
        archive("ä" * 40, b""),
        gzip.compress(b"y" * 300),
    ]
    for content in whole:
        for _ in range(400):
            torn = bytearray(content)
            for _ in range(chance.randrange(1, 6)):
                torn[chance.randrange(len(torn))] = chance.randrange(256)
            cut = bytes(torn[: chance.randrange(len(torn) + 1)])
            for odd in (bytes(torn), cut, b"PK\x03\x04" + cut):
                assert inspection.executes_code("file", io.BytesIO(odd)) in (True, False)
                inspection.framework(["file"], [odd])


def test_an_archive_of_a_version_to_come_is_suspected(ws: Workspace, tmp_path: Path) -> None:
    odd = bytearray(archive("weights.npy", b"1"))
    entry = odd.index(b"PK\x01\x02")
    odd[entry + 6] = 99  # "version needed to extract", at which zipfile gives up
    (tmp_path / "odd.bin").write_bytes(odd)
    assert Model.register(ws, "m", tmp_path / "odd.bin").info().executes_code
