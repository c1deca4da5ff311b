"""Registered models, their versions, aliases and stages."""

from typing import Any

import pytest

from tests.mlflow.conformance.target import Json, Target, invalid, missing, ok, pairs, refused

ELSEWHERE = "s3://bucket/model"
IS_PROMPT = "mlflow.prompt.is_prompt"


def make(target: Target, name: str | None = None, **fields: Any) -> str:
    """The name of a new registered model."""
    name = name or target.name("model")
    ok(target.post("registered-models/create", name=name, **fields))
    return name


def add(target: Target, name: str, **fields: Any) -> Json:
    body = {"name": name, "source": ELSEWHERE, **fields}
    version: Json = ok(target.post("model-versions/create", **body))["model_version"]
    return version


def read(target: Target, name: str) -> Json:
    model: Json = ok(target.get("registered-models/get", name=name))["registered_model"]
    return model


def version(target: Target, name: str, number: int | str) -> Json:
    answer = ok(target.get("model-versions/get", name=name, version=str(number)))
    found: Json = answer["model_version"]
    return found


def found(target: Target, kind: str, **query: Any) -> list[Json]:
    answer = ok(target.get(f"{kind}/search", **query))
    items: list[Json] = answer.get(kind.replace("-", "_"), [])
    return items


def test_a_model_is_created_and_read(target: Target) -> None:
    name = make(target, description="of tests", tags=[{"key": "a", "value": "b"}])
    model = read(target, name)
    assert model["name"] == name
    assert model["description"] == "of tests"
    assert pairs(model["tags"]) == {"a": "b"}
    assert isinstance(model["creation_timestamp"], int)
    assert model["last_updated_timestamp"] >= model["creation_timestamp"]
    assert "latest_versions" not in model
    refused(target.post("registered-models/create", name=name), "RESOURCE_ALREADY_EXISTS", name)


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a:b"])
def test_a_name_that_no_model_can_have_is_refused(target: Target, name: str) -> None:
    invalid(target.post("registered-models/create", name=name), "name")


def test_a_model_that_is_not_there_is_missing(target: Target) -> None:
    name = target.name("none")
    message = f"Registered Model with name={name} not found"
    missing(target.get("registered-models/get", name=name), message)
    missing(target.patch("registered-models/update", name=name, description="d"), message)
    missing(target.delete("registered-models/delete", name=name), message)
    missing(target.post("registered-models/rename", name=name, new_name="x"), message)
    missing(target.post("registered-models/set-tag", name=name, key="k", value="v"), message)
    missing(target.delete("registered-models/delete-tag", name=name, key="k"), message)
    missing(target.post("model-versions/create", name=name, source=ELSEWHERE), message)
    missing(target.get("registered-models/alias", name=name, alias="a"), message)
    missing(target.delete("registered-models/alias", name=name, alias="a"), message)
    missing(target.post("registered-models/get-latest-versions", name=name), message)


def test_a_required_field_is_asked_for(target: Target) -> None:
    name = make(target)
    add(target, name)
    for method, path, fields in (
        (target.post, "registered-models/create", {}),
        (target.get, "registered-models/get", {}),
        (target.post, "registered-models/rename", {"name": name}),
        (target.delete, "registered-models/delete", {}),
        (target.post, "registered-models/set-tag", {"name": name}),
        (target.delete, "registered-models/delete-tag", {"name": name}),
        (target.post, "registered-models/alias", {"name": name, "alias": "a"}),
        (target.post, "model-versions/create", {"name": name}),
        (target.get, "model-versions/get", {"name": name}),
        (target.post, "model-versions/transition-stage", {"name": name, "version": "1"}),
    ):
        invalid(method(path, **fields), "Missing value for required parameter")


def test_a_model_is_renamed_described_and_deleted(target: Target) -> None:
    name, new = make(target), target.name("renamed")
    add(target, name)
    answer = ok(target.post("registered-models/rename", name=name, new_name=new))
    assert answer["registered_model"]["name"] == new
    assert version(target, new, 1)["name"] == new
    ok(target.patch("registered-models/update", name=new, description="words"))
    assert read(target, new)["description"] == "words"
    other = make(target)
    answer = target.post("registered-models/rename", name=new, new_name=other)
    refused(answer, "RESOURCE_ALREADY_EXISTS", "already exists")
    ok(target.delete("registered-models/delete", name=new))
    missing(target.get("registered-models/get", name=new))
    missing(target.get("model-versions/get", name=new, version="1"))


