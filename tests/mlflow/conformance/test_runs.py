"""Runs: create, read, update, delete and restore; their params and tags."""

import time

import pytest

from tests.mlflow.conformance.target import Json, Target, invalid, missing, ok, pairs

UNKNOWN = "0123456789abcdef0123456789abcdef"


def test_a_new_run_is_answered_whole_and_read_back_the_same(target: Target) -> None:
    experiment_id = target.experiment()
    tags = {
        "mlflow.user": "ann",
        "mlflow.source.name": "train.py",
        "mlflow.source.type": "LOCAL",
        "mlflow.parentRunId": "7",
        "my": "tag",
        "empty": "",
    }
    run = target.start(
        experiment_id,
        user_id="ann",
        run_name="my name",
        start_time=456,
        tags=[{"key": key, "value": value} for key, value in tags.items()],
    )
    info = run["info"]
    run_id = info["run_id"]
    assert len(run_id) == 32
    assert int(run_id, 16) >= 0
    assert info == {
        "run_id": run_id,
        "run_uuid": run_id,
        "run_name": "my name",
        "experiment_id": experiment_id,
        "user_id": "ann",
        "status": "RUNNING",
        "start_time": 456,
        "artifact_uri": f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts",
        "lifecycle_stage": "active",
    }
    assert pairs(run["data"]["tags"]) == {**tags, "mlflow.runName": "my name"}
    found = target.read(run_id)
    assert found["info"] == info
    assert pairs(found["data"]["tags"]) == {**tags, "mlflow.runName": "my name"}
    by_old_name = ok(target.get("runs/get", run_uuid=run_id))["run"]
    assert by_old_name["info"] == info


def test_a_run_without_a_name_gets_one_mirrored_in_a_tag(target: Target) -> None:
    run = target.start()
    name = run["info"]["run_name"]
    assert name
    assert pairs(run["data"]["tags"])["mlflow.runName"] == name
    tags = [{"key": "mlflow.runName", "value": "from the tag"}]
    assert target.start(tags=tags)["info"]["run_name"] == "from the tag"
    tags = [{"key": "mlflow.runName", "value": "one"}]
    experiment_id = target.experiment()
    answer = target.post("runs/create", experiment_id=experiment_id, run_name="two", tags=tags)
    invalid(answer, "Both 'run_name' argument and 'mlflow.runName' tag are specified")


def test_a_run_belongs_to_an_experiment(target: Target) -> None:
    assert target.post("runs/create", start_time=1).status == 400
    assert target.start("0")["info"]["experiment_id"] == "0"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"experiment_id": 5.5}, "Invalid value 5.5 for parameter 'experiment_id' supplied"),
        ({"experiment_id": "0", "start_time": "x"}, 'Invalid value "x" for parameter \'start_'),
        ({"experiment_id": "0", "run_name": 5}, "Invalid value 5 for parameter 'run_name'"),
    ],
)
def test_a_wrong_field_of_a_new_run_is_named(target: Target, body: Json, words: str) -> None:
    invalid(target.post("runs/create", **body), words)


def test_a_run_needs_a_known_experiment(target: Target) -> None:
    missing(target.post("runs/create", experiment_id="99999999"), "No Experiment with id=")
    invalid(target.post("runs/create", experiment_id="x"), "must be a valid integer")


def test_an_unknown_run_is_not_found(target: Target) -> None:
    words = f"Run with id={UNKNOWN} not found"
    missing(target.get("runs/get", run_id=UNKNOWN), words)
    invalid(target.get("runs/get"), "Missing value for required parameter 'run_id'")
    for path, fields in {
        "runs/update": {"status": "FINISHED"},
        "runs/delete": {},
        "runs/restore": {},
        "runs/log-parameter": {"key": "k", "value": "v"},
        "runs/set-tag": {"key": "k", "value": "v"},
        "runs/delete-tag": {"key": "k"},
        "runs/log-metric": {"key": "k", "value": 1, "timestamp": 1},
        "runs/log-batch": {},
        "runs/log-inputs": {},
        "runs/outputs": {"models": [{"model_id": "m-1", "step": 0}]},
    }.items():
        missing(target.post(path, run_id=UNKNOWN, **fields), words)


