"""Artifacts through the proxy, and the ways of the web page to them."""

import posixpath

import pytest

from tests.mlflow.conformance.target import ARTIFACTS, Target, invalid, missing, ok

VERSION_FILE = "/model-versions/get-artifact"


def folder(target: Target) -> tuple[str, str]:
    """A new run and the path of its artifacts below the proxy."""
    info = target.start()["info"]
    return info["run_id"], info["artifact_uri"].removeprefix("mlflow-artifacts:/")


def test_what_was_put_is_got_back(target: Target) -> None:
    _, path = folder(target)
    content = bytes(range(256)) * 1000
    assert target.put_artifact(f"{path}/deep/er/data.bin", content).status == 200
    answer = target.get_artifact(f"{path}/deep/er/data.bin")
    assert (answer.status, answer.content) == (200, content)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "data.bin" in answer.headers["Content-Disposition"]


def test_an_artifact_is_overwritten_and_may_be_empty(target: Target) -> None:
    _, path = folder(target)
    for content in (b"one", b"", b"three"):
        assert target.put_artifact(f"{path}/a.txt", content).status == 200
        assert target.get_artifact(f"{path}/a.txt").content == content


@pytest.mark.parametrize("name", ["a b.txt", "äöü 実.txt", "a+b&c=d.txt", "100%.txt", "a;b.txt"])
def test_an_odd_name_is_kept(target: Target, name: str) -> None:
    run_id, path = folder(target)
    assert target.put_artifact(f"{path}/{name}", b"odd").status == 200
    assert target.get_artifact(f"{path}/{name}").content == b"odd"
    files = ok(target.get("artifacts/list", run_id=run_id))["files"]
    assert files == [{"path": name, "is_dir": False, "file_size": 3}]


def test_a_part_of_an_artifact_is_got(target: Target) -> None:
    _, path = folder(target)
    target.put_artifact(f"{path}/a.txt", b"0123456789")
    answer = target.get_artifact(f"{path}/a.txt", {"Range": "bytes=2-4"})
    assert (answer.status, answer.content) == (206, b"234")
    assert answer.headers["Content-Range"] == "bytes 2-4/10"
    assert target.get_artifact(f"{path}/a.txt", {"Range": "bytes=99-"}).status == 416


def test_artifacts_are_listed_in_both_ways(target: Target) -> None:
    run_id, path = folder(target)
    for name in ("a.txt", "dir/b.txt", "dir/sub/c.txt"):
        target.put_artifact(f"{path}/{name}", b"1234")
    listed = ok(target.get("artifacts/list", run_id=run_id))
    assert listed["root_uri"] == f"mlflow-artifacts:/{path}"
    top = [
        {"path": "a.txt", "is_dir": False, "file_size": 4},
        {"path": "dir", "is_dir": True},
    ]
    assert listed["files"] == top
    assert target.list_artifacts(path) == top
    inner = ok(target.get("artifacts/list", run_id=run_id, path="dir"))["files"]
    assert [file["path"] for file in inner] == ["dir/b.txt", "dir/sub"]
    assert [file["path"] for file in target.list_artifacts(f"{path}/dir")] == ["b.txt", "sub"]
    assert ok(target.get("artifacts/list", run_id=run_id, path="nothing")).get("files", []) == []
    assert ok(target.get("artifacts/list", run_id=target.run())).get("files", []) == []


@pytest.mark.parametrize("path", [".", "./", "./dir", "dir/.", "./dir/./"])
def test_a_listing_may_stay_where_it_is(target: Target, path: str) -> None:
    run_id, root = folder(target)
    target.put_artifact(f"{root}/dir/b.txt", b"1234")
    in_dir = "dir" in path
    listed = ok(target.get("artifacts/list", run_id=run_id, path=path))["files"]
    paths = [posixpath.normpath(one["path"]) for one in listed]
    assert paths == ["dir/b.txt" if in_dir else "dir"]
    proxied = [one["path"] for one in target.list_artifacts(f"{root}/{path}")]
    assert proxied == ["b.txt" if in_dir else "dir"]


