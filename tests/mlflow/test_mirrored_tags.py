"""What clients are shown as tags they find by these tags, and can change by them."""

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.model import (
    CreateExperiment,
    StartRun,
    UpdateExperiment,
    UpdateRun,
)
from ml_workspace_lab.mlflow import experiments, logging, runs, search
from tests.mlflow.test_both_ways import Client, Json

NOTE, PARENT, NAME = "mlflow.note.content", "mlflow.parentRunId", "mlflow.runName"


@pytest.fixture
def client(ws: Workspace) -> Client:
    return Client(ws)


@pytest.fixture
def number(ws: Workspace) -> str:
    return str(ws.connection.experiments.create(CreateExperiment("both")).number)


def start(ws: Workspace, name: str, parent: str | None = None, **changes: str) -> str:
    """A run of the workspace's own."""
    body = StartRun(display_name=name, parent=parent)
    run_id: str = ws.connection.runs.start("both", body).run_id
    if changes:
        ws.connection.runs.update(run_id, UpdateRun(**changes))
    return run_id


def found(client: Client, number: str, text: str, order: str = "") -> list[str]:
    """The names of the runs that a filter finds."""
    order_by = [order] if order else ["attributes.start_time", "attributes.run_name"]
    body: Json = {"experiment_ids": [number], "filter": text, "order_by": order_by}
    return [one["info"]["run_name"] for one in client.post(search.runs, **body).get("runs", [])]


def tags(client: Client, run_id: str) -> dict[str, str]:
    run = client.get(runs.get, run_id=run_id)["run"]
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def test_a_run_is_found_by_every_tag_that_it_is_shown_with(
    ws: Workspace, client: Client, number: str
) -> None:
    parent = start(ws, "nat", description="what it is")
    kid = start(ws, "kid", parent)
    theirs = client.start(
        experiment_id=number,
        run_name="theirs",
        tags=[{"key": "mlflow.user", "value": "ada"}, {"key": PARENT, "value": parent}],
    )
    bare = client.start(experiment_id=number, run_name="bare")
    everything = {run: tags(client, run) for run in (parent, kid, theirs, bare)}
    assert everything[kid][PARENT] == parent
    assert "mlflow.user" not in everything[bare]
    for run, its in everything.items():
        for key, value in its.items():
            same = {
                tags(client, one)[NAME] for one in everything if everything[one].get(key) == value
            }
            assert set(found(client, number, f"tags.`{key}` = '{value}'")) == same, (run, key)
            assert set(found(client, number, f"tags.`{key}` IN ('{value}', 'x')")) == same
            assert set(found(client, number, f"tags.`{key}` LIKE '{value[:3]}%'")) >= same
            others = {its[NAME] for its in everything.values() if its.get(key, value) != value}
            assert set(found(client, number, f"tags.`{key}` != '{value}'")) == others
            lacking = {its[NAME] for its in everything.values() if key not in its}
            assert set(found(client, number, f"tags.`{key}` IS NULL")) == lacking
            there = {its[NAME] for its in everything.values() if key in its}
            assert set(found(client, number, f"tags.`{key}` IS NOT NULL")) == there
    either = f"tags.`{PARENT}` IN ('{parent}', 'of another store') AND tags.`{NAME}` = 'kid'"
    assert found(client, number, either) == ["kid"]
    assert found(client, number, "", f"tags.`{NAME}` DESC") == ["theirs", "nat", "kid", "bare"]
    assert ws.search_runs(f"tags.{NAME} = 'nat'").run_id.tolist() == [parent]


def test_a_parent_that_is_not_here_is_a_tag(ws: Workspace, client: Client, number: str) -> None:
    client.start(experiment_id=number, tags=[{"key": PARENT, "value": "of another store"}])
    assert found(client, number, f"tags.`{PARENT}` = 'of another store'") == ["theirs"]


def test_what_was_changed_here_is_what_is_found(ws: Workspace, client: Client, number: str) -> None:
    run = client.start(
        experiment_id=number, run_name="before", tags=[{"key": NOTE, "value": "OLD"}]
    )
    ws.connection.runs.update(run, UpdateRun(display_name="after", description="NEW"))
    assert (tags(client, run)[NAME], tags(client, run)[NOTE]) == ("after", "NEW")
    assert found(client, number, f"tags.`{NAME}` = 'after' AND tags.`{NOTE}` = 'NEW'") == ["after"]
    assert found(client, number, f"tags.`{NAME}` = 'before' OR tags.`{NOTE}` = 'OLD'") == []
    ws.connection.runs.update(run, UpdateRun(description=""))
    assert NOTE not in tags(client, run)


