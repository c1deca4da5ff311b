"""`ml-workspace serve` as a process: its start, its word, its end."""

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ml_workspace_lab import Workspace
from tests.conftest import agents, eventually
from tests.http import Answer
from tests.server.alone import Alone, answering, end, launch, refusal, served

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def test_it_answers_soon_after_it_was_killed(root: Path) -> None:
    for _ in range(2):
        process = launch(root, "--port", "0")
        try:
            assert answering(process, root).ask("GET", "/workspace").json["name"] == "served"
        finally:
            process.kill()
            process.communicate()


def test_neither_jupyter_nor_a_kernel_nor_a_data_frame_is_loaded(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.server import tiny; tiny.install()\n"
        "from ml_workspace_lab.cli import main\n"
        "from ml_workspace_lab.server import alone, host, serve\n"
        "rules = alone.entry('127.0.0.1', [], None, is_open=False)\n"
        "serve.application(host.WorkspaceHost(Path(), Path(sys.argv[1])), rules)\n"
        "heavy = {'jupyter_server', 'IPython', 'ipykernel', 'nbformat', 'pandas', 'numpy'}\n"
        "print(heavy & set(sys.modules))\n"
    )
    words = [sys.executable, "-c", code, str(root)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_the_token_it_made_is_gone_with_it(root: Path) -> None:
    with served(root) as server:
        local = Workspace.open(root)
        assert [item.token_id in server.token for item in local.connection.tokens.list().items]
        assert server.said["pid"] == server.process.pid
        assert server.ask("GET", "/workspace").status == 200
        assert end(server) == 0
        assert local.connection.tokens.list().items == []


def test_it_says_in_words_where_it_is(root: Path) -> None:
    process = launch(root, "--port", "0", "-o", "text", "--token", "t" * 16)
    assert process.stdout is not None
    address, token, how_to_end = (process.stdout.readline() for _ in range(3))
    assert address.startswith("Serving at http://127.0.0.1:")
    assert token == "Token: the one given\n"
    assert how_to_end == "Ctrl-C ends it.\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_under_way_is_finished_before_it_ends(
    root: Path, tmp_path: Path, number: int
) -> None:
    with served(root) as server:
        answers: list[Answer] = []
        asker = threading.Thread(target=lambda: answers.append(_slow(server, tmp_path)))
        asker.start()
        eventually((tmp_path / "begun").exists)
        server.process.send_signal(number)
        eventually(lambda: not _takes_connections(server), what="it listens no more")
        assert server.process.poll() is None
        (tmp_path / "go").touch()
        asker.join(20)
        assert server.process.wait(20) == 0
        assert [answer.json for answer in answers] == [{"done": True}]


def test_a_kept_connection_is_told_that_the_server_ends(root: Path, tmp_path: Path) -> None:
    with served(root) as server:
        parts = urlsplit(server.url)
        kept = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        kept.request("GET", "/health")
        assert kept.getresponse().read() == b"OK"
        asker = threading.Thread(target=lambda: _slow(server, tmp_path))
        asker.start()
        eventually((tmp_path / "begun").exists)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: not _takes_connections(server), what="it listens no more")
        kept.request("GET", "/health")
        answer = kept.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (503, "close")
        (tmp_path / "go").touch()
        asker.join(20)
        assert server.process.wait(20) == 0


def test_what_takes_too_long_is_not_waited_for(root: Path, tmp_path: Path) -> None:
    with served(root) as server:
        asker = threading.Thread(target=_slow_and_cut, args=(server, tmp_path))
        asker.start()
        eventually((tmp_path / "begun").exists)
        begun = time.monotonic()
        assert end(server) == 0
        assert 4 < time.monotonic() - begun < 10
        asker.join(20)
        assert Workspace.open(root).connection.tokens.list().items == []


def test_a_second_signal_ends_it_at_once(root: Path, tmp_path: Path) -> None:
    with served(root) as server:
        asker = threading.Thread(target=_slow_and_cut, args=(server, tmp_path))
        asker.start()
        eventually((tmp_path / "begun").exists)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: not _takes_connections(server), what="it listens no more")
        begun = time.monotonic()
        assert end(server, signal.SIGINT) == -signal.SIGINT
        assert time.monotonic() - begun < 2
        asker.join(20)


def test_a_live_stream_does_not_keep_it(root: Path) -> None:
    with served(root) as server:
        parts = urlsplit(server.url)
        stream = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {server.token}"}
        stream.request("GET", "/ml-workspace-lab/api/v1/events", headers=headers)
        answer = stream.getresponse()
        assert answer.readline().startswith(b"id: ")
        begun = time.monotonic()
        assert end(server) == 0
        assert time.monotonic() - begun < 4


def test_a_workspace_that_was_removed_is_told_to_its_owner_alone(root: Path) -> None:
    with served(root, "--token", "t" * 16) as server:
        assert server.get("/api/2.0/mlflow/whoami").status == 200
        root.rename(root.with_name("elsewhere"))
        for path in ("/api/2.0/mlflow/whoami", "/ml-workspace-lab/api/v1/workspace"):
            stranger = server.get(path, Authorization="Bearer mlws_user_0_0_00000000")
            assert (stranger.status, "store" in stranger.content.decode()) == (401, False)
            assert server.get(path).status == 404
        assert end(server) == 0


def test_a_server_that_nobody_listens_to_leaves_no_token(root: Path) -> None:
    process = launch(root, "--port", "0")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    assert Workspace.open(root).connection.tokens.list().items == []


def test_it_keeps_the_background_process_there(root: Path) -> None:
    with served(root):
        eventually(lambda: agents(root), what="the background process is there")


def test_a_taken_port_is_said(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, error = refusal(root, "--port", str(port))
    assert (code, error["error_code"], error["field"]) == (5, "Conflict", "port")
    assert str(port) in error["message"]
    assert Workspace.open(root).connection.tokens.list().items == []


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--port", "65536"], "port"),
        (["--port", "-1"], "port"),
        (["--host", "no.such.host.invalid"], "host"),
        (["--host", "203.0.113.1"], "host"),
        (["--host", ""], "host"),
        (["--token", "fifteen-letters"], "token"),
        (["--token", "a token with blanks in it"], "token"),
        (["--token", "t" * 16, "--no-token"], "token"),
        (["--no-token", "--host", "0.0.0.0"], "no-token"),
        (["--no-token", "--host", "::"], "no-token"),
        (["--no-token", "--allow-host", "lab.example"], "no-token"),
        (["-w", "http://127.0.0.1:1/"], "workspace"),
        (["-w", "/nowhere"], "workspace"),
    ],
)
def test_what_it_can_not_do_is_refused_before_it_starts(
    root: Path, options: list[str], field: str
) -> None:
    code, error = refusal(root, "--port", "0", *options)
    assert code in (2, 3)
    assert (error["field"], error["message"] > "") == (field, True)


def _slow(server: Alone, folder: Path) -> Answer:
    return server.get(f"/slow?begun={folder / 'begun'}&go={folder / 'go'}")


def _slow_and_cut(server: Alone, folder: Path) -> None:
    with pytest.raises((http.client.HTTPException, OSError)):
        _slow(server, folder)


def _takes_connections(server: Alone) -> bool:
    parts = urlsplit(server.url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5).close()
    except OSError:
        return False
    return True
