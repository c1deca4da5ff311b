"""Stores that real MLflows wrote: all of it comes over, once, and what doesn't is told."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput, NotFound, Unavailable
from ml_workspace_lab.experiments.model import RunInfo, RunState
from ml_workspace_lab.models.model import SetAlias
from ml_workspace_lab.transfer.report import ImportReport
from tests.mlflow.conformance.conftest import real_mlflow

BUILD = Path(__file__).parents[2] / "build"
PYTHONS = {
    "3": BUILD / "mlflow" / "bin" / "python",
    "2": BUILD / "autolog" / "oldest" / "bin" / "python",
}
MAKE = Path(__file__).with_name("make_mlflow_store.py")
STATES = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled", "RUNNING": "Running"}
RUNS = int(os.environ.get("ML_WORKSPACE_LAB_IMPORT_RUNS", "12"))
Told = dict[str, dict[str, Any]]


class Store:
    """A store of MLflow's and what MLflow itself reads from it."""

    def __init__(self, folder: Path, uri: str, artifacts: Path | None, told: Told) -> None:
        self.folder = folder
        self.uri = uri
        self.artifacts = artifacts
        self.told = told

    @property
    def runs(self) -> dict[str, Any]:
        return {uid: run for one in self.told.values() for uid, run in one["runs"].items()}


@pytest.fixture(
    scope="module", params=["3-database", "3-folder", "3-server", "2-database", "2-folder"]
)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    release, kind = request.param.split("-")
    if not PYTHONS[release].exists():
        pytest.skip(f"no MLflow {release} is installed: scripts/install_mlflow, install_autolog")
    folder = tmp_path_factory.mktemp("mlflow")
    if kind == "server":
        with contextmanager(real_mlflow)(folder) as target:
            yield made(release, folder, target.url, folder / "artifacts")
    else:
        uri = f"sqlite:///{folder}/mlflow.db" if kind == "database" else f"{folder}/mlruns"
        yield made(release, folder, uri, None)


