"""Issues: problems that were found in the traces of an experiment."""

from typing import Any

from tests.http import Answer
from tests.mlflow.conformance.target import Json, Target, invalid, missing, ok

ISSUES = "/api/3.0/mlflow/issues"
PAGES = ISSUES.replace("/api", "/ajax-api")
TRACES = "/api/3.0/mlflow/traces"


def send(target: Target, experiment_id: str, name: str = "slow", **fields: Any) -> Answer:
    body = {"experiment_id": experiment_id, "name": name, "description": "It is.", **fields}
    return target.post(ISSUES, **body)


def create(target: Target, experiment_id: str, name: str = "slow", **fields: Any) -> Json:
    issue: Json = ok(send(target, experiment_id, name, **fields))["issue"]
    return issue


def search(target: Target, experiment_id: str, **fields: Any) -> Answer:
    return target.post(f"{ISSUES}/search", experiment_id=experiment_id, **fields)


def found(target: Target, experiment_id: str, **fields: Any) -> list[str]:
    """The names of what is found, page by page."""
    names: list[str] = []
    token = ""
    while True:
        page = ok(search(target, experiment_id, page_token=token, **fields))
        part = page.get("issues", [])
        assert len(part) <= fields.get("max_results", 100)
        names += [one["name"] for one in part]
        token = page["next_page_token"]
        if not token:
            return names


def has(target: Target, experiment_id: str, issue: Json) -> None:
    """A new trace that has an issue, and says so twice."""
    trace_id = target.name("tr")
    info = {
        "trace_id": trace_id,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": experiment_id},
        },
        "request_time": "2026-11-24T09:30:00Z",
        "state": "OK",
    }
    ok(target.post(TRACES, trace={"trace_info": info}))
    said = {
        "assessment_name": issue["issue_id"],
        "issue": {"issue_name": issue["name"]},
        "source": {"source_type": "CODE", "source_id": "me"},
    }
    for _ in range(2):
        answer = target.post(f"{TRACES}/{trace_id}/assessments", assessment=said)
        assert ok(answer)["assessment"]["issue"] == {"issue_name": issue["name"]}


def test_an_issue_is_written_down_and_read(target: Target) -> None:
    experiment_id = target.experiment()
    run_id = target.run(experiment_id)
    said = {
        "status": "resolved",
        "severity": "not_an_issue",
        "root_causes": ["a", "ü"],
        "categories": ["c"],
        "source_run_id": run_id,
        "created_by": "me",
    }
    made = create(target, experiment_id, "ü 'x'", **said)
    assert made.items() >= said.items()
    assert (made["experiment_id"], made["name"]) == (experiment_id, "ü 'x'")
    assert made["created_timestamp"] == made["last_updated_timestamp"]
    for path in (ISSUES, PAGES):
        assert ok(target.get(f"{path}/{made['issue_id']}"))["issue"] == made
    bare = create(target, experiment_id)
    assert bare["status"] == "pending"
    assert not {*said, "trace_count"} - {"status"} & set(bare)
    for issue_id in ("none", "iss-" + "0" * 32):
        missing(target.get(f"{ISSUES}/{issue_id}"), f"'{issue_id}' not found")


def test_what_is_given_of_an_issue_changes(target: Target) -> None:
    experiment_id = target.experiment()
    made = create(target, experiment_id, root_causes=["a"], severity="low")
    path = f"{ISSUES}/{made['issue_id']}"
    body = {"issue_id": made["issue_id"], "status": "rejected", "severity": "high", "name": "new"}
    changed = ok(target.patch(path, **body))["issue"]
    assert changed.items() >= body.items()
    assert (changed["description"], changed["root_causes"]) == ("It is.", ["a"])
    assert changed["last_updated_timestamp"] >= made["last_updated_timestamp"]
    again = ok(target.patch(path, issue_id=made["issue_id"], name="", description="d"))["issue"]
    assert (again["name"], again["description"], again["severity"]) == ("new", "d", "high")
    assert ok(target.get(path))["issue"] == again
    none = "iss-" + "0" * 32
    missing(target.patch(f"{ISSUES}/{none}", issue_id=none, name="x"), none)