def test_artifacts_are_deleted_one_and_all(target: Target) -> None:
    _, path = folder(target)
    for name in ("a.txt", "dir/b.txt", "dir/c.txt"):
        target.put_artifact(f"{path}/{name}", b"1234")
    ok(target.delete(f"{ARTIFACTS}/{path}/dir/b.txt"))
    assert [file["path"] for file in target.list_artifacts(f"{path}/dir")] == ["c.txt"]
    ok(target.delete(f"{ARTIFACTS}/{path}/dir"))
    assert [file["path"] for file in target.list_artifacts(path)] == ["a.txt"]
    assert target.get_artifact(f"{path}/dir/c.txt").status == 404


def test_an_unknown_artifact_is_not_found(target: Target) -> None:
    _, path = folder(target)
    missing(target.get_artifact(f"{path}/nothing"))


@pytest.mark.parametrize(
    "path",
    [
        "../etc/passwd",
        "1/../../x",
        "1/%2e%2e/x",
        "1/%252e%252e/%252e%252e/x",
        "%2Fetc%2Fpasswd",
        "1/a%23b",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_path_that_leads_elsewhere_is_refused(target: Target, method: str, path: str) -> None:
    answer = target.request(method, f"{ARTIFACTS}/{path}", b"x" if method == "PUT" else None)
    assert answer.status in (308, 400, 404)


def test_a_backslash_is_no_part_of_a_name(target: Target) -> None:
    _, path = folder(target)
    answer = target.put_artifact(f"{path}/a\\b", b"x")
    assert answer.status == target.choose("backslash", theirs=200, ours=400)


@pytest.mark.parametrize("path", ["../x", "/etc", "a/../../b", "%2e%2e/x", "a#b"])
def test_a_listing_of_elsewhere_is_refused(target: Target, path: str) -> None:
    run_id, root = folder(target)
    invalid(target.get("artifacts/list", run_id=run_id, path=path), "Invalid path")
    invalid(target.get("/get-artifact", run_id=run_id, path=path), "Invalid path")
    invalid(target.get(ARTIFACTS, path=f"{root}/../{path}"), "Invalid path")


def test_a_listing_names_a_known_run(target: Target) -> None:
    answer = target.get("artifacts/list", run_id="0" * 32)
    missing(answer, "not found")
    invalid(target.get("artifacts/list"), "Missing value for required parameter 'run_id'")


def test_the_page_gets_and_puts_artifacts_of_a_run(target: Target) -> None:
    run_id, path = folder(target)
    upload = "/ajax-api/2.0/mlflow/upload-artifact"
    answer = target.request("POST", f"{upload}?run_uuid={run_id}&path=dir/a.txt", b"hello")
    assert answer.status == 200
    assert target.get_artifact(f"{path}/dir/a.txt").content == b"hello"
    for name in ("run_id", "run_uuid"):
        answer = target.get("/get-artifact", path="dir/a.txt", **{name: run_id})
        assert (answer.status, answer.content) == (200, b"hello")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    invalid(target.request("POST", f"{upload}?path=a", b"x"), "Request must specify run_uuid")
    answer = target.request("POST", f"{upload}?run_uuid={run_id}", b"x")
    invalid(answer, "Request must specify path")
    answer = target.request("POST", f"{upload}?run_uuid={run_id}&path=a", b"")
    invalid(answer, "Request must specify data")


def test_the_page_puts_up_to_ten_megabytes(target: Target) -> None:
    run_id, path = folder(target)
    upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path=a.bin"
    limit = 10 * 1024 * 1024
    invalid(target.request("POST", upload, b"x" * (limit + 1)), "Artifact size is too large")
    assert target.get_artifact(f"{path}/a.bin").status == 404
    assert target.request("POST", upload, b"x" * limit).status == 200
    assert len(target.get_artifact(f"{path}/a.bin").content) == limit


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.txt", "text/plain"),
        ("b.pkl", "application/octet-stream"),
        ("c.png", "image/png"),
        ("d.pdf", "application/pdf"),
        ("MLmodel", "text/plain"),
        ("mlproject", "text/plain"),
    ],
)
def test_a_file_has_the_type_and_the_name_that_clients_read(
    target: Target, name: str, media_type: str
) -> None:
    run_id, path = folder(target)
    target.put_artifact(f"{path}/{name}", b"x")
    for answer in (
        target.get_artifact(f"{path}/{name}"),
        target.get("/get-artifact", run_id=run_id, path=name),
    ):
        assert answer.headers["Content-Type"].partition(";")[0] == media_type
        assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"


