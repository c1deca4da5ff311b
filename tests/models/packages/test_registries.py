"""Images go to a real registry and come back, whoever asks says who they are, and nobody else
hears it."""

import base64
import json
import logging
from pathlib import Path

import pytest

from ml_workspace_lab import Package
from ml_workspace_lab.errors import Denied, InvalidInput, NotFound, Unavailable
from ml_workspace_lab.models.packages import layouts
from ml_workspace_lab.models.packages.credentials import Credentials, kept
from ml_workspace_lab.models.packages.references import Reference
from ml_workspace_lab.models.packages.registries import Registry
from tests.models.packages import registry, tokens
from tests.models.packages.conftest import Scales
from tests.models.packages.registry import PASSWORD, USER


def send(layout: Path, place: str, credentials: Credentials | None = None) -> int:
    """Push a layout; how many bytes that took."""
    with layouts.reading(layout, None) as image:
        reference = Reference.parse(place, "push")
        return Registry(reference, credentials, push=True).push(image)


def test_what_a_registry_has_is_not_sent_again_and_what_comes_back_is_the_same(
    whole: Package, layout: Path, scales: Scales, tmp_path: Path
) -> None:
    with registry.running(tmp_path / "registry") as host:
        name = whole.push(f"{host}/models/scale:1")
        assert name == f"{host}/models/scale@{whole.info().digest}"
        assert send(layout, f"{host}/models/scale:2") == 0
        assert registry.tags(host, "models/scale") == ["1", "2"]
        edited = scales.on_base(name, "def run(data):\n    return 1\n")
        edited.save(tmp_path / "edited.tar")
        sent = send(tmp_path / "edited.tar", f"{host}/models/scale:3")
        assert 0 < sent < 10_000
        with pytest.raises(NotFound):
            scales.on_base(f"{host}/models/scale:9").save(tmp_path / "missing")
        reference = Reference.parse(name, "base")
        with layouts.reading(layout, None) as first:
            platform = first.descriptor.platform
            assert platform is not None
            back = Registry(reference, None, push=False).pull(platform)
            layouts.write(back, tmp_path / "back.tar")
    assert (tmp_path / "back.tar").read_bytes() == layout.read_bytes()


def test_a_registry_with_a_password_takes_it_from_the_caller_or_from_docker(
    layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with registry.running(tmp_path / "registry", registry.with_password(tmp_path)) as host:
        place = f"{host}/models/scale:1"
        with pytest.raises(Denied, match="wants to know who asks"):
            send(layout, place)
        with pytest.raises(Denied, match="401") as refused:
            send(layout, place, Credentials(USER, "wrong secret"))
        assert "wrong secret" not in str(refused.value) + repr(Credentials(USER, "wrong secret"))
        assert kept(host) is None
        word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": word}}}))
        assert send(layout, place, kept(host)) > 0
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("who", [Credentials(USER, PASSWORD), Credentials(identity="refreshing")])
def test_a_registry_that_wants_a_token_gets_one_for_what_is_done(
    who: Credentials, layout: Path, tmp_path: Path
) -> None:
    with (
        tokens.issuing(tmp_path / "issuer") as (issuer, settings),
        registry.running(tmp_path / "registry", settings) as host,
    ):
        place = f"{host}/models/scale:1"
        with pytest.raises(Denied):
            send(layout, place, Credentials(USER, "wrong"))
        assert send(layout, place, who) > 0
        asked = issuer.asked[-1]
        assert asked["scope"] == ["repository:models/scale:pull,push"]
        assert asked["service"] == [tokens.SERVICE]


def test_a_helper_of_docker_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-tests"
    helper.write_text(
        '#!/bin/sh\nread host\necho "{\\"Username\\": \\"u\\", \\"Secret\\": \\"$host\\"}"\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "tests"}))
    assert kept("registry.example.com") == Credentials("u", "registry.example.com")


def test_a_registry_that_is_not_there_is_told(layout: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        send(layout, f"127.0.0.1:{registry.free_port()}/models/scale:1")


@pytest.mark.parametrize(
    ("text", "origin", "rest"),
    [
        ("python:3.11", "https://registry-1.docker.io", "library/python:3.11"),
        ("docker.io/a/b", "https://registry-1.docker.io", "a/b:latest"),
        ("host.example/a:1", "https://host.example", "a:1"),
        ("localhost:5000/a/b_c", "http://localhost:5000", "a/b_c:latest"),
        ("[::1]:5000/a", "http://[::1]:5000", "a:latest"),
        ("127.0.0.1.example.com/a", "https://127.0.0.1.example.com", "a:latest"),
        (f"host.example/a@sha256:{'0' * 64}", "https://host.example", f"a@sha256:{'0' * 64}"),
    ],
)
def test_a_name_says_where_an_image_is(text: str, origin: str, rest: str) -> None:
    found = Reference.parse(text, "base")
    assert (found.origin, str(found)) == (origin, f"{found.host}/{rest}")


@pytest.mark.parametrize(
    "text",
    ["", "https://host/a", "user:word@host/a", "host.example/A", "host.example/a/../b", "a:b:c",
     "host.example/a:", "host.example/a@sha256:12", "host.example/a?b", "host.example:x/a"],
)  # fmt: skip
def test_what_names_no_image_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Reference.parse(text, "base")
