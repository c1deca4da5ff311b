"""Compute targets as records: attached, listed, changed, detached."""

from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Workspace
from ml_workspace_lab.compute.model import AttachCompute, Quotas, UpdateCompute
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually


def attach(ws: Workspace, name: str = "second", **settings: object) -> None:
    ws.connection.computes.attach(AttachCompute(name, "local", dict(settings)))


def test_local_is_there_and_an_attached_target_follows_it(either: Workspace) -> None:
    computes = either.connection.computes
    attached = computes.attach(AttachCompute(f"second {id(either)}", "local", {"slots": 3}))
    assert (attached.slots, attached.state, attached.running) == (3, "Running", 0)
    names = [one.name for one in computes.list().items]
    assert (names[0], names[-1]) == ("local", attached.name)
    [node] = computes.list_nodes(attached.name).items
    assert node.cores >= 1
    computes.detach(attached.name)
    with pytest.raises(NotFound, match="There is: local"):
        computes.get(attached.name)


def test_what_can_be_attached_is_told_with_its_settings(ws: Workspace) -> None:
    kinds = {one.kind: one.settings_schema for one in ws.connection.computes.kinds().items}
    assert "slots" in str(kinds["local"])


@pytest.mark.parametrize(
    ("body", "error", "field"),
    [
        (AttachCompute("local", "local"), Conflict, "name"),
        (AttachCompute("x", "venus"), InvalidInput, "kind"),
        (AttachCompute("x", "local", {"slots": "many"}), InvalidInput, "slots"),
        (AttachCompute("x", "local", {"speed": 1}), InvalidInput, "speed"),
    ],
)
def test_a_target_that_can_not_be_is_refused_with_the_field(
    ws: Workspace, body: AttachCompute, error: type[Exception], field: str
) -> None:
    with pytest.raises(error) as refusal:
        ws.connection.computes.attach(body)
    assert getattr(refusal.value, "field", None) == field
    assert [one.name for one in ws.connection.computes.list().items] == ["local"]


def test_a_target_in_use_is_detached_by_force_alone_and_its_runs_end(
    ws: Workspace, tmp_path: Path
) -> None:
    attach(ws, slots=1)
    (tmp_path / "code").mkdir()
    config = CommandConfig(tmp_path / "code", ["sleep", "1000"], compute_target="second")
    going_on, waiting = (ws.experiment("e").submit(config) for _ in range(2))
    eventually(lambda: going_on.get_status() is RunState.RUNNING)
    computes = ws.connection.computes
    assert computes.active_runs("second").run_ids == [going_on.id, waiting.id]
    assert (computes.get("second").running, computes.get("second").queued) == (1, 1)
    with pytest.raises(Conflict, match="2 runs use"):
        computes.detach("second")
    computes.detach("second", force=True)
    for run in (going_on, waiting):
        assert run.get_status() is RunState.CANCELED
        assert "detached" in run.info().reason


def test_local_can_be_limited_and_not_detached(ws: Workspace) -> None:
    computes = ws.connection.computes
    quotas = Quotas(max_running=1)
    changed = computes.update("local", UpdateCompute({"slots": 7}, quotas, tags={"a": "b"}))
    assert (changed.slots, changed.quotas, changed.tags) == (7, quotas, {"a": "b"})
    assert computes.update("local", UpdateCompute(remove_tags=["a"])).tags == {}
    with pytest.raises(InvalidInput):
        computes.update("local", UpdateCompute({"slots": -7}))
    with pytest.raises(Conflict):
        computes.detach("local")
    assert computes.get("local").slots == 7
