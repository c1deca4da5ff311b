"""Samples, exceptions and export of endpoints, as their users ask for them."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.cli.main import run as cli
from ml_workspace_lab.client.samples import Samples
from ml_workspace_lab.errors import Denied, InvalidInput, NotFound
from tests.conftest import Server, eventually
from tests.endpoints.support import SCALE, scale_endpoint, scale_model, score, script
from tests.endpoints.telemetry.collector import collecting
from tests.endpoints.test_deployments import blue_and_green

FAILS = SCALE.replace(
    "    return", '    if request["x"] < 0: raise ValueError("below 0")\n    return'
)


def kept(endpoint: Endpoint, count: int, deployment: str | None = None) -> Samples:
    """So many samples, as soon as there are as many."""
    return eventually(
        lambda: (found := endpoint.samples(deployment)) and len(found) >= count and found,
        what=f"{count} samples",
    )


def sampled(endpoint: Endpoint) -> None:
    """Ask until a process knows that its requests are to be kept."""

    def is_kept() -> bool:
        assert score(endpoint, '{"x": 1}').status == 200
        return len(endpoint.samples()) > 0

    eventually(is_kept, what="a request is kept")


def test_samples_of_deployments_are_kept_read_and_deleted(ws: Workspace, tmp_path: Path) -> None:
    endpoint = blue_and_green(ws, tmp_path)
    assert len(endpoint.samples()) == 0
    info = endpoint.sample(1, drop_fields=["name"], most_per_minute=1000)
    assert [one.sampling is None for one in info.deployments] == [False, True]
    sampled(endpoint)
    endpoint.sample(1, "green")
    for deployment in ("blue", "green"):
        body = '{"x": 5, "name": "Ann"}'
        eventually(
            lambda deployment=deployment, body=body: (
                score(endpoint, body, azureml_model_deployment=deployment).status == 200
                and any(one.request["x"] == 5 for one in endpoint.samples(deployment))
            ),
            what=f"a request of {deployment} is kept",
        )
    blue = endpoint.samples("blue")
    assert {one.deployment for one in blue} == {"blue"}
    assert {one.deployment for one in endpoint.samples()} == {"blue", "green"}
    assert any(one.request == {"x": 5, "name": None} for one in blue)
    assert [one.time for one in blue] == sorted((one.time for one in blue), reverse=True)
    assert len(endpoint.samples(limit=1)) == 1
    told = {one.deployment: one for one in endpoint.telemetry().deployments}
    assert told["blue"].sampling is not None
    eventually(lambda: endpoint.telemetry().deployments[0].samples.get("kept", 0) >= len(blue))

    frame = endpoint.samples("green").to_pandas(rows=True)
    assert frame["x"].tolist()[0] == 5
    assert frame["time"].dt.tz is not None

    endpoint.delete_samples("blue")
    assert {one.deployment for one in endpoint.samples()} == {"green"}
    folder = ws.connection.storage.endpoint("scale") / "samples"
    endpoint.delete_deployment("green")
    eventually(lambda: not (folder / "green").exists(), what="its samples are gone")
    endpoint.sample(0)
    assert endpoint.info().deployments[0].sampling is None
    endpoint.delete()
    eventually(lambda: not folder.parent.exists(), what="all is gone")


def test_exceptions_are_told_with_their_traceback(
    ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = scale_model(ws, tmp_path, 2)
    endpoint = Endpoint.deploy(ws, "scale", model, scoring_script=script(tmp_path, FAILS))
    assert endpoint.exceptions() == []
    for x in (-1, 1, -2):
        score(endpoint, json.dumps({"x": x}))
    [one] = eventually(lambda: (found := endpoint.exceptions()) and found[0].count == 2 and found)
    assert (one.kind, one.message, one.deployment) == ("ValueError", "below 0", "default")
    assert 'raise ValueError("below 0")' in one.traceback
    assert endpoint.telemetry().deployments[0].exceptions == 2
    assert cli(["-w", str(ws.location), "endpoint", "exceptions", "scale"]) == 0
    printed = capsys.readouterr().out
    assert "ValueError" in printed
    assert "below 0" in printed

    Endpoint.deploy(ws, "scale", model, scoring_script=script(tmp_path))
    eventually(lambda: endpoint.exceptions() == [], what="an update begins anew")


def test_an_endpoint_exports_once_it_is_told_and_no_longer(ws: Workspace, tmp_path: Path) -> None:
    with collecting() as collector:
        endpoint = scale_endpoint(ws, tmp_path)
        info = endpoint.export(collector.url, interval_seconds=0.2)
        assert info.export is not None
        eventually(collector.metrics, what="metrics come")
        assert score(endpoint, '{"x": 1}').status == 200
        eventually(collector.spans, what="a span comes")
        eventually(lambda: endpoint.telemetry().deployments[0].exported.get("spans_sent"))
        assert endpoint.export(None).export is None

        def is_over() -> bool:
            before = len(collector.spans())
            assert score(endpoint, '{"x": 1}').status == 200
            text = endpoint.telemetry().deployments[0]
            return len(collector.spans()) == before and text.trouble == ""

        eventually(is_over)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"share": 2}, "share"),
        ({"share": 0.5, "drop_fields": ["a b"], "hash_fields": ["A-B"]}, "hash_fields"),
        ({"share": 0.5, "drop_patterns": ["ip"], "hash_patterns": ["ip"]}, "hash_patterns"),
        ({"share": 0.5, "drop_patterns": ["phone"]}, "drop_patterns"),
        ({"share": 0.5, "days": 0}, "days"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    ws: Workspace, tmp_path: Path, rules: dict[str, object], field: str
) -> None:
    endpoint = scale_endpoint(ws, tmp_path, wait=False)
    with pytest.raises(InvalidInput) as refused:
        endpoint.sample(**rules)  # type: ignore[arg-type]
    assert field in str(refused.value.field)
    for url in ("127.0.0.1:4318", "ftp://x", "http://user:key@x", "http://x/?key=1"):
        with pytest.raises(InvalidInput) as refused:
            endpoint.export(url)
        assert refused.value.field == "url"
    with pytest.raises(NotFound):
        endpoint.sample(0.5, "another")


def test_who_may_read_an_endpoint_may_not_read_what_it_was_asked(
    server: Server, tmp_path: Path
) -> None:
    model = scale_model(server.local, tmp_path, 2)
    endpoint = Endpoint.deploy(
        server.local, "sampled", model, scoring_script=script(tmp_path), wait=False
    )
    rights = ("workspaces/read", "endpoints/read")
    with closing(server.connect(rights)) as place:
        reader = Endpoint(place, "sampled")
        assert reader.exceptions() == []
        for hidden in (reader.samples, lambda: reader.sample(1), reader.delete_samples):
            with pytest.raises(NotFound):
                hidden()
    with closing(server.connect((*rights, "endpoints/samples/read"))) as place:
        reader = Endpoint(place, "sampled")
        assert len(reader.samples()) == 0
        for refused in (lambda: reader.sample(1), reader.delete_samples):
            with pytest.raises(Denied):
                refused()
    audited = server.local.connection.audit.list()
    assert any(row.action == "endpoints/samples/read" for row in audited.items)
    endpoint.delete()


def test_the_command_line_samples_and_exports(
    ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = scale_endpoint(ws, tmp_path)

    def said(*words: str) -> str:
        assert cli(["-w", str(ws.location), "endpoint", *words]) == 0
        return capsys.readouterr().out

    said("sample", "scale", "default", "--share", "1", "--drop-fields", "name")
    sampled(endpoint)
    assert json.loads(said("samples", "scale", "-o", "json"))["items"][0]["request"] == {"x": 1}
    assert "score" in said("samples", "scale", "--limit", "1")
    assert "sampling" in said("telemetry", "scale", "-o", "json")
    said("export", "scale", "--url", "http://127.0.0.1:9")
    said("stop-export", "scale")
    said("stop-sampling", "scale", "default")
    said("delete-samples", "scale")
    assert json.loads(said("samples", "scale", "-o", "json"))["items"] == []
