"""Endpoints go on when a part of them dies, and leave nothing behind when they are deleted."""

import shutil
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.endpoints import store
from ml_workspace_lab.endpoints.deployment_store import set_state
from ml_workspace_lab.endpoints.model import EndpointState
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, Unavailable
from tests.conftest import agents, arguments_of, end_agents, eventually, of_workspace
from tests.endpoints.support import (
    SCALE,
    Gate,
    request,
    scale_endpoint,
    scale_model,
    score,
    scoring,
    script,
)


@pytest.fixture
def endpoint(ws: Workspace, tmp_path: Path) -> Endpoint:
    return scale_endpoint(ws, tmp_path)


@pytest.fixture
def root(ws: Workspace) -> Path:
    return Path(ws.location)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def answers(endpoint: Endpoint) -> bool:
    try:
        return score(endpoint, '{"x": 1}').status == 200
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_scoring_process_is_started_again(
    endpoint: Endpoint, root: Path, number: int
) -> None:
    before = score(endpoint, '{"x": 1}').json["pid"]
    process = psutil.Process(before)
    process.send_signal(number)
    process.wait(10)
    eventually(lambda: answers(endpoint), what="it answers again")
    assert score(endpoint, '{"x": 1}').json["pid"] != before
    info = eventually(lambda: endpoint.info().state is EndpointState.HEALTHY and endpoint.info())
    assert info.restarts == 1
    assert len(scoring(root)) == 1


def test_a_killed_agent_is_replaced_by_one_that_adopts_the_process(
    endpoint: Endpoint, root: Path
) -> None:
    before = score(endpoint, '{"x": 1}').json["pid"]
    end_agents(root)
    assert answers(endpoint), "nobody needs the agent to score"
    wake(root)
    agent = eventually(lambda: agents(root))[0]
    model = scale_model(endpoint.workspace, root.parent, 3)
    assert score(endpoint, '{"x": 1}').json["pid"] == before, "the process was left alone"
    psutil.Process(before).kill()
    eventually(lambda: answers(endpoint), what="the new agent starts it again")
    model.deploy("scale", scoring_script=root.parent / "score.py")
    assert score(endpoint, '{"x": 1}').json["y"] == 3
    assert agents(root)[0].pid == agent.pid


def test_what_is_seen_of_an_earlier_deployment_is_not_said_of_the_next(endpoint: Endpoint) -> None:
    database = endpoint.workspace.connection.storage.database
    (wanted,) = store.endpoints(database)
    earlier = wanted.generation - 1
    set_state(database, "scale", "default", earlier, EndpointState.FAILED, "seen before")
    assert endpoint.workspace.connection.endpoints.get("scale").state is EndpointState.HEALTHY
    assert "Failed" not in str(endpoint.workspace.connection.events.list(0).events)


def test_the_agent_stays_while_there_is_an_endpoint(
    ws: Workspace, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_WORKSPACE_AGENT_IDLE_SECONDS", "0.5")
    endpoint = scale_endpoint(ws, tmp_path)
    agent = eventually(lambda: agents(root))[0]
    [ready] = root.glob("endpoints/scale/*/ready")
    served_since = ready.stat().st_mtime
    # The scoring process says every two seconds that it is there: the agent's patience is over.
    eventually(lambda: ready.stat().st_mtime > served_since + 3)
    assert agent.is_running()
    assert agents(root) == [agent]
    endpoint.delete()
    eventually(lambda: not agents(root), 30, "it leaves when there is none")


def test_deleting_frees_process_port_and_folder(endpoint: Endpoint, root: Path) -> None:
    port = endpoint.info().port
    endpoint.delete()
    eventually(lambda: not of_workspace(root), what="the process ends")
    eventually(lambda: is_free(port), what="the port is free")
    eventually(lambda: not (root / "endpoints" / "scale").exists(), what="its files go")
    with pytest.raises(NotFound):
        endpoint.info()
    assert endpoint.workspace.endpoints == {}
    Endpoint.deploy(
        endpoint.workspace,
        "again",
        scale_model(endpoint.workspace, root.parent, 1),
        scoring_script=root.parent / "score.py",
        port=port,
    )


def test_what_the_script_started_ends_with_it(ws: Workspace, root: Path, tmp_path: Path) -> None:
    text = SCALE + "\nimport subprocess\n"
    words = [sys.executable, "-c", "import time; time.sleep(1000)", str(root)]
    text += f"subprocess.Popen({words!r}, start_new_session=True)\n"
    model = scale_model(ws, tmp_path, 1)
    endpoint = Endpoint.deploy(ws, "parent", model, scoring_script=script(tmp_path, text))
    eventually(lambda: any(arguments_of(p) == words for p in of_workspace(root)))
    endpoint.delete()
    eventually(lambda: not of_workspace(root), what="its child ends too")


def test_deleted_and_made_anew_at_once_it_serves_the_new_model(
    endpoint: Endpoint, root: Path
) -> None:
    old = endpoint.keys
    assert old is not None
    endpoint.delete()
    made = scale_endpoint(endpoint.workspace, root.parent, 5)
    answer = score(made, '{"x": 1}')
    assert (answer.status, answer.json["y"]) == (200, 5)
    assert score(made, '{"x": 1}', old.primary).status == 401
    eventually(lambda: len(scoring(root)) == 1, what="the old process leaves")
    if made.info().port != endpoint._info.port:
        eventually(lambda: is_free(endpoint._info.port), what="and its port is free")


def test_a_port_that_is_taken_is_refused(endpoint: Endpoint, tmp_path: Path) -> None:
    ws, model = endpoint.workspace, scale_model(endpoint.workspace, tmp_path, 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Conflict, match="taken") as refusal:
            Endpoint.deploy(ws, "other", model, scoring_script=tmp_path / "score.py", port=port)
        assert refusal.value.field == "port"
    end_agents(Path(ws.location))
    for process in scoring(Path(ws.location)):
        process.kill()
    psutil.wait_procs(scoring(Path(ws.location)), timeout=5)
    eventually(lambda: is_free(endpoint.info().port))
    with pytest.raises(Conflict, match="endpoint scale") as refusal:
        model.deploy("other", port=endpoint.info().port)
    assert refusal.value.field == "port"
    with pytest.raises(Conflict, match="answers on port") as refusal:
        model.deploy("scale", port=endpoint.info().port + 1)
    for port in (-1, 65536):
        with pytest.raises(InvalidInput) as refused:
            model.deploy("other", port=port)
        assert refused.value.field == "port"
    assert list(ws.endpoints) == ["scale"]


def test_a_port_that_was_lost_meanwhile_is_the_reason(endpoint: Endpoint, root: Path) -> None:
    port = endpoint.info().port
    end_agents(root)
    for process in scoring(root):
        process.kill()
    eventually(lambda: is_free(port))
    with socket.create_server(("127.0.0.1", port)):
        wake(root)
        info = eventually(
            lambda: endpoint.info() if endpoint.info().state is EndpointState.FAILED else None
        )
        assert f"Port {port} can't be used: Address already in use" in info.reason
    with pytest.raises(Unavailable, match="Failed"):
        endpoint.run({"x": 1})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def init(): raise RuntimeError('no weights')\ndef run(data): pass", "no weights"),
        ("def init(): pass", "no function run"),
        ("import nothing_like_it", "nothing_like_it"),
        ("def run(data", "SyntaxError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("exit(3)", "SystemExit: 3"),
    ],
)
def test_what_does_not_start_fails_with_the_reason(
    ws: Workspace, root: Path, tmp_path: Path, text: str, reason: str
) -> None:
    model = scale_model(ws, tmp_path, 1)
    with pytest.raises(Unavailable, match="Failed") as failure:
        Endpoint.deploy(ws, "broken", model, scoring_script=script(tmp_path, text))
    assert reason in str(failure.value)
    assert ws.endpoints["broken"].info().state is EndpointState.FAILED
    eventually(lambda: not of_workspace(root), what="no process is left")


