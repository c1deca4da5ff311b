"""Which cluster, and as whom."""

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.kubernetes.access import connect


def write(folder: Path, user: dict[str, Any], **cluster: Any) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "here", "user": "me", "namespace": "x"}}
        ],
        "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:1/", **cluster}}],
        "users": [{"name": "me", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_a_token_is_taken_from_the_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    engine = connect(write(tmp_path, {"tokenFile": "token"}), None)
    assert engine.url == "https://127.0.0.1:1"
    assert engine._token() == "first"
    (tmp_path / "token").write_text("renewed")
    assert engine._token() == "renewed"
    (tmp_path / "token").unlink()
    with pytest.raises(Unreachable, match="can't be read"):
        engine._token()


def test_a_plug_in_is_asked_again_when_its_token_is_over(tmp_path: Path) -> None:
    code = (
        "import json, os, pathlib; calls = pathlib.Path('calls'); "
        "n = len(calls.read_text()) if calls.exists() else 0; calls.write_text('x' * (n + 1)); "
        "assert json.loads(os.environ['KUBERNETES_EXEC_INFO'])['kind'] == 'ExecCredential'; "
        "print(json.dumps({'status': {'token': os.environ['NAME'] + str(n),"
        " 'expirationTimestamp': ['2000-01-01T00:00:00Z', '2999-01-01T00:00:00Z'][n]}}))"
    )
    plugin = {"command": sys.executable, "args": ["-c", code], "apiVersion": "v1beta1"}
    plugin["env"] = [{"name": "NAME", "value": "t"}]
    engine = connect(write(tmp_path, {"exec": plugin}), None)
    assert [engine._token() for _ in range(3)] == ["t0", "t1", "t1"]
    broken = connect(write(tmp_path, {"exec": {"command": "/no/such/program"}}), None)
    with pytest.raises(Unreachable, match="gives no token"):
        broken._token()


def test_certificates_may_be_in_the_file_itself(tmp_path: Path) -> None:
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=me -keyout key -out certificate"
    subprocess.run(["openssl", *words.split()], cwd=tmp_path, check=True, capture_output=True)

    def data(name: str) -> str:
        return base64.b64encode((tmp_path / name).read_bytes()).decode()

    user = {"client-certificate-data": data("certificate"), "client-key-data": data("key")}
    written = write(tmp_path, user, **{"certificate-authority-data": data("certificate")})
    context = connect(written, None)._tls()
    assert len(context.get_ca_certs()) == 1
    files = {"client-certificate": "certificate", "client-key": "key"}
    context = connect(
        write(tmp_path, files, **{"certificate-authority": "certificate"}), None
    )._tls()
    assert len(context.get_ca_certs()) == 1


def test_what_is_wrong_with_a_kubeconfig_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreachable, match="can't be read"):
        connect(str(tmp_path / "none"), None)
    with pytest.raises(Unreachable, match="has no context 'two'"):
        connect(write(tmp_path, {}), "two")
    (tmp_path / "config").write_text("contexts: 3")
    with pytest.raises(Unreachable, match="Expected `array"):
        connect(str(tmp_path / "config"), None)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Unreachable, match="runs in no pod"):
        connect(None, None)


def test_a_server_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="can't be reached"):
        connect(write(tmp_path, {"token": "t"}), None).ask("GET", "/version")