def test_tags_of_models_and_versions_come_and_go(target: Target) -> None:
    name = make(target)
    add(target, name, tags=[{"key": "born", "value": "with"}])
    ok(target.post("registered-models/set-tag", name=name, key="k", value="v"))
    ok(target.post("registered-models/set-tag", name=name, key="k", value=""))
    ok(target.post("model-versions/set-tag", name=name, version="1", key="k", value="v"))
    assert pairs(read(target, name)["tags"]) == {"k": ""}
    assert pairs(version(target, name, 1)["tags"]) == {"born": "with", "k": "v"}
    for _ in range(2):
        ok(target.delete("registered-models/delete-tag", name=name, key="k"))
        ok(target.delete("model-versions/delete-tag", name=name, version="1", key="k"))
    assert "tags" not in read(target, name)
    assert pairs(version(target, name, 1)["tags"]) == {"born": "with"}
    for path, fields in (("registered-models", {}), ("model-versions", {"version": "1"})):
        for key in ("a\nb", "/x", "../x", "é("):
            answer = target.post(f"{path}/set-tag", name=name, key=key, value="v", **fields)
            invalid(answer, "key")
        answer = target.post(f"{path}/set-tag", name=name, key="k" * 251, value="v", **fields)
        invalid(answer, "250")
        answer = target.post(f"{path}/set-tag", name=name, key="k", value="v" * 100_001, **fields)
        invalid(answer, "100000")


def test_versions_count_up_and_know_their_source(target: Target) -> None:
    name = make(target)
    first = add(target, name, run_link="https://host/run", description="first")
    assert (first["version"], first["current_stage"], first["status"]) == ("1", "None", "READY")
    assert (first["source"], first["run_link"]) == (ELSEWHERE, "https://host/run")
    assert add(target, name)["version"] == "2"
    ok(target.delete("model-versions/delete", name=name, version="1"))
    missing(
        target.get("model-versions/get", name=name, version="1"),
        f"Model Version (name={name}, version=1) not found",
    )
    assert add(target, name)["version"] == "3"
    ok(target.patch("model-versions/update", name=name, version="3", description="third"))
    assert version(target, name, 3)["description"] == "third"
    answer = ok(target.get("model-versions/get-download-uri", name=name, version="3"))
    assert answer["artifact_uri"] == ELSEWHERE


@pytest.mark.parametrize("wanted", ["x", "1.5", "one"])
def test_a_version_is_a_number(target: Target, wanted: str) -> None:
    name = make(target)
    add(target, name)
    for method, path, fields in (
        (target.get, "model-versions/get", {}),
        (target.delete, "model-versions/delete", {}),
        (target.post, "model-versions/transition-stage",
         {"stage": "Staging", "archive_existing_versions": False}),
        (target.post, "registered-models/alias", {"alias": "a"}),
    ):  # fmt: skip
        invalid(method(path, name=name, version=wanted, **fields), "version")


def test_a_runs_source_belongs_to_the_run(target: Target) -> None:
    name, run_id = make(target), target.run()
    made = add(target, name, source=f"runs:/{run_id}/model", run_id=run_id)
    assert (made["run_id"], made["source"]) == (run_id, f"runs:/{run_id}/model")
    body = {"name": name, "source": f"runs:/{run_id}/model", "run_id": target.run()}
    invalid(target.post("model-versions/create", **body), "Invalid model version source")


def test_a_source_of_no_runs_id_may_come_with_any_run(target: Target) -> None:
    name, run_id = make(target), target.run()
    body = {"name": name, "source": "runs:/of-elsewhere/model", "run_id": run_id}
    answer = target.post("model-versions/create", **body)
    assert answer.status == target.choose("foreign-run", theirs=400, ours=200)
    if target.ours:
        assert answer.json["model_version"]["run_id"] == run_id
        assert answer.json["model_version"]["source"] == body["source"]


@pytest.mark.parametrize(
    "source", ["/etc", "file:///etc", "s3://b/../c", "s3://b/%2e%2e/c", "mlflow-artifacts:/../x"]
)
def test_a_source_that_leads_elsewhere_is_refused(target: Target, source: str) -> None:
    answer = target.post("model-versions/create", name=make(target), source=source)
    invalid(answer, "Invalid model version source")


@pytest.mark.parametrize("source", ["/tmp", "file:///tmp", "tmp", "./tmp"])
def test_a_path_of_a_machine_is_no_source(target: Target, source: str) -> None:
    for run_id in ("", target.run()):
        body = {"name": make(target), "source": source, "run_id": run_id}
        words = "To use a local path as a model version source"
        invalid(target.post("model-versions/create", **body), words)