def test_lost_contents_fail_one_endpoint_and_not_the_others(
    endpoint: Endpoint, root: Path, tmp_path: Path
) -> None:
    ws = endpoint.workspace
    lost = scale_model(ws, tmp_path, 7)
    blobs = ws.connection.storage.blobs  # type: ignore[attr-defined]
    blobs.path(lost.info().files[0].digest).unlink()
    with pytest.raises(Unavailable, match="No content with SHA-256"):
        Endpoint.deploy(ws, "a-first", lost, scoring_script=tmp_path / "score.py")
    psutil.Process(score(endpoint, '{"x": 1}').json["pid"]).kill()
    eventually(lambda: answers(endpoint), what="the other one is looked after")


def check_removal_ends_all(root: Path) -> None:
    there = [*agents(root), *scoring(root)]
    assert len(there) == 2
    shutil.rmtree(root)
    _, alive = psutil.wait_procs(there, timeout=30)
    assert not alive


def test_removing_the_folder_ends_every_process(endpoint: Endpoint, root: Path) -> None:
    check_removal_ends_all(root)


def test_removing_the_folder_ends_a_process_that_is_at_work(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    text = SCALE + "\nimport threading\nthreading.Timer(0, time.sleep, [1000]).start()\n"
    model = scale_model(ws, tmp_path, 1)
    endpoint = Endpoint.deploy(ws, "busy", model, scoring_script=script(tmp_path, text))
    gate = Gate(tmp_path)
    with socket.create_connection(("127.0.0.1", endpoint.info().port)) as connection:
        assert endpoint.keys is not None
        connection.sendall(
            f"POST /score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {endpoint.keys.primary}\r\n"
            f"Content-Length: {len(gate.body)}\r\n\r\n{gate.body}".encode()
        )
        gate.wait_until_begun()
        check_removal_ends_all(root)


def test_a_new_workspace_in_the_same_folder_is_left_alone_by_the_old_ones_processes(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    old = scale_endpoint(ws, tmp_path, 2)
    old_processes = [*agents(root), *scoring(root)]
    shutil.rmtree(root)
    made = Workspace.create("new", root)
    new = scale_endpoint(made, tmp_path, 9)
    new_processes = [p for p in scoring(root) if p not in old_processes]
    assert score(new, '{"x": 1}').json["y"] == 9
    _, alive = psutil.wait_procs(old_processes, timeout=30)
    assert not alive
    assert score(new, '{"x": 1}').json["y"] == 9
    assert [p.pid for p in scoring(root)] == [p.pid for p in new_processes]
    assert new.info().restarts == 0
    if old._info.port != new._info.port:
        with pytest.raises(OSError, match="refused"):
            request("GET", old.scoring_uri.removesuffix("score"))


def test_a_workspace_that_serves_is_not_deleted(endpoint: Endpoint, root: Path) -> None:
    with pytest.raises(Conflict, match="1 endpoints are served"):
        endpoint.workspace.delete()
    with pytest.raises(Conflict, match="serves scale:1"):
        endpoint.workspace.models["scale"].delete()
    endpoint.delete()
    eventually(lambda: not of_workspace(root))
    endpoint.workspace.delete()
    assert not root.exists()
    eventually(lambda: not agents(root), 30, "its background process leaves")
