"""Requests that a scoring process keeps: which, what of them, and what is nowhere on the disk."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab.endpoints.folder import EndpointFolder
from ml_workspace_lab.endpoints.telemetry.model import MOST_BODY, Sample, Sampling
from ml_workspace_lab.endpoints.telemetry.sample_files import page
from ml_workspace_lab.storage.files import write_atomic
from tests.endpoints.process import KEY, OWN_KEY, Process, scoring
from tests.waiting import eventually

ECHO = """
import json

def init():
    pass

def run(data, request_headers):
    asked = json.loads(data)
    if asked.get("fail"):
        raise ValueError(f"{asked['email']} is unknown")
    if asked.get("headers"):
        return dict(request_headers)
    return {"hello": asked.get("email"), "age": asked.get("age")}
"""
SECRETS = ("ann.lee@mail.example", "s3cret-of-a-client", "4111111111111111", "sits in a cookie")


def samples(folder: Path, count: int) -> list[Sample]:
    """So many samples, as soon as there are as many."""
    found = EndpointFolder(folder).samples
    return eventually(
        lambda: (kept := page(found, None, None, 1000).items) and len(kept) >= count and kept,
        what=f"{count} samples",
    )


def holders(folder: Path, secret: str) -> list[str]:
    """The files that have a secret in them, as it is or in usual disguises."""
    raw = secret.encode()
    forms = {raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode(), secret.upper().encode()}
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


def counts(process: Process, family: str) -> dict[str, float]:
    """A family of counters at /metrics by its last label."""
    text = process.ask("GET", "/metrics").content.decode()
    lines = [
        line for line in text.splitlines() if line.startswith(f"ml_workspace_endpoint_{family}{{")
    ]
    return {line.split('"')[-2]: float(line.rsplit(" ", 1)[1]) for line in lines}


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    with scoring(tmp_path, {"m": b""}, ECHO) as process:
        assert process.post('{"email": "a@b.example"}').status == 200
        assert "samples_total" not in process.ask("GET", "/metrics").content.decode()
    assert not EndpointFolder(tmp_path).samples.exists()


def test_a_sample_has_the_request_with_its_answer(tmp_path: Path) -> None:
    with scoring(tmp_path, {"m": b""}, ECHO, sampling=Sampling(1)) as process:
        trace = "0af7651916cd43dd8448eb211c80319c"
        answer = process.post(
            '{"email": "Ann", "age": 3}',
            x_ms_client_request_id="mine",
            traceparent=f"00-{trace}-b7ad6b7169203331-01",
        )
        [kept] = samples(tmp_path, 1)
    assert kept.request == {"email": "Ann", "age": 3}
    assert kept.response == {"hello": "Ann", "age": 3}
    assert kept.request_id == answer.headers["x-request-id"]
    assert (kept.client_request_id, kept.trace_id) == ("mine", trace)
    assert (kept.deployment, kept.model, kept.model_version) == ("default", "a model", 3)
    assert (kept.page, kept.status, kept.left_out) == ("score", 200, "")
    assert 0 < kept.latency_ms < 60_000
    assert (kept.request_bytes, kept.response_bytes) == (26, len(answer.content))


def test_what_is_to_be_kept_from_the_disk_is_nowhere_on_it(tmp_path: Path) -> None:
    rules = Sampling(1, hash_fields=["email"], drop_patterns=["email", "number"])
    person, secret, card, cookie = SECRETS
    with scoring(tmp_path, {"m": b""}, ECHO, sampling=rules) as process:
        sent: list[tuple[dict[str, Any], int]] = [
            ({"email": person, "age": 3}, 200),
            ({"headers": True, "note": f"my key is {secret}"}, 200),
            ({"text": f"card {card}", "card": int(card)}, 200),
            ({"password": secret, "nested": {"Api-Key": secret, "token": [secret]}}, 200),
            ({"broken": f"{person} and {secret}"}, 200),
        ]
        for body, status in sent:
            answer = process.post(
                json.dumps(body), Cookie=f"a={cookie}", X_Api_Key=secret, x_request_id=card
            )
            assert answer.status == status, answer.content
        assert (
            process.post(f"{person} {secret} is no JSON", Content_Type="text/plain").status == 500
        )
        assert process.ask("GET", f"/score?email={person}&token={secret}").status == 200
        kept = samples(tmp_path, 7)
        assert counts(process, "samples_total") == {"kept": 7}
    for text in (*SECRETS[:1], *SECRETS[2:], KEY, OWN_KEY):
        assert holders(EndpointFolder(tmp_path).samples, text) == []
        assert holders(tmp_path, text) == []
    assert holders(tmp_path, secret) == []
    first = kept[-1]
    assert first.request["email"].startswith("hash:")
    assert first.response == {"hello": "[email]", "age": 3}
    assert kept[1].request is None
    assert "no fields" in kept[1].left_out


def test_what_a_script_raises_about_a_field_is_taken_out_of_the_sample(tmp_path: Path) -> None:
    rules = Sampling(1, drop_fields=["email"])
    with scoring(tmp_path, {"m": b""}, ECHO, sampling=rules) as process:
        body = json.dumps({"email": "Ann Lee of Kent", "fail": True})
        # The workspace itself is told what was raised.
        answer = process.ask("POST", "/score", body, {"Content-Type": "application/json"}, OWN_KEY)
        assert "Ann Lee of Kent" in answer.json["message"]
        [kept] = samples(tmp_path, 1)
    assert kept.status == 500
    assert "[removed] is unknown" in kept.response["message"]
    assert holders(EndpointFolder(tmp_path).samples, "Ann Lee of Kent") == []


def test_who_is_not_let_in_leaves_nothing(tmp_path: Path) -> None:
    with scoring(tmp_path, {"m": b""}, ECHO, sampling=Sampling(1)) as process:
        assert process.ask("POST", "/score", "{}", key="wrong").status == 401
        assert process.ask("GET", "/").status == 200
        assert process.post("{}").status == 200
        assert len(samples(tmp_path, 1)) == 1


def test_a_share_is_kept_and_no_more_than_so_many_in_a_minute(tmp_path: Path) -> None:
    with scoring(
        tmp_path, {"m": b""}, ECHO, sampling=Sampling(0.5, most_per_minute=6000)
    ) as process:
        for _ in range(400):
            assert process.post("{}").status == 200
        samples(tmp_path, 120)
        assert 130 < counts(process, "samples_total")["kept"] < 270
    other = tmp_path / "other"
    other.mkdir()
    with scoring(other, {"m": b""}, ECHO, sampling=Sampling(1, most_per_minute=3)) as process:
        for _ in range(20):
            assert process.post("{}").status == 200
        # A minute may have ended meanwhile.
        assert len(samples(other, 3)) in (3, 6)


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b'{"a": "' + b"x" * MOST_BODY + b'"}', {}, "request: it has 65545 bytes"),
        (b"\xff\xfe\x00", {"Content_Type": "application/octet-stream"}, "request: it is not text"),
        (b"[" * 500 + b"]" * 500, {}, "nested too deeply"),
    ],
)
def test_what_can_not_be_kept_whole_is_left_out_and_said(
    tmp_path: Path, body: bytes, headers: dict[str, str], reason: str
) -> None:
    echo = "def init(): pass\n\ndef run(data): return 1\n"
    with scoring(tmp_path, {"m": b""}, echo, sampling=Sampling(1)) as process:
        process.post(body, **headers)
        [kept] = samples(tmp_path, 1)
    assert reason in kept.left_out
    assert kept.request is None
    assert kept.request_bytes == len(body)


def test_a_process_that_leaves_writes_what_waits(tmp_path: Path) -> None:
    with scoring(tmp_path, {"m": b""}, ECHO, sampling=Sampling(1)) as process:
        for _ in range(50):
            assert process.post("{}").status == 200
        process.process.terminate()
        process.process.wait(30)
    assert len(samples(tmp_path, 50)) == 50


@pytest.mark.parametrize(
    "newer", ['{"share": 1, "drop_names": ["Ann"]}', '{"share": 1, "drop_patterns": ["name"]}']
)
def test_a_process_goes_on_with_rules_that_a_newer_workspace_has_written(
    tmp_path: Path, newer: str
) -> None:
    keys = EndpointFolder(tmp_path).keys
    with scoring(tmp_path, {"m": b""}, ECHO) as process:
        assert process.post("{}").status == 200
        rules = json.loads(keys.read_bytes())
        rules["primary"] = hashlib.sha256(b"a new key").hexdigest()
        rules["sampling"] = {"default": json.loads(newer)}
        rules["export"] = {"url": "http://127.0.0.1:9", "protocol": "grpc"}
        rules["limits"] = {"a rule": "that nobody knows here"}
        write_atomic(keys, json.dumps(rules).encode())
        assert process.ask("POST", "/score", '{"email": "Ann"}', key="a new key").status == 200
        assert process.post("{}").status == 401
        said = "Nothing is sampled: Object contains unknown field"
        if "drop_patterns" in newer:
            said = "Nothing is sampled: Invalid enum value 'name'"
        eventually(lambda: said in process.log.read_text(), what="it says so")
        eventually(lambda: "Nothing is exported: Object" in process.log.read_text())
        assert process.ask("POST", "/score", '{"email": "Ann"}', key="a new key").status == 200
        assert not EndpointFolder(tmp_path).samples.exists(), "it may be what is not to be kept"
        rules["sampling"] = {"default": {"share": 1}}
        write_atomic(keys, json.dumps(rules).encode())

        def is_kept() -> bool:
            process.ask("POST", "/score", '{"email": "Ann"}', key="a new key")
            return bool(page(EndpointFolder(tmp_path).samples, None, None, 1).items)

        eventually(is_kept, what="a rule that is known is followed")


def test_what_there_is_no_room_for_is_counted_and_answered_all_the_same(tmp_path: Path) -> None:
    EndpointFolder(tmp_path).samples.parent.mkdir(exist_ok=True)
    EndpointFolder(tmp_path).samples.write_text("a file where a folder should be")
    with scoring(tmp_path, {"m": b""}, ECHO, sampling=Sampling(1)) as process:
        assert process.post("{}").status == 200
        eventually(lambda: counts(process, "samples_total") == {"lost": 1}, what="it is counted")
        assert process.post("{}").status == 200


def test_csv_is_looked_into_by_its_columns(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    import pickle

    import pandas as pd
    from sklearn.linear_model import LinearRegression

    frame = pd.DataFrame({"email": [1.0, 2.0], "b": [0.0, 1.0]})
    model = pickle.dumps(LinearRegression().fit(frame, [1, 2]))
    rules = Sampling(1, drop_fields=["email"])
    with scoring(tmp_path, {"model.pkl": model}, sampling=rules) as process:
        sent = "email,b\n51.25,2\n"
        assert process.post(sent, "/invocations", Content_Type="text/csv").status == 200
        assert process.post('{"data": [[51.25, 2]]}').status == 200
        kept = samples(tmp_path, 2)
    assert kept[0].request == {"data": [[None, 2]]}
    assert kept[1].request == {"columns": ["email", "b"], "data": [[None, "2"]]}
    assert holders(EndpointFolder(tmp_path).samples, "51.25") == []