def test_a_version_of_a_version_keeps_its_lineage(target: Target) -> None:
    name, copy, run_id = make(target), make(target), target.run()
    add(target, name, source=f"runs:/{run_id}/model", run_id=run_id)
    ok(target.post("registered-models/alias", name=name, alias="best", version="1"))
    for source in (f"models:/{name}/1", f"models:/{name}@best", f"models:/{name}/latest"):
        made = add(target, copy, source=source)
        assert (made["source"], made["run_id"]) == (f"models:/{name}/1", run_id)


def test_a_copy_is_of_the_run_of_its_version_wherever_that_is(target: Target) -> None:
    name, copy = make(target), make(target)
    add(target, name, source="runs:/anothers-run/model", run_id="anothers-run")
    made = add(target, copy, source=f"models:/{name}/1", run_id="anothers-run")
    assert (made["source"], made["run_id"]) == (f"models:/{name}/1", "anothers-run")
    answer = ok(target.get("model-versions/get-download-uri", name=copy, version="1"))
    assert answer["artifact_uri"] == "runs:/anothers-run/model"


def test_a_model_changes_with_the_stages_and_the_end_of_its_versions(target: Target) -> None:
    name = make(target)
    made = add(target, name)
    staged = {"stage": "Staging", "archive_existing_versions": False}
    for path, more in (("transition-stage", staged), ("delete", {})):
        before = read(target, name)["last_updated_timestamp"]
        named = {"name": name, "version": made["version"], **more}
        send = target.delete if path == "delete" else target.post
        ok(send(f"model-versions/{path}", **named))
        assert read(target, name)["last_updated_timestamp"] > before


def test_a_version_that_is_no_number_is_named(target: Target) -> None:
    answer = target.get("model-versions/get", name=make(target), version="not a number")
    invalid(answer, "Parameter 'version' must be an integer, got 'not a number'.")


def test_aliases_name_versions(target: Target) -> None:
    name = make(target)
    add(target, name)
    add(target, name)
    for number in ("1", "2"):
        ok(target.post("registered-models/alias", name=name, alias="champion", version=number))
    answer = ok(target.get("registered-models/alias", name=name, alias="champion"))
    assert answer["model_version"]["version"] == "2"
    assert answer["model_version"]["aliases"] == ["champion"]
    assert read(target, name)["aliases"] == [{"alias": "champion", "version": "2"}]
    answer = ok(target.get("registered-models/alias", name=name, alias="latest"))
    assert answer["model_version"]["version"] == "2"
    for _ in range(2):
        ok(target.delete("registered-models/alias", name=name, alias="champion"))
    answer = target.get("registered-models/alias", name=name, alias="champion")
    invalid(answer, "Registered model alias champion not found.")
    answer = target.post("registered-models/alias", name=name, alias="a", version="9")
    missing(answer, "not found")


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "V22", "a b", "x" * 256])
def test_an_alias_that_could_mean_a_version_is_refused(target: Target, alias: str) -> None:
    name = make(target)
    add(target, name)
    invalid(target.post("registered-models/alias", name=name, alias=alias, version="1"))


def test_stages_are_entered_and_left(target: Target) -> None:
    name = make(target)
    for _ in range(3):
        add(target, name)

    def move(number: int, stage: str, *, archive: bool) -> Json:
        answer = target.post(
            "model-versions/transition-stage",
            name=name, version=str(number), stage=stage, archive_existing_versions=archive,
        )  # fmt: skip
        moved: Json = ok(answer)["model_version"]
        return moved

    assert move(1, "production", archive=False)["current_stage"] == "Production"
    assert move(2, "Production", archive=True)["current_stage"] == "Production"
    assert version(target, name, 1)["current_stage"] == "Archived"
    latest = ok(target.post("registered-models/get-latest-versions", name=name))["model_versions"]
    stages = {one["current_stage"]: one["version"] for one in latest}
    assert stages == {"Archived": "1", "Production": "2", "None": "3"}
    answer = ok(target.get("registered-models/get-latest-versions", name=name, stages=["None"]))
    assert [one["version"] for one in answer["model_versions"]] == ["3"]
    assert {v["version"] for v in read(target, name)["latest_versions"]} == {"1", "2", "3"}
    body = {"name": name, "version": "3", "archive_existing_versions": False}
    invalid(target.post("model-versions/transition-stage", **body, stage="x"), "stage")


