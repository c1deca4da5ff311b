"""Every route asks who is there and whether they may, before it looks at anything else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest

from ml_workspace_lab.access.model import CreateToken
from ml_workspace_lab.api.openapi import all_operations
from ml_workspace_lab.api.operation import Operation
from tests.conftest import Server
from tests.server.conftest import client
from tests.server.http import Client

OPERATIONS = [
    pytest.param(operation, id=f"{service}.{operation.name}")
    for service, operation in all_operations()
]
VALUES = {
    "run_id": "0" * 32,
    "digest": "0" * 64,
    "snapshot_id": "0" * 64,
    "version": "1",
    "path": "x",
    "journal": "w1-00000000",
    "first": "0",
    "attempt": "1",
    "part": "1",
    "other": "1" * 32,
    "before": "0" * 32,
    "after": "1" * 32,
    "model_id": f"m-{'0' * 32}",
    "assessment_id": f"a-{'0' * 32}",
    "webhook_id": "0" * 32,
    "package_id": "0" * 32,
    "other_version": "2",
    "dataset_id": f"d-{'0' * 32}",
    "issue_id": f"iss-{'0' * 32}",
}
FROM_NO_RUN = {"run_id": "0" * 32, "artifact_path": "outputs"}


def url(operation: Operation) -> str:
    """The operation's path with all that it requires."""
    values = {
        field.name: VALUES.get(field.name, "nothing")
        for field in msgspec.structs.fields(operation.arguments)
        if field.required
    }
    query = {name: values[name] for name in operation.query_names if name in values}
    return operation.path.format(**values) + (f"?{urlencode(query)}" if query else "")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_a_login_nothing_is_answered(server: Server, operation: Operation) -> None:
    answer = Client(server.url)(operation.method, url(operation), {})
    assert answer.status == 403
    wrong = Client(server.url, "Bearer mlws_user_0_0_00000000")
    assert wrong(operation.method, url(operation), {}).status == 403


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_right_that_a_token_lacks_is_refused(server: Server, operation: Operation) -> None:
    area = operation.action.rpartition("/")[0]
    reader = client(server, f"{area}/read")
    nobody = client(server, "nothing/read")
    answer = nobody(operation.method, url(operation), {})
    assert (answer.status, answer.json["error_code"]) == (404, "NotFound")
    if not operation.action.endswith("/read"):
        answer = reader(operation.method, url(operation), {})
        assert (answer.status, answer.json["error_code"]) == (403, "Denied")
        assert operation.action in answer.json["message"]


def test_no_token_can_be_given_more_than_its_maker_has(server: Server) -> None:
    maker = client(server, "tokens/*", "experiments/read")
    fine = maker("POST", "/tokens", {"name": "t", "actions": ["experiments/read"]})
    assert fine.status == 200
    more = maker("POST", "/tokens", {"name": "t", "actions": ["models/write"]})
    assert (more.status, more.json["error_code"]) == (403, "Denied")
    assert maker("POST", "/tokens", {"name": "t", "actions": ["*"]}).status == 403
    assert maker("POST", "/tokens", {"name": "t", "actions": ["experiments/*"]}).status == 403


def test_a_revoked_token_stops_at_once(server: Server) -> None:
    created = server.local.connection.tokens.create(CreateToken("short"))
    ask = Client(server.url, f"Bearer {created.token}")
    assert ask("GET", "/experiments").status == 200
    server.local.connection.tokens.revoke(created.info.token_id)
    assert ask("GET", "/experiments").status == 403
    assert created.token not in (server.root / "workspace.db").read_bytes().decode("latin-1")


def test_a_refusal_and_a_deed_are_both_in_the_audit_trail(server: Server) -> None:
    body = {"name": "audited"}
    refused = client(server, "experiments/read")("POST", "/experiments", body)
    wrong = client(server, "*")("POST", "/models/m/versions", FROM_NO_RUN)
    done = client(server, "*")("POST", "/experiments", body)
    entries = {e.request_id: e for e in server.local.connection.audit.list(limit=20).items}
    for answer, outcome in ((refused, "Denied"), (wrong, "NotFound"), (done, "ok")):
        entry = entries[answer.headers["X-Request-Id"]]
        assert (entry.outcome, entry.principal) == (outcome, "token:test")


def test_a_route_without_a_declared_operation_keeps_the_server_from_starting(
    tmp_path: Path,
) -> None:
    package = tmp_path / "intruder.py"
    package.write_text(
        "from tornado.web import RequestHandler\n"
        "def _jupyter_server_extension_points():\n    return [{'module': 'intruder'}]\n"
        "def _load_jupyter_server_extension(app):\n"
        "    route = (app.base_url + 'ml-workspace-lab/api/v1/back-door', RequestHandler)\n"
        "    app.web_app.add_handlers('.*', [route])\n"
    )
    config = {
        "ServerApp": {
            "jpserver_extensions": {"intruder": True, "ml_workspace_lab": True},
            "reraise_server_extension_failures": True,
        }
    }
    (tmp_path / "jupyter_server_config.json").write_text(json.dumps(config))
    ended = subprocess.run(
        [
            sys.executable, "-m", "jupyter", "server", "--allow-root", "--no-browser",
            "--ServerApp.port=0", f"--config={tmp_path / 'jupyter_server_config.json'}",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert ended.returncode != 0
    assert "without a declared operation" in ended.stderr