def made(release: str, folder: Path, uri: str, artifacts: Path | None) -> Store:
    words = [str(PYTHONS[release]), str(MAKE), str(folder), uri, str(RUNS)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if "FallbackAsyncAdaptedQueuePool" in ended.stderr:
        pytest.skip("this MLflow opens databases with SQLAlchemy before 2.1 alone")
    assert ended.returncode == 0, ended.stderr[-2000:]
    return Store(folder, uri, artifacts, json.loads(ended.stdout.splitlines()[-1]))


def infos(ws: Workspace) -> dict[str, RunInfo]:
    found = {run.id: run.info() for run in ws.runs(limit=None)}
    for item in ws.trash:
        if item.kind == "run":
            found[item.id] = ws.run(item.id).info()
    return found


def test_every_run_comes_with_all_that_mlflow_knows_of_it(ws: Workspace, store: Store) -> None:
    report = ws.import_mlflow(store.uri, store.artifacts)
    assert report.runs == len(store.runs) == RUNS + 1
    assert report.experiments == len(store.told)
    gone = next(uid for uid in store.told["gone"]["runs"])
    here = infos(ws) | {gone: ws.run(gone).info()}
    assert here.keys() == store.runs.keys()
    for uid, wanted in store.runs.items():
        run = here[uid]
        assert (run.display_name, run.created) == (wanted["name"], wanted["start"])
        assert (run.state, run.ended) == (STATES[wanted["status"]], wanted["end"])
        assert (run.params, run.tags) == (wanted["params"], wanted["tags"])
        assert (run.deleted is not None) == wanted["deleted"]
        assert run.kind == "external"
    first = store.told["first"]
    assert ws.connection.experiments.get("first").tags == first["tags"]
    assert ws.connection.experiments.get("first").description == "about"
    assert ws.connection.experiments.get("gone").deleted is not None


def test_every_point_of_every_metric_is_as_mlflow_has_it(ws: Workspace, store: Store) -> None:
    report = ws.import_mlflow(store.uri, store.artifacts)
    points = 0
    for uid, wanted in store.runs.items():
        run = ws.run(uid)
        assert run.info().metrics.keys() == wanted["metrics"].keys()
        for name, expected in wanted["metrics"].items():
            found = run.get_metric_history(name)
            rows = zip(
                found.steps.tolist(), found.times.tolist(), found.values.tolist(), strict=True
            )
            assert sorted([step, time, repr(value)] for step, time, value in rows) == expected
            assert repr(float(run.info().metrics[name].last)) == wanted["latest"][name]
            points += len(expected)
    assert report.points == points
    assert [one for one in report.not_mapped if one.what == "latest value"] == []


def test_datasets_parents_artifacts_and_models_come_along(ws: Workspace, store: Store) -> None:
    report = ws.import_mlflow(store.uri, store.artifacts)
    first = min(store.told["first"]["runs"].items(), key=lambda item: item[1]["start"])[0]
    (data,) = ws.connection.lineage.of_run(first).items
    assert (data.kind, data.name, data.digest, data.context) == ("dataset", "data", "d1", "train")
    assert data.data["source"] == '{"uri": "/x"}'
    assert data.data["tags"] == {"k": "v"}
    files = {one.path: one.size for one in ws.connection.artifacts.list(first).items}
    assert files == {"deep/er/a b.txt": 5, "ü.md": 5000}
    assert ws.connection.artifacts.get(first, "deep/er/a b.txt").read() == b"hello"
    assert len(ws.runs(parent=first, limit=None)) == RUNS - 2
    assert ws.run(first).info().state is RunState.RUNNING
    model = ws.connection.models.get("model")
    assert (model.description, model.tags, model.aliases) == (
        "a model",
        {"a": "b"},
        {"champion": 1},
    )
    one = ws.connection.models.version("model", 1)
    assert (one.run_id, one.description, one.tags) == (first, "one", {"c": "d"})
    assert [file.path for file in one.files] == ["er/a b.txt"]
    elsewhere = [left for left in report.not_mapped if left.what == "model version"]
    assert [left.id for left in elsewhere] == ["model/2"]
    others = [left.what for left in report.not_mapped if left not in elsewhere]
    assert others == (["traces and the like"] if store.uri.startswith("http") else [])


def test_a_server_is_not_asked_for_artifacts_and_the_report_says_so(
    ws: Workspace, store: Store
) -> None:
    if not store.uri.startswith("http"):
        pytest.skip("asks a server")
    report = ws.import_mlflow(store.uri)
    (told,) = (one for one in report.not_mapped if one.what == "folders of artifacts")
    assert "--artifacts" in told.reason
    assert (told.id, report.artifacts) == (str(len(store.runs)), 0)
    assert "artifact" not in {one.what for one in report.not_mapped}


def test_a_second_import_adds_nothing(ws: Workspace, store: Store) -> None:
    first = ws.import_mlflow(store.uri, store.artifacts)
    before = infos(ws)
    again = ws.import_mlflow(store.uri, store.artifacts)
    assert (again.runs, again.experiments, again.points, again.model_versions) == (0, 0, 0, 0)
    assert again.skipped == first.runs
    assert infos(ws) == before
    assert set(again.not_mapped) <= set(first.not_mapped)


@pytest.fixture
def copy(store: Store, tmp_path: Path) -> Store:
    """A store of its own, in another place than the one where it was made."""
    if store.uri.startswith("http"):
        pytest.skip("a server is where it is")
    folder = tmp_path / "copy"
    shutil.copytree(store.folder, folder)
    return Store(folder, store.uri.replace(str(store.folder), str(folder)), None, store.told)


def test_artifacts_of_a_store_that_was_moved_are_found(ws: Workspace, copy: Store) -> None:
    assert ws.import_mlflow(copy.uri).artifacts == 2


def test_what_changed_since_is_told_and_not_overwritten(ws: Workspace, copy: Store) -> None:
    if not copy.uri.startswith("sqlite"):
        pytest.skip("changes a database")
    ws.import_mlflow(copy.uri)
    changed, new = list(copy.told["first"]["runs"])[:2]
    before = ws.run(changed).info()
    with sqlite3.connect(copy.folder / "mlflow.db") as database:
        database.execute(
            "UPDATE tags SET value = 'z' WHERE key = 'line' AND run_uuid = ?", [changed]
        )
    ws.connection.runs.delete(new)
    ws.purge(run_ids=[new])
    report = ws.import_mlflow(copy.uri)
    (told,) = (one for one in report.not_mapped if one.what == "run")
    assert told.id == changed
    assert "tags" in told.reason
    assert (report.runs, report.skipped) == (1, len(copy.runs) - 2)
    assert ws.run(changed).info() == before


def test_a_version_that_is_here_with_other_content_is_told(ws: Workspace, copy: Store) -> None:
    if not copy.uri.startswith("sqlite"):
        pytest.skip("changes a database")
    first = ws.import_mlflow(copy.uri).not_mapped
    with sqlite3.connect(copy.folder / "mlflow.db") as database:
        database.execute("UPDATE model_versions SET description = 'z' WHERE version = 1")
    ws.connection.registry.set_alias("model", "champion", SetAlias(2))
    told = [one for one in ws.import_mlflow(copy.uri).not_mapped if one not in first]
    assert [(one.what, one.id) for one in told] == [
        ("model version", "model/1"),
        ("alias", "model@champion"),
    ]
    assert "description" in told[0].reason
    assert ws.connection.registry.by_alias("model", "champion").version == 2


@pytest.mark.parametrize("uri", ["sqlite:///none.db", "mysql+nothing://x/y"])
def test_artifacts_come_from_a_folder_that_is_there(ws: Workspace, uri: str) -> None:
    with pytest.raises(NotFound, match=r"no folder '/nowhere'"):
        ws.import_mlflow(uri, Path("/nowhere"))


def test_what_can_t_be_kept_is_told_one_by_one(ws: Workspace, copy: Store) -> None:
    if not copy.uri.startswith("sqlite"):
        pytest.skip("changes a database")
    other, *_, odd = copy.told["first"]["runs"]
    with sqlite3.connect(copy.folder / "mlflow.db") as database:
        database.execute("INSERT INTO tags VALUES ('a\x01b', 'v', ?)", [odd])
        database.execute("UPDATE experiments SET name = ' first\n' WHERE name = 'first'")
        database.execute("UPDATE runs SET run_uuid = 'short' WHERE run_uuid = ?", [other])
        database.execute(
            "UPDATE latest_metrics SET value = 77 WHERE run_uuid = ? AND key = 'm/1'", [odd]
        )
    report = ws.import_mlflow(copy.uri)
    told = {one.what for one in report.not_mapped}
    assert {"tag", "experiment's name", "run", "latest value"} <= told
    (name,) = (one.reason for one in report.not_mapped if one.what == "experiment's name")
    name = name.removeprefix("It is called '").removesuffix("' here.")
    assert name.startswith("first "), "not that of another experiment"
    assert ws.connection.experiments.get(name).run_count == RUNS - 2
    with pytest.raises(NotFound):
        ws.run(other)


def test_a_run_with_damaged_records_is_told_and_the_others_come(ws: Workspace, copy: Store) -> None:
    damaged = next(iter(copy.told["first"]["runs"]))
    if copy.uri.startswith("sqlite"):
        with sqlite3.connect(copy.folder / "mlflow.db") as database:
            database.execute("UPDATE metrics SET step = 'x' WHERE run_uuid = ?", [damaged])
    else:
        (file,) = copy.folder.rglob(f"{damaged}/metrics/m/1")
        file.write_text("1 2 x\n")
    report = ws.import_mlflow(copy.uri)
    assert report.runs == len(copy.runs) - 1
    assert [told.id for told in report.not_mapped if told.what == "run"] == [damaged]


def test_files_outside_of_the_given_folder_are_left_out(ws: Workspace, copy: Store) -> None:
    secret = copy.folder.parent / "secret.txt"
    secret.write_text("secret")
    for artifacts in copy.folder.rglob("artifacts"):
        (artifacts / "link.txt").symlink_to(secret)
        (artifacts / "folder").symlink_to(copy.folder.parent)
    report = ws.import_mlflow(copy.uri)
    assert {one.id.rpartition("/")[2] for one in report.not_mapped if one.what == "artifact"} == {
        "link.txt",
        "folder",
    }
    outside: ImportReport = ws.import_mlflow(copy.uri, artifacts=copy.folder.parent / "store")
    assert outside.artifacts == 0


@pytest.mark.parametrize(
    "uri", ["sqlite:///none.db", "none", "mysql+nothing://x/y", "http://127.0.0.1:9"]
)
def test_what_is_no_store_is_refused(ws: Workspace, uri: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidInput, NotFound, Unavailable)):
        ws.import_mlflow(uri)
    (tmp_path / "empty.db").write_bytes(b"")
    (tmp_path / "text.db").write_bytes(b"SQLite, but not so")
    (tmp_path / "folder").mkdir()
    for name in ("empty.db", "text.db", "folder"):
        with pytest.raises(InvalidInput):
            ws.import_mlflow(str(tmp_path / name))
        with pytest.raises((InvalidInput, NotFound)):
            ws.import_mlflow(f"sqlite:///{tmp_path}/{name}")


def test_names_that_are_too_long_stay_those_of_two_experiments(ws: Workspace, copy: Store) -> None:
    if not copy.uri.startswith("sqlite"):
        pytest.skip("changes a database")
    with sqlite3.connect(copy.folder / "mlflow.db") as database:
        for name, ending in (("first", "a"), ("Default", "b")):
            database.execute(
                "UPDATE experiments SET name = ? WHERE name = ?", ["x" * 256 + ending, name]
            )
    ws.import_mlflow(copy.uri)
    names = {one.name: one.run_count for one in ws.connection.experiments.list(view="all").items}
    long = [name for name in names if name.startswith("xxx")]
    assert len(long) == 2
    assert max(map(len, long)) == 255
    assert ws.import_mlflow(copy.uri).experiments == 0
