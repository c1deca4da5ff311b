"""Search over runs: the filter grammar, order, pages and views."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.mlflow.conformance.target import Json, Target, invalid, ok

ALL = "a b c d"


@dataclass(frozen=True)
class Shelf:
    """Four runs to search, by their one-letter names."""

    target: Target
    experiment_id: str
    runs: dict[str, str]

    def search(self, **fields: Any) -> Json:
        return ok(self.target.post("runs/search", experiment_ids=[self.experiment_id], **fields))

    def names(self, **fields: Any) -> list[str]:
        return [run["info"]["run_name"] for run in self.search(**fields).get("runs", [])]


@pytest.fixture(scope="module")
def shelf(target: Target) -> Shelf:
    experiment_id = target.experiment()
    runs = {}
    for i, name in enumerate(ALL.split()):
        run_id = runs[name] = target.run(
            experiment_id, run_name=name, start_time=1000 + i, user_id="ann" if i < 2 else "Bob"
        )
        target.log(run_id, "loss", i, step=1)
        target.log(run_id, "loss", 9, step=0)
        ok(target.post("runs/log-parameter", run_id=run_id, key="lr", value=f"0.{i}"))
        ok(target.post("runs/set-tag", run_id=run_id, key="team", value="Red" if i % 2 else "red"))
    target.log(runs["a"], "only a", 1)
    target.log(runs["b"], "gap", 5)
    target.log(runs["c"], "gap", "NaN")
    target.log(runs["d"], "gap", 2)
    ok(target.post("runs/log-parameter", run_id=runs["a"], key="odd key/1", value="x'y"))
    ok(target.post("runs/set-tag", run_id=runs["b"], key="empty", value=""))
    ok(target.post("runs/update", run_id=runs["a"], status="FINISHED", end_time=5000))
    ok(target.post("runs/update", run_id=runs["b"], status="FAILED", end_time=6000))
    for name, context in [("a", "training"), ("b", "eval")]:
        dataset = {"name": f"set {name}", "digest": name, "source_type": "s", "source": "x"}
        tags = [{"key": "mlflow.data.context", "value": context}]
        inputs = [{"dataset": dataset, "tags": tags}]
        ok(target.post("runs/log-inputs", run_id=runs[name], datasets=inputs))
    return Shelf(target, experiment_id, runs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ALL),
        ("metrics.loss > 1", "c d"),
        ("metric.loss >= 1", "b c d"),
        ("metrics.`loss` = 0", "a"),
        ('metrics."loss" != 0', "b c d"),
        ("metrics.loss < 1.5e0", "a b"),
        ("metrics.loss <= -1", ""),
        ('metrics."only a" = 1', "a"),
        ("metrics.nothing > 0", ""),
        ("metrics.gap != 5", "c d"),
        ("params.lr = '0.1'", "b"),
        ('param.lr = "0.1"', "b"),
        ("parameters.lr != '0.1'", "a c d"),
        ("parameter.lr LIKE '0._'", ALL),
        ("params.lr ilike '%.2'", "c"),
        ('params.`odd key/1` = "x\'y"', "a"),
        ('params."odd key/1" LIKE "x%"', "a"),
        ("params.nothing != 'x'", ""),
        ("params.`odd key/1` IS NULL", "b c d"),
        ("params.`odd key/1` IS NOT NULL", "a"),
        ("tags.team = 'red'", "a c"),
        ("tag.team LIKE 'R%'", "b d"),
        ("tags.team ILIKE 'R%'", ALL),
        ("tags.team like 'r_d'", "a c"),
        ("tags.empty = ''", "b"),
        ("tags.empty is null", "a c d"),
        ("tags.empty is not null", "b"),
        ("tags.mlflow.runName = 'a'", "a"),
        ("tags.`mlflow.runName` != 'a'", "b c d"),
        ("attributes.run_name = 'a'", "a"),
        ("attribute.run_name LIKE '%'", ALL),
        ("run_name ILIKE 'A'", "a"),
        ("attributes.`Run name` = 'b'", "b"),
        ("attributes.\"run name\" = 'b'", "b"),
        ("attr.status = 'FINISHED'", "a"),
        ("run.status != 'RUNNING'", "a b"),
        ("status = 'FAILED'", "b"),
        ("attributes.start_time > 1001", "c d"),
        ("start_time <= 1001", "a b"),
        ("attributes.created = 1002", "c"),
        ("attributes.end_time > 5500", "b"),
        ("attributes.user_id = 'ann'", "a b"),
        ("attributes.user_id ILIKE 'b%'", "c d"),
        ("metrics.loss > 0 and params.lr != '0.1' AND tags.team = 'Red'", "d"),
        ("attributes.run_name = 'nobody'", ""),
        ("datasets.name = 'set a'", "a"),
        ("dataset.name LIKE 'set%'", "a b"),
        ("datasets.digest IN ('a', 'z')", "a"),
        ("datasets.name NOT IN ('set a')", "b"),
        ("datasets.context = 'training'", "a"),
        ("datasets.context != 'training'", "b"),
    ],
)
def test_a_filter_finds_its_runs(shelf: Shelf, text: str, expected: str) -> None:
    assert sorted(shelf.names(filter=text)) == expected.split()


def test_runs_are_found_by_their_ids_and_artifacts(shelf: Shelf) -> None:
    a, b = shelf.runs["a"], shelf.runs["b"]
    assert shelf.names(filter=f"attributes.run_id = '{a}'") == ["a"]
    assert sorted(shelf.names(filter=f"run_id IN ('{a}', '{b}')")) == ["a", "b"]
    assert shelf.names(filter=f"run_id IN ('{a}',)") == ["a"]
    assert sorted(shelf.names(filter=f"run_id not in ('{a}', '{b}')")) == ["c", "d"]
    assert shelf.names(filter=f"artifact_uri LIKE '%{a}/artifacts'") == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "metrics.loss",
        "metrics.loss >",
        "> 1",
        "metrics.loss > 'x'",
        "params.lr > '0.1'",
        "tags.team IN ('red'",
        "nonsense.x = 'y'",
        "attributes.nonsense = 'y'",
        "attributes.start_time LIKE 'x'",
        "attributes.run_name > 'x'",
        "params.lr = 'a",
        "metrics.loss = 1; DROP TABLE runs",
        "attributes.run_id IN (1, 2)",
        "status",
        "datasets.nothing = 'x'",
        "metrics.loss LIKE '1'",
    ],
)
def test_a_wrong_filter_is_refused(target: Target, text: str) -> None:
    invalid(target.post("runs/search", experiment_ids=["0"], filter=text))


@pytest.mark.parametrize("text", ["params.lr = 'a' AND", "params.lr = 'a' params.lr = 'b'"])
def test_a_filter_with_too_few_or_too_many_words_is_refused(target: Target, text: str) -> None:
    answer = target.post("runs/search", experiment_ids=["0"], filter=text)
    assert answer.status == target.choose("sloppy-filter", theirs=200, ours=400)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.loss > 2 OR metrics.loss < 1", "a d"),
        ("(metrics.loss > 2)", "d"),
        ("NOT metrics.loss > 2", "a b c"),
        ("METRICS.loss = 1", "b"),
        ("params.lr < 0.15", "a b"),
        ("params.lr IN ('0.1', '0.2')", "b c"),
        ("attributes.start_time BETWEEN 1001 AND 1002", "b c"),
    ],
)
def test_our_grammar_knows_more(shelf: Shelf, text: str, expected: str) -> None:
    answer = shelf.target.post("runs/search", experiment_ids=[shelf.experiment_id], filter=text)
    names = (
        sorted(run["info"]["run_name"] for run in answer.json.get("runs", []))
        if answer.status == 200
        else None
    )
    assert names == shelf.target.choose("grammar", theirs=None, ours=expected.split())


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ([], "d c b a"),
        (["start_time"], "a b c d"),
        (["attributes.start_time DESC"], "d c b a"),
        (["run_name ASC"], "a b c d"),
        (["metrics.loss"], "a b c d"),
        (["metrics.loss DESC"], "d c b a"),
        (["metrics.gap"], "d b c a"),
        (["metrics.gap DESC"], "b d c a"),
        (["params.lr DESC"], "d c b a"),
        (["params.`odd key/1`"], "a d c b"),
        (["tags.team", "start_time ASC"], "b d a c"),
        (["tag.team desc", "metrics.loss desc"], "c a d b"),
        (["attributes.end_time"], "a b d c"),
        (["attributes.end_time DESC"], "b a d c"),
    ],
)
def test_runs_come_in_order(shelf: Shelf, order_by: list[str], expected: str) -> None:
    assert shelf.names(order_by=order_by) == expected.split()


def test_runs_come_in_the_order_of_their_states(shelf: Shelf) -> None:
    expected = shelf.target.choose("status-order", theirs="b a c d", ours="a b c d")
    assert shelf.names(order_by=["status", "run_name"]) == expected.split()


@pytest.mark.parametrize(
    "order_by",
    [["metrics.loss SIDEWAYS"], ["nonsense.x"], ["loss"], [""], "start_time", [5]],
)
def test_a_wrong_order_is_refused(target: Target, order_by: Any) -> None:
    invalid(target.post("runs/search", experiment_ids=["0"], order_by=order_by))


def test_an_order_of_many_keys_goes_on_over_pages(target: Target) -> None:
    experiment_id = target.experiment()
    runs = [target.run(experiment_id) for _ in range(3)]
    keys = [f"p{i}" for i in range(18)]
    for value, run_id in enumerate(runs):
        params = [{"key": key, "value": "1"} for key in keys[:-1]]
        params.append({"key": keys[-1], "value": str(value)})
        ok(target.post("runs/log-batch", run_id=run_id, params=params))
    order = [f"params.{key}" for key in keys]
    found, token = [], ""
    for _ in runs:
        page = ok(
            target.post(
                "runs/search",
                experiment_ids=["999999", experiment_id],
                order_by=order,
                max_results=1,
                page_token=token,
            )
        )
        found += [run["info"]["run_id"] for run in page["runs"]]
        token = page.get("next_page_token", "")
    assert (found, token) == (runs, "")


def test_runs_of_one_instant_come_by_their_ids_page_by_page(target: Target) -> None:
    experiment_id = target.experiment()
    runs = sorted(target.run(experiment_id, start_time=1) for _ in range(10))
    found: list[str] = []
    sizes: list[int] = []
    token = ""
    while token is not None:
        fields = {"page_token": token} if token else {}
        page = ok(
            target.post("runs/search", experiment_ids=[experiment_id], max_results=4, **fields)
        )
        found += [run["info"]["run_id"] for run in page["runs"]]
        sizes.append(len(page["runs"]))
        token = page.get("next_page_token")
    assert sizes == [4, 4, 2]
    assert found == runs


def test_the_view_says_whether_deleted_runs_are_found(target: Target) -> None:
    experiment_id = target.experiment()
    kept, deleted = target.run(experiment_id), target.run(experiment_id)
    ok(target.post("runs/delete", run_id=deleted))

    def found(**fields: Any) -> set[str]:
        answer = ok(target.post("runs/search", experiment_ids=[experiment_id], **fields))
        return {run["info"]["run_id"] for run in answer.get("runs", [])}

    assert found() == {kept}
    assert found(run_view_type="ACTIVE_ONLY") == {kept}
    assert found(run_view_type="DELETED_ONLY") == {deleted}
    assert found(run_view_type="ALL") == {kept, deleted}
    assert found(run_view_type=3) == {kept, deleted}


def test_only_the_named_experiments_are_searched(target: Target) -> None:
    one, two = target.experiment(), target.experiment()
    first, second = target.run(one), target.run(two)
    answer = ok(target.post("runs/search", experiment_ids=[one, two]))
    assert {run["info"]["run_id"] for run in answer["runs"]} == {first, second}
    assert ok(target.post("runs/search", experiment_ids=[])).get("runs", []) == []
    assert ok(target.post("runs/search", experiment_ids=["99999999"])).get("runs", []) == []
    invalid(target.post("runs/search", experiment_ids=["x"]), "must be a valid integer")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_results": 50001}, "Invalid value 50001 for parameter 'max_results' supplied"),
        ({"max_results": 0}, "max_results"),
        ({"max_results": -1}, "max_results"),
        ({"max_results": "x"}, "Invalid value \"x\" for parameter 'max_results' supplied"),
        ({"experiment_ids": "0"}, "Invalid value \"0\" for parameter 'experiment_ids' supplied"),
        ({"filter": 5}, "Invalid value 5 for parameter 'filter' supplied"),
        ({"page_token": "no token"}, ""),
    ],
)
def test_a_wrong_field_of_a_search_is_named(target: Target, fields: Json, words: str) -> None:
    invalid(target.post("runs/search", **{"experiment_ids": ["0"], **fields}), words)


def test_a_found_run_is_whole(shelf: Shelf) -> None:
    (found,) = shelf.search(filter="run_name = 'a'")["runs"]
    read = shelf.target.read(shelf.runs["a"])
    assert found["info"] == read["info"]
    for kind in ("metrics", "params", "tags"):
        assert sorted(found["data"][kind], key=lambda item: item["key"]) == sorted(
            read["data"][kind], key=lambda item: item["key"]
        )
    assert found["inputs"] == read["inputs"]