def version_with(target: Target, files: dict[str, bytes]) -> dict[str, str]:
    """What names a new version whose source is a run's folder with these files."""
    run_id, path = folder(target)
    for name, content in files.items():
        target.put_artifact(f"{path}/model/{name}", content)
    name = target.name("model of files")
    ok(target.post("registered-models/create", name=name))
    source = f"mlflow-artifacts:/{path}/model"
    made = ok(target.post("model-versions/create", name=name, source=source, run_id=run_id))
    return {"name": name, "version": made["model_version"]["version"]}


@pytest.mark.parametrize("address", [VERSION_FILE, f"/{VERSION_FILE}"])
def test_the_page_gets_a_file_of_a_version(target: Target, address: str) -> None:
    named = version_with(target, {"a.txt": b"hello", "deep/MLmodel": b"flavors: {}"})
    for path, content in (("a.txt", b"hello"), ("deep/MLmodel", b"flavors: {}")):
        answer = target.get(address, **named, path=path)
        assert (answer.status, answer.content) == (200, content)
        assert answer.headers["Content-Type"].partition(";")[0] == "text/plain"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        name = path.rpartition("/")[2]
        assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"


@pytest.mark.parametrize("path", ["../x", "/etc", "a/../../b", "%2e%2e/x", "a#b"])
def test_a_file_of_elsewhere_is_not_the_versions(target: Target, path: str) -> None:
    named = version_with(target, {"a.txt": b"hello"})
    for name in (named["name"], target.name("nobody's")):
        answer = target.get(VERSION_FILE, name=name, version="1", path=path)
        invalid(answer, "Invalid path")


def test_a_file_of_no_version_is_missing(target: Target) -> None:
    named = version_with(target, {"a.txt": b"hello"})
    missing(target.get(VERSION_FILE, **{**named, "version": "2"}, path="a.txt"), "not found")
    missing(target.get(VERSION_FILE, name=target.name("model"), version="1", path="a.txt"))
    assert target.get(VERSION_FILE, **named).status == 400
    invalid(target.get(VERSION_FILE, **{**named, "version": "x"}, path="a.txt"))


def test_multipart_uploads_are_offered_by_us(target: Target) -> None:
    """A real server has them where its artifacts lie in an object store."""
    _, path = folder(target)
    answer = target.post(f"/api/2.0/mlflow-artifacts/mpu/create/{path}", path="x", num_parts=2)
    assert answer.status == target.choose("multipart", theirs=501, ours=200)


def test_nobodys_files_are_in_another_experiment(target: Target) -> None:
    experiment_id, other = target.experiment(), target.experiment()
    run_id = target.run(experiment_id)
    model = ok(target.post("logged-models", experiment_id=experiment_id, name="m"))["model"]
    for place in (run_id, f"models/{model['info']['model_id']}"):
        right, wrong = (f"{one}/{place}/artifacts" for one in (experiment_id, other))
        assert target.put_artifact(f"{right}/a.bin", b"right").status == 200
        path = f"{wrong}/a.bin"
        answer = target.put_artifact(path, b"wrong")
        assert answer.status == target.choose("elsewhere", theirs=200, ours=404)
        if target.ours:
            missing(answer, "in the experiment")
            missing(target.get_artifact(path), "in the experiment")
            missing(target.delete(f"{ARTIFACTS}/{path}"), "in the experiment")
            missing(target.get(ARTIFACTS, path=wrong), "in the experiment")
            missing(
                target.post(f"/api/2.0/mlflow-artifacts/mpu/create/{wrong}", path="a", num_parts=1),
                "in the experiment",
            )
            missing(target.get_artifact(f"999999/{place}/artifacts/a.bin"), "in the experiment")
        assert target.get_artifact(f"{right}/a.bin").content == b"right"