def test_models_are_searched_by_name_and_tags(target: Target) -> None:
    stem = target.name("Find")
    names = [make(target, f"{stem}-{n}", tags=[{"key": "n", "value": str(n)}]) for n in range(3)]
    bare = make(target, f"{stem}-bare")

    def search(text: str, **query: Any) -> list[str]:
        return [m["name"] for m in found(target, "registered-models", filter=text, **query)]

    assert search(f"name LIKE '{stem}%'") == [*names, bare]
    assert search(f"name ILIKE '{stem.lower()}%'") == [*names, bare]
    assert search(f"name LIKE '{stem.lower()}%'") == []
    assert search(f"name = '{bare}'") == [bare]
    assert search(f"name LIKE '{stem}%' AND tags.n != '1'") == [names[0], names[2]]
    assert search(f"name LIKE '{stem}%' AND tag.`n` = '1'") == [names[1]]
    assert search(f"name LIKE '{stem}%'", order_by="name DESC") == [bare, *names[::-1]]
    invalid(target.get("registered-models/search", filter="name ="))
    invalid(target.get("registered-models/search", filter="run_id = 'a'"))
    invalid(target.get("registered-models/search", max_results=1001))
    for order in ("tags.n", "tags.name DESC"):
        invalid(target.get("registered-models/search", order_by=order))


def test_versions_are_searched(target: Target) -> None:
    name, other, run_id = make(target), make(target), target.run()
    add(target, name, source=f"runs:/{run_id}/m", run_id=run_id, tags=[{"key": "k", "value": "v"}])
    add(target, name)
    add(target, other)

    def search(text: str, **query: Any) -> list[str]:
        items = found(target, "model-versions", filter=text, max_results=10, **query)
        return [f"{one['name']}:{one['version']}" for one in items]

    order = "version_number ASC"
    assert search(f"name = '{name}'", order_by=order) == [f"{name}:1", f"{name}:2"]
    assert search(f"name='{name}' and version_number > 1") == [f"{name}:2"]
    assert search(f"run_id = '{run_id}'") == [f"{name}:1"]
    assert search(f"run_id IN ('{run_id}', 'x')") == [f"{name}:1"]
    assert search(f"source_path = '{ELSEWHERE}' AND name = '{other}'") == [f"{other}:1"]
    assert search(f"name = '{name}' AND tags.k = 'v'") == [f"{name}:1"]
    invalid(target.get("model-versions/search", max_results=0))
    invalid(target.get("model-versions/search", max_results=200_001))


def test_versions_of_one_number_are_put_in_order_by_name(target: Target) -> None:
    stem = target.name("ties")
    names = [make(target, f"{stem}-{letter}") for letter in "bca"]
    for name in (*names, *names[:2]):
        add(target, name)
    ordered = found(
        target, "model-versions", filter=f"name LIKE '{stem}%'", order_by="version_number DESC"
    )
    assert [f"{one['name'][-1]}{one['version']}" for one in ordered] == [
        "b2", "c2", "a1", "b1", "c1",
    ]  # fmt: skip


def test_pages_follow_each_other(target: Target) -> None:
    stem = target.name("page")
    names = [make(target, f"{stem}-{n:02}") for n in range(5)]
    query = {"filter": f"name LIKE '{stem}%'", "max_results": 2}
    seen, token = [], None
    while True:
        page = {**query, **({"page_token": token} if token else {})}
        answer = ok(target.get("registered-models/search", **page))
        seen += [model["name"] for model in answer["registered_models"]]
        if not (token := answer.get("next_page_token")):
            break
    assert seen == names


def test_prompts_and_models_are_told_apart(target: Target) -> None:
    stem = target.name("kind")
    model = make(target, f"{stem}-model")
    tagged = make(target, f"{stem}-tagged", tags=[{"key": IS_PROMPT, "value": "false"}])
    prompt = make(target, f"{stem}-prompt", tags=[{"key": IS_PROMPT, "value": "true"}])

    def search(text: str) -> list[str]:
        wanted = f"name LIKE '{stem}%'{text}"
        return [m["name"] for m in found(target, "registered-models", filter=wanted)]

    assert search("") == [model, tagged]
    assert search(f" AND tag.`{IS_PROMPT}` != 'true'") == [model, tagged]
    assert search(f" AND tags.`{IS_PROMPT}` = 'true'") == [prompt]
    body = {"name": prompt, "tags": [{"key": IS_PROMPT, "value": "true"}]}
    made = ok(target.post("model-versions/create", **body, source="dummy-source"))["model_version"]
    assert made["source"] == "dummy-source"
    answer = target.post("registered-models/create", **body)
    refused(answer, "RESOURCE_ALREADY_EXISTS", "Prompt")
