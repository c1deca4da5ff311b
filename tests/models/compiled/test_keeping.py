"""What is found of a graph is kept with a version's content, by an Owner's word alone."""

from pathlib import Path

import pytest

from ml_workspace_lab import Model, Workspace
from ml_workspace_lab.access.authorize import ROLES, allows
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.client.contents import put_file
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.models.compiled.model import KeepCompilation, Verdict
from ml_workspace_lab.models.compiled.service import COMPILE
from ml_workspace_lab.storage.checking import check
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.sweep import sweep

GRAPH = b"as if it were a graph"
KEPT = Verdict(kept=True, reason="verified and faster", rows=3, packages={"skl2onnx": "1"})


@pytest.fixture
def model(ws: Workspace, tmp_path: Path) -> Model:
    (tmp_path / "m.txt").write_text("a model")
    return Model.register(ws, "m", tmp_path / "m.txt")


def keep(ws: Workspace, model: Model, verdict: Verdict = KEPT, graph: bytes | None = GRAPH) -> None:
    content = ws.connection.model_trust.get(model.name, model.version).content
    digest = None if graph is None else put_file(ws.connection, graph)[0]
    ws.connection.compilations.keep(
        model.name, model.version, KeepCompilation(content, verdict, digest)
    )


def test_a_graph_is_of_every_version_with_that_content(
    ws: Workspace, model: Model, tmp_path: Path
) -> None:
    keep(ws, model)
    again = Model.register(ws, "again", tmp_path / "m.txt")
    found = ws.connection.compilations.get(again.name, again.version)
    assert (found.name, found.verdict) == ("m", KEPT)
    (tmp_path / "m.txt").write_text("another model")
    other = Model.register(ws, "m", tmp_path / "m.txt")
    with pytest.raises(NotFound, match="Nobody has compiled m:2"):
        ws.connection.compilations.get(other.name, other.version)


def test_it_is_refused_for_other_content_and_without_its_graph(ws: Workspace, model: Model) -> None:
    compilations = ws.connection.compilations
    with pytest.raises(Conflict, match="another one"):
        compilations.keep(
            "m", 1, KeepCompilation("0" * 64, KEPT, put_file(ws.connection, GRAPH)[0])
        )
    with pytest.raises(InvalidInput, match="goes with a verdict"):
        keep(ws, model, graph=None)
    content = ws.connection.model_trust.get("m", 1).content
    with pytest.raises(NotFound, match="graph's content is missing"):
        compilations.keep("m", 1, KeepCompilation(content, KEPT, "0" * 64))


def test_only_an_owner_says_what_a_version_answers_by() -> None:
    able = {role for role in ROLES if allows(Principal("somebody", role), COMPILE)}
    assert able == {"Owner"}


def test_a_graph_is_kept_while_its_version_is_and_a_damaged_one_is_named(
    ws: Workspace, model: Model
) -> None:
    keep(ws, model)
    storage = ws.connection.storage  # type: ignore[attr-defined]
    digest = ws.connection.compilations.get("m", 1).onnx
    assert digest is not None
    later = now() + 1000
    sweep(storage, later)
    assert storage.blobs.read(digest) == GRAPH
    path = storage.blobs.path(digest)
    path.chmod(0o600)
    path.write_bytes(b"x")
    [damaged] = check(storage).items
    assert damaged.used_by == ["m:1 as a graph"]
    model.delete()
    with pytest.raises(NotFound):
        ws.connection.compilations.get("m", 1)
    sweep(storage, later)
    assert not storage.blobs.has(digest)
