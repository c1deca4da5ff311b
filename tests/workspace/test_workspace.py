"""The workspace itself: made, found, described, removed."""

import json
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.workspace import start_here
from ml_workspace_lab.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    Unavailable,
    WorkspaceNotConfigured,
)
from ml_workspace_lab.server.host import WorkspaceHost
from ml_workspace_lab.workspace.locate import parse


def test_it_is_found_from_any_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start_here("mine", tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert Workspace.from_config().location == made.location
    other = Workspace.create("other", tmp_path / "other")
    monkeypatch.setenv("ML_WORKSPACE", other.location)
    assert Workspace.from_config().name == "other", "the environment wins"


@pytest.mark.parametrize("below", ["", ".mlworkspace", ".mlworkspace/store"])
def test_the_folder_that_was_started_in_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    monkeypatch.chdir(tmp_path)
    made = Workspace.create("mine", "wsd/.mlworkspace/store")
    made.write_config("wsd")
    named = Path("wsd") / below
    assert Workspace.open(named).location == made.location
    assert Workspace.at(parse(str(named))).location == made.location
    monkeypatch.setenv("ML_WORKSPACE", str(named))
    assert Workspace.from_config().location == made.location
    monkeypatch.delenv("ML_WORKSPACE")
    assert WorkspaceHost(tmp_path, named).services() is not None


def test_a_store_that_has_a_config_file_is_itself(tmp_path: Path) -> None:
    inner = Workspace.create("inner", tmp_path / "inner")
    outer = Workspace.create("outer", tmp_path / "outer")
    inner.write_config(tmp_path / "outer")
    assert Workspace.open(tmp_path / "outer").location == outer.location
    gone = tmp_path / "gone"
    outer.write_config(gone)
    outer.delete()
    with pytest.raises(NotFound, match="outer"):
        Workspace.open(gone)


def test_a_moved_folder_still_finds_its_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "before").mkdir()
    start_here("mine", tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    monkeypatch.chdir(tmp_path / "after")
    assert Workspace.from_config().name == "mine"


def test_where_there_is_none_it_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkspaceNotConfigured, match="%ws_init"):
        Workspace.from_config()
    with pytest.raises(NotFound):
        Workspace.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"location": 3}', "\x00"])
def test_a_broken_config_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / ".mlworkspace").mkdir()
    (tmp_path / ".mlworkspace" / "config.json").write_text(content)
    with pytest.raises(InvalidInput, match="not a workspace's config"):
        Workspace.from_config(tmp_path)


@pytest.mark.parametrize("name", ["", "x", "a b", "../up", "x" * 10_000, "ä/ö", ".hidden"])
def test_a_name_that_breaks_the_rules_makes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Workspace.create(name, tmp_path / "store")
    assert refusal.value.field == "name"
    assert not (tmp_path / "store").exists()


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    Workspace.create("one", tmp_path / "store")
    with pytest.raises(Conflict):
        Workspace.create("one", tmp_path / "store")
    assert Workspace.create("one", tmp_path / "store", exist_ok=True).name == "one"
    with pytest.raises(Conflict, match="called 'one'"):
        Workspace.create("two", tmp_path / "store", exist_ok=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("precious")
    with pytest.raises(Conflict, match="not empty"):
        Workspace.create("two", tmp_path / "full")
    assert (tmp_path / "full" / "thesis.tex").read_text() == "precious"


def test_details_and_config_describe_it(tmp_path: Path) -> None:
    made = Workspace.create("mine", tmp_path / "store", description="d", tags={"a": "b"})
    details = made.get_details()
    assert (details["name"], details["description"], details["tags"]) == ("mine", "d", {"a": "b"})
    config = json.loads(made.write_config(tmp_path).read_text())
    assert config["workspace_name"] == "mine"
    assert Workspace.from_config(tmp_path).location == made.location


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    made = Workspace.create("mine", tmp_path / "store")
    assert Path(made.location).stat().st_mode & 0o077 == 0


def test_a_deleted_workspace_is_gone_and_its_handles_say_so(ws: Workspace) -> None:
    root = Path(ws.location)
    held = Workspace.open(root)
    run = held.experiment("e").start_logging()
    with pytest.raises(Conflict, match="going on"):
        ws.delete()
    run.complete()
    ws.delete()
    assert not root.exists()
    with pytest.raises((NotFound, Unavailable)):
        held.runs()
    with pytest.raises((NotFound, Unavailable)):
        held.experiment("e").start_logging()
    with pytest.raises((Conflict, Unavailable)):
        run.log("loss", 1)
    again = Workspace.create("lab", root)
    assert again.runs() == []
    with pytest.raises(Unavailable):
        held.runs()


def test_a_workspace_that_is_well_says_so(ws: Workspace) -> None:
    findings = {finding.check: finding.level for finding in ws.diagnose().items}
    assert findings.keys() == {"database", "folder", "disk", "agent"}
    assert set(findings.values()) <= {"Information", "Warning"}
