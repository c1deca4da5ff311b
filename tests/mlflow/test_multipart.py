"""Large artifacts in parts: as clients send them, and as others try to."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.access.model import CreateToken
from tests.conftest import Server
from tests.http import Answer, request
from tests.mlflow.conformance.conftest import serving
from tests.mlflow.conformance.target import Target, missing, ok

Json = dict[str, Any]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, Path]]:
    """A server and its workspace's folder."""
    folder = tmp_path_factory.mktemp("parts")
    with serving(folder) as (target, _):
        yield target, folder / "store"


class Upload:
    """One upload to a run's folder, step by step."""

    def __init__(self, target: Target, folder: str, name: str = "big.bin") -> None:
        self.target, self.folder, self.name = target, folder, name
        self.credentials: list[Json] = []
        self.id = ""

    def call(self, step: str, target: Target | None = None, **fields: Any) -> Answer:
        path = f"/api/2.0/mlflow-artifacts/mpu/{step}/{self.folder}"
        return (target or self.target).post(path, path=f"/home/me/{self.name}", **fields)

    def begin(self, parts: int) -> "Upload":
        begun = ok(self.call("create", num_parts=parts))
        self.id, self.credentials = begun["upload_id"], begun["credentials"]
        assert [one["part_number"] for one in self.credentials] == list(range(1, parts + 1))
        return self

    def send(self, part: int, content: bytes) -> Json:
        answer = request("PUT", self.credentials[part - 1]["url"], content, {})
        assert answer.status == 200, answer.content
        return {"part_number": part, "etag": answer.headers["ETag"], "url": "whatever"}

    def end(self, parts: list[Json], target: Target | None = None) -> Answer:
        return self.call("complete", target, upload_id=self.id, parts=parts)


def folder_of(target: Target) -> str:
    uri: str = target.start()["info"]["artifact_uri"]
    return uri.removeprefix("mlflow-artifacts:/")


def test_a_file_comes_in_parts_and_goes_whole(served: tuple[Target, Path]) -> None:
    target, store = served
    folder = folder_of(target)
    upload = Upload(target, f"{folder}/deep", "ä b.bin").begin(3)
    parts = [upload.send(part, bytes([part]) * 100_000) for part in (3, 1, 2)]
    assert target.list_artifacts(folder) == []
    ok(upload.end(parts))
    ok(upload.end(parts))
    found = target.get_artifact(f"{folder}/deep/ä b.bin").content
    assert found == b"\1" * 100_000 + b"\2" * 100_000 + b"\3" * 100_000
    assert not list((store / "uploads" / upload.id).glob("0*"))


def test_an_upload_that_is_given_up_leaves_nothing(served: tuple[Target, Path]) -> None:
    target, store = served
    folder = folder_of(target)
    upload = Upload(target, folder).begin(2)
    upload.send(1, b"x")
    ok(upload.call("abort", upload_id=upload.id))
    assert not (store / "uploads" / upload.id).exists()
    assert request("PUT", upload.credentials[1]["url"], b"x", {}).status == 404
    missing(upload.call("abort", upload_id=upload.id), "no such upload")


def test_an_address_with_another_part_or_signature_is_refused(
    served: tuple[Target, Path],
) -> None:
    upload = Upload(served[0], folder_of(served[0])).begin(2)
    url = upload.credentials[0]["url"]
    for forged in (
        url.replace("/1?", "/2?"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace("until=", "until=9"),
    ):
        answer = request("PUT", forged, b"x", {})
        assert (answer.status, answer.json["error_code"]) == (403, "PERMISSION_DENIED")
    assert request("PUT", url.partition("?")[0], b"x", {}).status == 400


@pytest.mark.parametrize("step", ["create", "complete", "abort"])
def test_the_right_is_that_of_a_plain_upload(served: tuple[Target, Path], step: str) -> None:
    target, store = served
    run = target.start()["info"]
    folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    upload = Upload(target, folder).begin(1)
    part = upload.send(1, b"x")
    made = Workspace.open(store).connection.tokens.create
    nobody = Target(target.url, {}, ours=True)
    told = {"num_parts": 1, "upload_id": upload.id, "parts": [part]}
    assert upload.call(step, nobody, **told).status == 401
    for actions, status in {
        ("experiments/read", "experiments/runs/read"): 403,
        ("models/read", "models/write"): 404,
    }.items():
        token = made(CreateToken("limited", list(actions))).token
        caller = Target(target.url, {"Authorization": f"Bearer {token}"}, ours=True)
        assert upload.call(step, caller, **told).status == status
        assert caller.put_artifact(f"{folder}/plain", b"x").status == status
    assert target.list_artifacts(folder) == []


def test_one_runs_upload_does_not_become_another_runs_file(
    served: tuple[Target, Path],
) -> None:
    target, _ = served
    upload = Upload(target, folder_of(target)).begin(1)
    parts = [upload.send(1, b"x")]
    other = Upload(target, folder_of(target))
    other.id = upload.id
    missing(other.end(parts), "no such upload")
    upload.name = "other.bin"
    missing(upload.end(parts), "no such upload")


def test_a_deleted_run_and_a_version_take_no_parts(served: tuple[Target, Path]) -> None:
    target, _ = served
    info = target.start()["info"]
    folder = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    ok(target.post("runs/update", run_id=info["run_id"], status="FINISHED"))
    ok(target.post("runs/delete", run_id=info["run_id"]))
    assert Upload(target, folder).call("create", num_parts=1).status == 400
    assert Upload(target, "models/any/1").call("create", num_parts=1).status == 400
    assert Upload(target, "elsewhere").call("create", num_parts=1).status == 404
    assert Upload(target, "1/../x").call("create", num_parts=1).status == 400


def test_parts_and_their_end_outlive_a_killed_server(tmp_path: Path) -> None:
    with serving(tmp_path) as (target, process):
        folder = folder_of(target)
        upload = Upload(target, folder).begin(2)
        parts = [upload.send(1, b"one"), upload.send(2, b"two")]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with serving(tmp_path) as (again, _):
        upload.target = again
        ok(upload.end(parts))
        assert again.get_artifact(f"{folder}/big.bin").content == b"onetwo"


def test_the_address_leads_where_the_client_came_from(served: tuple[Target, Path]) -> None:
    target, _ = served
    behind = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hub.example:8443"}
    proxied = Target(target.url, {**target.headers, **behind}, ours=True)
    url = urlsplit(Upload(proxied, folder_of(target)).begin(1).credentials[0]["url"])
    assert (url.scheme, url.netloc) == ("https", "hub.example:8443")
    behind["X-Forwarded-Host"] = "evil/path?"
    proxied = Target(target.url, {**target.headers, **behind}, ours=True)
    url = urlsplit(Upload(proxied, folder_of(target)).begin(1).credentials[0]["url"])
    assert url.netloc == urlsplit(target.url).netloc


def test_a_jupyter_server_takes_parts_without_a_login_of_its_own(server: Server) -> None:
    token = server.local.connection.tokens.create(CreateToken("client", ["*"])).token
    url = f"{server.url}ml-workspace-lab/mlflow"
    target = Target(url, {"Authorization": f"Bearer {token}"}, ours=True)
    folder = folder_of(target)
    upload = Upload(target, folder).begin(1)
    assert upload.credentials[0]["url"].startswith(url)
    ok(upload.end([upload.send(1, b"x" * 1000)]))
    assert target.get_artifact(f"{folder}/big.bin").content == b"x" * 1000