def test_an_update_ends_a_run_and_opens_it_again(target: Target) -> None:
    run_id = target.run()
    for end_time, status in enumerate(("FINISHED", "FAILED", "KILLED", "FINISHED"), 1):
        answer = ok(target.post("runs/update", run_id=run_id, status=status, end_time=end_time))
        assert answer["run_info"]["status"] == status
        assert answer["run_info"]["end_time"] == end_time
        assert answer["run_info"]["run_uuid"] == run_id
        assert target.read(run_id)["info"]["status"] == status
    answer = ok(target.post("runs/update", run_id=run_id, status="RUNNING"))
    assert answer["run_info"]["status"] == "RUNNING"
    assert answer["run_info"].get("end_time") == target.choose("reopened", theirs=4, ours=None)
    ok(target.post("runs/update", run_id=run_id, status="FINISHED", end_time=4))
    resent = target.post("runs/update", run_id=run_id, status="RUNNING", end_time=4)
    assert ok(resent)["run_info"]["status"] == "RUNNING"
    assert target.read(run_id)["info"]["status"] == "RUNNING"


def test_a_run_that_goes_on_has_no_end_and_is_not_scheduled(target: Target) -> None:
    run_id = target.run()
    answer = ok(target.post("runs/update", run_id=run_id, status="RUNNING", end_time=99))
    assert answer["run_info"]["status"] == "RUNNING"
    assert answer["run_info"].get("end_time") == target.choose(
        "end-of-running", theirs=99, ours=None
    )
    answer = target.post("runs/update", run_id=run_id, end_time=99)
    assert answer.status == target.choose("end-of-running", theirs=200, ours=400)
    answer = target.post("runs/update", run_id=run_id, status="SCHEDULED")
    assert answer.status == target.choose("scheduled", theirs=200, ours=400)


def test_an_update_of_the_name_leaves_the_status_alone(target: Target) -> None:
    run_id = target.run()
    ok(target.post("runs/update", run_id=run_id, status="FINISHED", end_time=7))
    info = ok(target.post("runs/update", run_id=run_id, run_name="other"))["run_info"]
    assert (info["run_name"], info["status"], info["end_time"]) == ("other", "FINISHED", 7)
    found = target.read(run_id)
    assert found["info"] == info
    assert pairs(found["data"]["tags"])["mlflow.runName"] == "other"
    ok(target.post("runs/update", run_id=run_id, run_name=""))
    assert target.read(run_id)["info"]["run_name"] == "other"
    ok(target.post("runs/set-tag", run_id=run_id, key="mlflow.runName", value="third"))
    found = target.read(run_id)
    assert found["info"]["run_name"] == "third"
    assert found["info"]["status"] == "FINISHED"


def test_a_status_may_be_a_number_but_must_be_one_of_five(target: Target) -> None:
    run_id = target.run()
    assert ok(target.post("runs/update", run_id=run_id, status=3))["run_info"]["status"] == (
        "FINISHED"
    )
    answer = target.post("runs/update", run_id=run_id, status="EXPLODED")
    assert answer.status == target.choose("unknown-status", theirs=200, ours=400)
    invalid(target.post("runs/update", run_id=run_id, end_time="x"), "'end_time' supplied")


def test_an_ended_run_still_takes_logs(target: Target) -> None:
    run_id = target.run()
    ok(target.post("runs/update", run_id=run_id, status="FINISHED", end_time=7))
    target.log(run_id, "late", 1.5)
    ok(target.post("runs/log-parameter", run_id=run_id, key="p", value="v"))
    ok(target.post("runs/set-tag", run_id=run_id, key="t", value="v"))
    data = target.read(run_id)["data"]
    assert data["metrics"][0]["value"] == 1.5
    assert pairs(data["params"]) == {"p": "v"}
    assert pairs(data["tags"])["t"] == "v"


def test_a_deleted_run_takes_no_changes_until_it_is_restored(target: Target) -> None:
    run_id = target.run()
    ok(target.post("runs/set-tag", run_id=run_id, key="t", value="v"))
    ok(target.post("runs/delete", run_id=run_id))
    assert target.read(run_id)["info"]["lifecycle_stage"] == "deleted"
    state = f"The run {run_id} must be in the 'active' state"
    for path, fields in {
        "runs/update": {"status": "FINISHED"},
        "runs/log-parameter": {"key": "k", "value": "v"},
        "runs/set-tag": {"key": "k", "value": "v"},
        "runs/delete-tag": {"key": "t"},
        "runs/log-metric": {"key": "k", "value": 1, "timestamp": 1},
        "runs/log-batch": {"tags": [{"key": "k", "value": "v"}]},
        "runs/log-inputs": {},
    }.items():
        invalid(target.post(path, run_id=run_id, **fields), state)
    ok(target.post("runs/restore", run_id=run_id))
    assert target.read(run_id)["info"]["lifecycle_stage"] == "active"
    ok(target.post("runs/set-tag", run_id=run_id, key="k", value="v"))


