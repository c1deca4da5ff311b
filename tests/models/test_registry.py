"""Models as a whole: names, tags, aliases, stages, sources and search."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.model import StartRun
from ml_workspace_lab.models import sources
from ml_workspace_lab.models.model import (
    PROMPT_TAG,
    CreateModel,
    ModelVersion,
    RegisterModel,
    SearchModels,
    SetAlias,
    SetStage,
    UpdateModel,
    UpdateModelVersion,
)

ELSEWHERE = "s3://bucket/model"


@pytest.fixture
def run_id(ws: Workspace) -> str:
    """A run with two files in a folder `model` and one beside it."""
    run = ws.connection.runs.start("training", StartRun())
    for path in ("model/MLmodel", "model/data/w.bin", "modelling.txt"):
        ws.connection.artifacts.put(run.run_id, path, BytesIO(path.encode()))
    run_id: str = run.run_id
    return run_id


def register(ws: Workspace, name: str, **fields: Any) -> ModelVersion:
    body = RegisterModel(**{"source": ELSEWHERE, **fields})
    version: ModelVersion = ws.connection.models.register(name, body)
    return version


def found(ws: Workspace, text: str, **fields: Any) -> list[str]:
    items = ws.connection.registry.search(SearchModels(text, **fields)).items
    return [info.name for info in items]


def versions(ws: Workspace, text: str, **fields: Any) -> list[str]:
    items = ws.connection.registry.versions(SearchModels(text, **fields)).items
    return [f"{info.name}:{info.version}" for info in items]


def events(ws: Workspace, after: int) -> list[tuple[str, dict[str, str]]]:
    batch = ws.connection.events.list(after)
    return [(event.kind, event.data) for event in batch.events]


def test_a_model_can_be_there_before_its_first_version(ws: Workspace) -> None:
    made = ws.connection.registry.create(CreateModel("späte Äpfel", "ripe", {"a": "b"}))
    assert (made.versions, made.latest_version, made.aliases) == (0, 0, {})
    assert (made.description, made.tags) == ("ripe", {"a": "b"})
    with pytest.raises(Conflict, match="already"):
        ws.connection.registry.create(CreateModel("späte Äpfel"))
    assert register(ws, "späte Äpfel").version == 1
    assert [m.name for m in ws.connection.models.list().items] == ["späte Äpfel"]


def test_a_renamed_model_keeps_all_that_belongs_to_it(ws: Workspace) -> None:
    register(ws, "old")
    ws.connection.registry.set_alias("old", "champion", SetAlias(1))
    register(ws, "taken")
    with pytest.raises(Conflict, match="already"):
        ws.connection.registry.change("old", UpdateModel(name="taken"))
    ws.connection.registry.change("old", UpdateModel(name="new"))
    with pytest.raises(NotFound):
        ws.connection.models.get("old")
    assert ws.connection.registry.by_alias("new", "champion").version == 1


def test_tags_of_a_model_are_set_and_removed(ws: Workspace) -> None:
    ws.connection.registry.create(CreateModel("m", tags={"keep": "1", "drop": "2"}))
    change = UpdateModel(description="d", tags={"new": "3"}, remove_tags=["drop", "none"])
    info = ws.connection.registry.change("m", change)
    assert (info.tags, info.description) == ({"keep": "1", "new": "3"}, "d")


def test_a_removed_model_takes_its_versions_along(ws: Workspace) -> None:
    register(ws, "m")
    ws.connection.registry.set_alias("m", "a", SetAlias(1))
    ws.connection.registry.remove("m")
    with pytest.raises(NotFound):
        ws.connection.models.version("m", 1)
    assert register(ws, "m").version == 1
    assert ws.connection.models.get("m").aliases == {}


def test_an_alias_names_one_version_at_a_time(ws: Workspace) -> None:
    register(ws, "m")
    register(ws, "m")
    for number in (1, 2):
        ws.connection.registry.set_alias("m", "champion", SetAlias(number))
    ws.connection.registry.set_alias("m", "second", SetAlias(2))
    assert ws.connection.models.version("m", 1).aliases == []
    assert ws.connection.models.version("m", 2).aliases == ["champion", "second"]
    ws.connection.registry.delete_alias("m", "second")
    with pytest.raises(NotFound, match="no alias"):
        ws.connection.registry.delete_alias("m", "second")
    ws.connection.models.delete("m", 2)
    assert ws.connection.models.get("m").aliases == {}
    with pytest.raises(NotFound):
        ws.connection.registry.by_alias("m", "champion")


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "V12", "a b", "", "a/b", "x" * 256])
def test_an_alias_that_could_be_taken_for_a_version_is_refused(ws: Workspace, alias: str) -> None:
    register(ws, "m")
    with pytest.raises(InvalidInput) as refusal:
        ws.connection.registry.set_alias("m", alias, SetAlias(1))
    assert refusal.value.field == "alias"
    with pytest.raises(NotFound):
        ws.connection.registry.set_alias("m", "fine", SetAlias(7))


def test_a_version_comes_to_a_stage_and_others_leave_it_when_asked(ws: Workspace) -> None:
    for _ in range(3):
        register(ws, "m")
    move = ws.connection.registry.move
    move("m", 1, SetStage("Production"))
    move("m", 2, SetStage("Production"))
    move("m", 3, SetStage("Production", archive_existing=True))
    assert [v.stage for v in ws.connection.models.versions("m").items] == [
        "Production", "Archived", "Archived",
    ]  # fmt: skip
    latest = ws.connection.registry.latest("m").items
    assert {v.stage: v.version for v in latest} == {"Production": 3, "Archived": 2}
    move("m", 1, SetStage("None"))
    assert versions(ws, "stage = 'None'") == ["m:1"]
    with pytest.raises(InvalidInput, match="not an Active stage"):
        move("m", 1, SetStage("Archived", archive_existing=True))


def test_every_change_leaves_an_event(ws: Workspace) -> None:
    before = ws.connection.events.list().next
    ws.connection.registry.create(CreateModel("m"))
    register(ws, "m")
    ws.connection.registry.set_alias("m", "a", SetAlias(1))
    ws.connection.models.update("m", 1, UpdateModelVersion(tags={"k": "v"}))
    ws.connection.models.update("m", 1, UpdateModelVersion(remove_tags=["k", "other"]))
    ws.connection.registry.move("m", 1, SetStage("Staging"))
    ws.connection.registry.delete_alias("m", "a")
    ws.connection.registry.change("m", UpdateModel(name="n"))
    ws.connection.models.delete("n", 1)
    ws.connection.registry.remove("n")
    assert events(ws, before) == [
        ("model.created", {}),
        ("model.registered", {"version": "1"}),
        ("model.aliased", {"alias": "a", "version": "1"}),
        ("model.updated", {"version": "1"}),
        ("model.tagged", {"key": "k", "value": "v", "version": "1"}),
        ("model.updated", {"version": "1"}),
        ("model.untagged", {"key": "k", "version": "1"}),
        ("model.staged", {"version": "1", "stage": "Staging"}),
        ("model.unaliased", {"alias": "a"}),
        ("model.renamed", {"previous": "m"}),
        ("model.deleted", {"version": "1"}),
        ("model.removed", {}),
    ]


def test_a_source_in_a_run_gives_its_files_to_the_version(ws: Workspace, run_id: str) -> None:
    number = ws.connection.experiments.get("training").number
    for source in (
        f"runs:/{run_id}/model",
        f"runs:/{run_id}/model/",
        f"mlflow-artifacts:/{number}/{run_id}/artifacts/model",
    ):
        made = register(ws, "m", source=source)
        assert [file.path for file in made.files] == ["MLmodel", "data/w.bin"]
        assert (made.run_id, made.experiment, made.source) == (run_id, "training", source)
    assert len(register(ws, "m", source=f"runs:/{run_id}").files) == 3
    ws.connection.artifacts.put(run_id, "model/MLmodel", BytesIO(b"other"))
    assert ws.connection.models.file("m", 1, "MLmodel").read() == b"model/MLmodel"


def test_a_version_can_be_made_of_another(ws: Workspace, run_id: str, tmp_path: Path) -> None:
    first = register(ws, "m", source=f"runs:/{run_id}/model")
    ws.connection.registry.set_alias("m", "best", SetAlias(1))
    for source in ("models:/m/1", "models:/m@best", "models:/m/latest", "models:/m/None"):
        copy = register(ws, "copy", source=source)
        assert (copy.source, copy.files, copy.run_id) == ("models:/m/1", first.files, run_id)
    assert sources.address("m", 1) == "mlflow-artifacts:/models/m/1"
    odd = register(ws, "a=b %25 ü", source="models:/m/1")
    again = register(ws, "copy", source=sources.address(odd.name, odd.version))
    assert again.files == first.files
    assert (Model(ws, "copy").download(tmp_path) / "data/w.bin").read_bytes() == b"model/data/w.bin"
    for missing in ("models:/m/2", "models:/m@other", "models:/none/1", "models:/m-" + "0" * 32):
        with pytest.raises(NotFound):
            register(ws, "copy", source=missing)


def test_a_source_elsewhere_is_kept_as_text(ws: Workspace) -> None:
    for source in ("s3://bucket/model", "https://host/model?x=1", "runs:/gone/model"):
        made = register(ws, "m", source=source)
        assert (made.source, made.files, made.size) == (source, [], 0)
    assert ws.connection.models.version("m", 3).run_id == "gone"


@pytest.mark.parametrize(
    "source",
    ["/etc/passwd", "etc/passwd", "file:///etc/passwd", "FILE:/x", "s3://b/../x", "s3://b/%2e%2e",
     "runs:/a/%252e%252e/x", "", "C:\\model", "s3://b/x%00", "dummy"],
)  # fmt: skip
def test_a_source_on_some_machine_is_refused(ws: Workspace, source: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        register(ws, "m", source=source)
    assert refusal.value.field == "source"
    assert ws.models == {}


def test_a_source_belongs_to_the_run_that_is_named_with_it(ws: Workspace, run_id: str) -> None:
    other = ws.connection.runs.start("training", StartRun()).run_id
    with pytest.raises(InvalidInput, match="belongs to") as refusal:
        register(ws, "m", source=f"runs:/{run_id}/model", run_id=other)
    assert refusal.value.field == "run_id"
    with pytest.raises(NotFound):
        register(ws, "m", run_id="0" * 32)
    assert register(ws, "m", run_id=other).run_id == other
    made = register(ws, "m", source="runs:/of-elsewhere/model", run_id=other)
    assert (made.run_id, made.files) == (other, [])


def test_a_prompt_is_not_among_the_models(ws: Workspace) -> None:
    tags = {PROMPT_TAG: "true"}
    ws.connection.registry.create(CreateModel("hello", tags=tags))
    made = register(ws, "hello", source="prompt-template", tags=tags)
    assert (made.source, made.files) == ("prompt-template", [])
    register(ws, "m")
    assert found(ws, "") == ["m"] == [info.name for info in ws.connection.models.list().items]
    assert found(ws, "", kind="prompt") == ["hello"]
    assert found(ws, "", kind="all") == ["hello", "m"]
    assert versions(ws, "") == ["m:1"]
    assert versions(ws, "name LIKE 'h%'", kind="prompt") == ["hello:1"]


@pytest.fixture
def many(ws: Workspace) -> Iterator[Workspace]:
    for number, name in enumerate(("Apple", "apricot", "Banana", "cherry")):
        tags = {"fruit": name.lower(), "odd key": str(number % 2)} if number else {}
        ws.connection.registry.create(CreateModel(name, tags=tags))
        for at in range(number):
            register(ws, name, tags={"at": str(at)}, source=f"s3://b/{name}/{at}")
    return ws


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["Apple", "Banana", "apricot", "cherry"]),
        ("name = 'Apple'", ["Apple"]),
        ("name LIKE 'a%'", ["apricot"]),
        ("name ILIKE 'a%'", ["Apple", "apricot"]),
        ("tags.fruit != 'banana'", ["apricot", "cherry"]),
        ("tags.`odd key` = '1'", ["apricot", "cherry"]),
        ("tag.fruit IS NULL", ["Apple"]),
        ("name = 'Apple' OR tags.fruit IN ('cherry', 'x')", ["Apple", "cherry"]),
        ("NOT tags.fruit LIKE '%an%'", ["Apple", "apricot", "cherry"]),
        ("name = 'x'' OR 1=1 --'", []),
    ],
)
def test_models_are_found_by_name_and_tags(many: Workspace, text: str, names: list[str]) -> None:
    assert found(many, text) == names
    assert found(many, text, order_by=["name DESC"]) == names[::-1]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("name = 'cherry'", ["cherry:3", "cherry:2", "cherry:1"]),
        ("version > 1 AND name IN ('Banana', 'cherry')", ["cherry:3", "cherry:2", "Banana:2"]),
        ("tags.at = '2'", ["cherry:3"]),
        ("source_path LIKE '%/Banana/1'", ["Banana:2"]),
        ("run_id = 'none'", []),
    ],
)  # fmt: skip
def test_versions_are_found_by_what_they_are(many: Workspace, text: str, ids: list[str]) -> None:
    assert versions(many, text, order_by=["name DESC", "version_number DESC"]) == ids


@pytest.mark.parametrize("order", [[], ["name DESC"], ["version_number", "name"], ["created DESC"]])
def test_pages_go_through_all_once(many: Workspace, order: list[str]) -> None:
    asked = SearchModels(order_by=order, limit=1000)
    whole = many.connection.registry.versions(asked)
    assert (len(whole.items), whole.next) == (6, None)
    ids, after = [], None
    while True:
        page = many.connection.registry.versions(SearchModels(order_by=order, limit=2, after=after))
        ids += [(one.name, one.version) for one in page.items]
        if (after := page.next) is None:
            break
    assert ids == [(one.name, one.version) for one in whole.items]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"filter": "name ="}, "filter"),
        ({"filter": "metrics.x > 1"}, "filter"),
        ({"filter": "name > 'a'"}, "filter"),
        ({"order_by": ["tags.x"]}, "order_by"),
        ({"order_by": ["name", "name DESC"]}, "order_by"),
        ({"after": "nonsense"}, "after"),
        ({"after": "é"}, "after"),
    ],
)
def test_a_senseless_search_is_refused(ws: Workspace, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        ws.connection.registry.search(SearchModels(**fields))
    assert refusal.value.field == field


def test_a_token_serves_its_own_search_alone(many: Workspace) -> None:
    token = many.connection.registry.search(SearchModels(limit=1)).next
    with pytest.raises(InvalidInput):
        many.connection.registry.search(SearchModels("name != 'x'", limit=1, after=token))


def test_concurrent_changes_lose_nothing(ws: Workspace) -> None:
    ws.connection.registry.create(CreateModel("m"))

    def work(number: int) -> int:
        ws.connection.registry.change("m", UpdateModel(tags={f"t{number}": "x"}))
        version = register(ws, "m").version
        ws.connection.close()
        return version

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(work, range(24)))
    assert sorted(made) == list(range(1, 25))
    assert len(ws.connection.models.get("m").tags) == 24