def test_a_notebook_is_the_source(ws: Workspace, client: Client, number: str) -> None:
    body = StartRun(display_name="book", notebook="a/train.ipynb")
    ws.connection.runs.start("both", body)
    start(ws, "plain")
    client.start(experiment_id=number, tags=[{"key": "mlflow.source.type", "value": "LOCAL"}])
    assert found(client, number, "tags.`mlflow.source.type` = 'NOTEBOOK'") == ["book"]
    assert found(client, number, "tags.`mlflow.source.type` ILIKE 'note%'") == ["book"]
    assert found(client, number, "tags.`mlflow.source.type` != 'NOTEBOOK'") == ["theirs"]
    assert found(client, number, "tags.`mlflow.source.type` != 'LOCAL'") == ["book"]
    assert found(client, number, "tags.`mlflow.source.type` IS NULL") == ["plain"]
    assert found(client, number, "tags.`mlflow.source.name` = 'a/train.ipynb'") == ["book"]


def test_a_parent_is_given_and_taken_later(ws: Workspace, client: Client, number: str) -> None:
    parent = start(ws, "parent")
    kid = client.start(experiment_id=number, run_name="kid")
    client.post(logging.set_tag, run_id=kid, key=PARENT, value=parent)
    assert [one.id for one in ws.run(parent).get_children()] == [kid]
    assert found(client, number, f"tags.`{PARENT}` = '{parent}'") == ["kid"]
    with pytest.raises(InvalidInput, match="below itself"):
        client.post(logging.set_tag, run_id=parent, key=PARENT, value=kid)
    assert PARENT not in tags(client, parent)
    client.post(logging.delete_tag, run_id=kid, key=PARENT)
    assert ws.connection.runs.get(kid).parent is None
    assert found(client, number, f"tags.`{PARENT}` = '{parent}'") == []


def test_a_parent_of_a_run_must_be_another_that_is_there(ws: Workspace, number: str) -> None:
    parent = start(ws, "parent")
    kid = start(ws, "kid", parent)
    for above in (parent, kid):
        with pytest.raises(InvalidInput, match="below itself"):
            ws.connection.runs.update(parent, UpdateRun(parent=above))
    with pytest.raises(NotFound):
        ws.connection.runs.update(parent, UpdateRun(parent="0" * 32))
    assert ws.connection.runs.update(kid, UpdateRun(parent=None)).parent is None


def test_what_a_run_is_shown_with_is_deleted_where_it_can_be(
    ws: Workspace, client: Client, number: str
) -> None:
    parent = start(ws, "parent", description="a note")
    kid = start(ws, "kid", parent)
    client.post(logging.delete_tag, run_id=parent, key=NOTE)
    client.post(logging.delete_tag, run_id=kid, key=PARENT)
    assert ws.connection.runs.get(parent).description == ""
    assert ws.connection.runs.get(kid).parent is None
    for key in ("mlflow.user", NAME):
        with pytest.raises(InvalidInput, match="stays"):
            client.post(logging.delete_tag, run_id=kid, key=key)
    with pytest.raises(NotFound):
        client.post(logging.delete_tag, run_id=kid, key=PARENT)


def test_an_experiments_note_is_its_description(ws: Workspace, client: Client) -> None:
    tag = {"key": NOTE, "value": "OLD"}
    number = client.post(experiments.create, name="noted", tags=[tag])["experiment_id"]
    client.post(experiments.create, name="bare")

    def shown() -> list[dict[str, str]]:
        got = client.get(experiments.get, experiment_id=number)["experiment"]
        return [one for one in got["tags"] if one["key"] == NOTE]

    def named(text: str) -> set[str]:
        body: Json = {"filter": text, "max_results": 10}
        got = client.post(search.experiments, **body).get("experiments", [])
        return {one["name"] for one in got} - {"Default"}

    assert named(f"tags.`{NOTE}` = 'OLD'") == {"noted"}
    ws.connection.experiments.update("noted", UpdateExperiment(description="NEW"))
    assert shown() == [{"key": NOTE, "value": "NEW"}]
    assert named(f"tags.`{NOTE}` LIKE 'N%' OR tags.`{NOTE}` = 'OLD'") == {"noted"}
    assert named(f"tags.`{NOTE}` = 'OLD'") == set()
    assert named(f"tags.`{NOTE}` != 'OLD'") == {"noted"}
    assert named(f"tags.`{NOTE}` IS NULL") == {"bare"}
    client.post(experiments.delete_tag, experiment_id=number, key=NOTE)
    assert shown() == []
    assert named(f"tags.`{NOTE}` IS NOT NULL") == set()