def test_a_param_may_be_logged_again_with_the_same_value_only(target: Target) -> None:
    run_id = target.run()
    for key, value in [("lr", "0.1"), ("lr", "0.1"), ("empty", ""), ("a b/c.d-e:f", "ä\n🙂")]:
        ok(target.post("runs/log-parameter", run_id=run_id, key=key, value=value))
    answer = target.post("runs/log-parameter", run_id=run_id, key="lr", value="0.2")
    invalid(answer, "Changing param values is not allowed", "lr", "0.1", "0.2")
    expected = {"lr": "0.1", "empty": "", "a b/c.d-e:f": "ä\n🙂"}
    assert pairs(target.read(run_id)["data"]["params"]) == expected


@pytest.mark.parametrize("path", ["runs/log-parameter", "runs/set-tag"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run_id": 31, "key": "k", "value": "v"}, "Invalid value 31 for parameter 'run_id'"),
        ({"run_id": None, "key": "k", "value": "v"}, "Missing value for required parameter 'run"),
        ({"key": 31, "value": "v"}, "Invalid value 31 for parameter 'key' supplied"),
        ({"key": "k", "value": 41}, "Invalid value 41 for parameter 'value' supplied"),
        ({"value": "v"}, "Missing value for required parameter 'key'"),
        ({"key": None, "value": "v"}, "Missing value for required parameter 'key'"),
        ({"key": "k?", "value": "v"}, "Names may only contain alphanumerics"),
        ({"key": "a/../b", "value": "v"}, "This name would resolve to 'b'"),
        ({"key": ".", "value": "v"}, "Names may be treated as files"),
        ({"key": "k" * 251, "value": "v"}, "exceeds the maximum length of 250 characters"),
    ],
)
def test_a_wrong_param_or_tag_is_refused(
    target: Target, path: str, fields: Json, words: str
) -> None:
    invalid(target.post(path, **{"run_id": target.run(), **fields}), words)


def test_long_values_are_kept_whole(target: Target) -> None:
    run_id = target.run()
    ok(target.post("runs/log-parameter", run_id=run_id, key="p", value="p" * 100_000))
    ok(target.post("runs/set-tag", run_id=run_id, key="t", value="t" * 100_000))
    data = target.read(run_id)["data"]
    param, tag = pairs(data["params"])["p"], pairs(data["tags"])["t"]
    assert len(param) == target.choose("long-param", theirs=6000, ours=100_000)
    assert len(tag) == target.choose("long-tag", theirs=8000, ours=100_000)


def test_the_old_name_of_a_run_id_is_taken_for_a_tag(target: Target) -> None:
    run_id = target.run()
    ok(target.post("runs/set-tag", run_uuid=run_id, key="k", value="v"))
    ok(target.post("runs/log-parameter", run_uuid=run_id, key="p", value="v"))
    data = target.read(run_id)["data"]
    assert pairs(data["tags"])["k"] == "v"
    assert pairs(data["params"]) == {"p": "v"}


def test_a_tag_is_overwritten_and_deleted(target: Target) -> None:
    run_id = target.run()
    for value in ("1", "2"):
        ok(target.post("runs/set-tag", run_id=run_id, key="k", value=value))
    assert pairs(target.read(run_id)["data"]["tags"])["k"] == "2"
    ok(target.post("runs/delete-tag", run_id=run_id, key="k"))
    assert "k" not in pairs(target.read(run_id)["data"]["tags"])
    answer = target.post("runs/delete-tag", run_id=run_id, key="k")
    missing(answer, f"No tag with name: k in run with id {run_id}")


def test_a_run_that_is_not_deleted_may_be_restored(target: Target) -> None:
    run_id = target.run()
    ok(target.post("runs/restore", run_id=run_id))
    ok(target.post("runs/delete", run_id=run_id))
    ok(target.post("runs/delete", run_id=run_id))
    assert target.read(run_id)["info"]["lifecycle_stage"] == "deleted"


def test_a_model_logged_the_old_way_is_kept_in_a_tag(target: Target) -> None:
    run_id = target.run()
    model = (
        '{"artifact_path": "m", "run_id": "%s", "utc_time_created": "2026-01-01", "flavors": {}}'
    )
    for _ in range(2):
        ok(target.post("runs/log-model", run_id=run_id, model_json=model % run_id))
    history = pairs(target.read(run_id)["data"]["tags"])["mlflow.log-model.history"]
    assert history.count('"artifact_path"') == 2
    invalid(target.post("runs/log-model", run_id=run_id, model_json="{"), "Malformed model info")
    answer = target.post("runs/log-model", run_id=run_id, model_json='{"flavors": {}}')
    invalid(answer, "Model json is missing mandatory fields")


def test_a_run_created_now_ends_now(target: Target) -> None:
    before = int(time.time() * 1000)
    run_id = target.run(start_time=before)
    info = ok(target.post("runs/update", run_id=run_id, status="FINISHED", end_time=before + 5))[
        "run_info"
    ]
    assert info["start_time"] == before
    assert info["end_time"] == before + 5