def test_issues_are_found_the_gravest_first(target: Target) -> None:
    experiment_id, other = target.experiment(), target.experiment()
    run_id = target.run(experiment_id)
    low = create(target, experiment_id, "low", severity="low", source_run_id=run_id)
    create(target, experiment_id, "nobody said", status="resolved")
    create(target, experiment_id, "high", severity="high", status="rejected")
    create(target, experiment_id, "none", severity="not_an_issue")
    create(target, experiment_id, "medium", severity="medium", source_run_id=run_id)
    create(target, other, "other")
    everything = ["high", "medium", "low", "none", "nobody said"]
    for size in (1, 2, 5, 100):
        assert found(target, experiment_id, max_results=size) == everything
    for text, wanted in {
        "status = 'resolved'": ["nobody said"],
        "status != 'pending'": ["high", "nobody said"],
        f"source_run_id = '{run_id}'": ["medium", "low"],
        f"source_run_id != '{run_id}'": [],
        f"source_run_id = \"{run_id}\" AND status = 'pending'": ["medium", "low"],
        "status = 'nothing'": [],
    }.items():
        assert found(target, experiment_id, filter_string=text) == wanted, text
    more = search(target, experiment_id, filter_string="severity = 'high' OR name LIKE 'med%'")
    assert more.status == target.choose("grammar", theirs=400, ours=200)
    if target.ours:
        assert [one["name"] for one in ok(more)["issues"]] == ["high", "medium"]
    everywhere = ok(target.post(f"{PAGES}/search", max_results=1000))["issues"]
    names = [one["name"] for one in everywhere]
    assert {*everything, "other"} <= set(names)
    assert low in everywhere
    assert found(target, "987654321") == []


def test_traces_that_have_an_issue_are_counted(target: Target) -> None:
    experiment_id = target.experiment()
    first, second = (
        create(target, experiment_id, name, severity="low") for name in ("first", "second")
    )
    create(target, experiment_id, "third", severity="low")
    create(target, experiment_id, "grave", severity="medium")
    for issue in (second, first, first):
        has(target, experiment_id, issue)
    wanted = [("grave", 0), ("first", 2), ("second", 1), ("third", 0)]
    counted = ok(search(target, experiment_id, include_trace_count=True))["issues"]
    assert [(one["name"], one["trace_count"]) for one in counted] == wanted
    names = [name for name, _ in wanted]
    assert found(target, experiment_id, include_trace_count=True, max_results=1) == names
    for page in (search(target, experiment_id), target.get(f"{ISSUES}/{first['issue_id']}")):
        assert b"trace_count" not in page.content


def test_what_is_no_issue_is_refused(target: Target) -> None:
    experiment_id = target.experiment()
    body = {"experiment_id": experiment_id, "name": "x", "description": "y"}
    for name in body:
        less = {key: value for key, value in body.items() if key != name}
        invalid(target.post(ISSUES, **less), f"'{name}'")
        invalid(target.post(ISSUES, **{**body, name: ""}), f"'{name}'")
    invalid(send(target, "x"), "must be a valid integer")
    missing(send(target, "987654321"), "No Experiment with id=987654321")
    made = create(target, experiment_id)
    for field in ("status", "severity"):
        for answer in (
            send(target, experiment_id, **{field: "bogus"}),
            target.patch(f"{ISSUES}/{made['issue_id']}", issue_id="x", **{field: "bogus"}),
        ):
            assert answer.status == target.choose("issue-fields", theirs=500, ours=400)
    unread = target.choose("issue-fields", theirs=200, ours=400)
    assert send(target, experiment_id, root_causes="x").status == unread
    assert search(target, experiment_id, max_results="x").status == unread
    answer = send(target, experiment_id, source_run_id="0" * 32)
    assert answer.status == target.choose("issue-run", theirs=400, ours=404)
    invalid(search(target, "x"), "must be a valid integer")
    for number in (0, -1, 50_001):
        invalid(search(target, experiment_id, max_results=number), "max_results")
    for text in ("bogus = 'x'", "status > 'x'", "status"):
        invalid(search(target, experiment_id, filter_string=text))
    answer = search(target, experiment_id, filter_string="status = 'x' status = 'y'")
    assert answer.status == target.choose("sloppy-filter", theirs=200, ours=400)
    invalid(search(target, experiment_id, page_token="bogus"))
    wanted = target.choose("issue-fields", theirs=["slow"] * 2, ours=["slow"])
    assert found(target, experiment_id) == wanted


def test_issues_of_a_deleted_experiment(target: Target) -> None:
    experiment_id = target.experiment()
    made = create(target, experiment_id)
    ok(target.post("experiments/delete", experiment_id=experiment_id))
    missing(send(target, experiment_id), f"id={experiment_id}")
    assert ok(target.get(f"{ISSUES}/{made['issue_id']}"))["issue"] == made
    assert found(target, experiment_id) == ["slow"]
    everywhere = ok(target.post(f"{ISSUES}/search", max_results=1000))["issues"]
    assert (made in everywhere) == target.choose("issue-trash", theirs=True, ours=False)
    ok(target.post("experiments/restore", experiment_id=experiment_id))
    assert made in ok(target.post(f"{ISSUES}/search", max_results=1000))["issues"]
