"""Traces, issues, scorers and evaluation datasets of stores that a real MLflow wrote: all of it
comes over, once, a stock client reads the same of it here, and what can't be kept is told."""

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from ml_workspace_lab import Workspace
from ml_workspace_lab.tracing.model import UpdateTrace
from ml_workspace_lab.transfer.report import ImportReport
from tests.mlflow.conformance.conftest import serving
from tests.transfer.test_mlflow import PYTHONS

SCRIPT = Path(__file__).with_name("mlflow_belongings.py")
KINDS = ("traces", "issues", "scorers", "evaluation_datasets")
IN_A_FILE = f"tr-{'3' * 32}"
JUDGE = json.dumps({"name": "polite", "builtin_scorer_class": "Safety"})


def run_script(word: str, uri: str, folder: Path, **more: str) -> dict[str, Any]:
    """What MLflow's client does and tells in a folder."""
    ended = subprocess.run(
        [str(PYTHONS["3"]), str(SCRIPT), word, uri],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": "0", **more},  # sets keep their order then
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


class Made:
    """A store in a folder, and what MLflow itself reads from it."""

    def __init__(self, folder: Path, told: dict[str, Any]) -> None:
        self.folder = folder
        self.told = told
        self.database = folder / "mlflow.db"
        self.is_database = self.database.exists()
        self.uri = f"sqlite:///{self.database}" if self.is_database else f"{folder}/mlruns"

    def change(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.database)) as connection:
            for one in statements:
                connection.execute(one)
            connection.commit()

    def only(self, sql: str) -> str:
        with closing(sqlite3.connect(self.database)) as connection:
            ((found,),) = connection.execute(sql).fetchall()
        return str(found)


@pytest.fixture(scope="module", params=["database", "folder"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    if not PYTHONS["3"].exists():
        pytest.skip("no MLflow 3 is installed: scripts/install_mlflow")
    folder = tmp_path_factory.mktemp("belongings")
    is_database = request.param == "database"
    uri = f"sqlite:///{folder}/mlflow.db" if is_database else f"{folder}/mlruns"
    return Made(folder, run_script("make", uri, folder))


@pytest.fixture
def made(original: Made, tmp_path: Path) -> Made:
    """A store of its own, in another place than the one where it was made."""
    folder = tmp_path / "copy"
    shutil.copytree(original.folder, folder)
    return Made(folder, original.told)


@pytest.fixture
def database(made: Made) -> Made:
    if not made.is_database:
        pytest.skip("changes a database")
    return made


def added(report: ImportReport) -> list[int]:
    return [getattr(report, kind) for kind in KINDS]


def told(report: ImportReport) -> set[tuple[str, str]]:
    return {(one.what, one.id) for one in report.not_mapped}


def numbers(made: Made) -> list[int]:
    return [len(made.told[kind]) for kind in ("traces", "issues", "scorers", "datasets")]


def by_name(made: Made, name: str) -> str:
    """The id of the trace of that name."""
    (found,) = (
        id_
        for id_, one in made.told["traces"].items()
        if one["info"]["tags"].get("mlflow.traceName") == name
    )
    return str(found)


def test_all_comes_over_once_and_a_stock_client_reads_the_same(
    ws: Workspace, made: Made, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    report = ws.import_mlflow(made.uri, progress=lambda *step: steps.append(step))
    assert report.not_mapped == []
    assert added(report) == numbers(made)
    assert numbers(made) == ([3, 1, 1, 1] if made.is_database else [2, 0, 0, 0])
    total = report.runs + sum(added(report)) + (1 if made.is_database else 0)
    assert steps[-1] == (total, total), "a dataset of two experiments is two steps"
    again = ws.import_mlflow(made.uri)
    assert (again.not_mapped, again.runs, added(again)) == ([], 0, [0] * 4)
    with serving(tmp_path) as (target, _):
        token = target.headers["Authorization"].removeprefix("Bearer ")
        here = run_script("tell", target.url, made.folder, MLFLOW_TRACKING_TOKEN=token)
    for kind, wanted in made.told.items():
        assert here[kind] == wanted, kind


def test_traces_are_found_by_what_they_have(ws: Workspace, made: Made) -> None:
    ws.import_mlflow(made.uri)
    trace = ws.connection.traces.get(by_name(made, "root"))
    assert trace.metadata["mlflow.trace.session"] == "s1"
    assert json.loads(trace.metadata["mlflow.trace.tokenUsage"])["total_tokens"] == 7
    assert trace.runs == [trace.metadata["mlflow.sourceRun"]]
    kinds = sorted((one.kind, one.valid) for one in trace.assessments)
    assert kinds == [("expectation", True), ("feedback", False), ("feedback", True)]
    overridden, over = sorted(
        (one for one in trace.assessments if one.kind == "feedback"), key=lambda one: one.valid
    )
    assert (over.overrides, over.content["value"]) == (overridden.assessment_id, 0.5)
    failed = ws.connection.traces.get(by_name(made, "failing"))
    assert failed.state == "ERROR"
    if made.is_database:
        assert failed.runs == trace.runs


def test_a_database_is_read_through_sqlalchemy_too(ws: Workspace, database: Made) -> None:
    report = ws.import_mlflow(f"sqlite+pysqlite:///{database.database}", database.folder)
    assert (report.not_mapped, added(report)) == ([], numbers(database))
    assert ws.import_mlflow(database.uri).skipped == report.runs + sum(added(report)) + 1


def test_a_database_that_reads_json_itself_tells_the_same(
    ws: Workspace, database: Made, request: pytest.FixtureRequest
) -> None:
    with request.getfixturevalue("postgresql").schema() as url:
        there = url.replace("postgresql:", "postgresql+psycopg:")
        copy_database(database.uri, there)
        report = ws.import_mlflow(there, database.folder)
    assert (report.not_mapped, added(report)) == ([], numbers(database))
    assert ws.import_mlflow(database.uri).skipped == report.runs + sum(added(report)) + 1


def copy_database(source: str, target: str) -> None:
    """Copy all tables, without their constraints."""
    there, here = sqlalchemy.create_engine(target), sqlalchemy.create_engine(source)
    known, copied = sqlalchemy.MetaData(), sqlalchemy.MetaData()
    known.reflect(here)
    with here.connect() as reading, there.begin() as writing:
        for name, table in known.tables.items():
            columns = [
                one
                for one in table.columns
                if one.computed is None and not isinstance(one.type, sqlalchemy.LargeBinary)
            ]
            plain = [sqlalchemy.Column(one.name, one.type) for one in columns]
            made = sqlalchemy.Table(name, copied, *plain)
            made.create(writing)
            rows = [dict(row) for row in reading.execute(sqlalchemy.select(*columns)).mappings()]
            if rows:
                writing.execute(made.insert(), rows)
    here.dispose()
    there.dispose()


def test_spans_in_a_file_come_with_it_and_are_missed_where_it_is_not_there(
    ws: Workspace, database: Made
) -> None:
    (path,) = database.folder.rglob(f"{IN_A_FILE}/artifacts/traces.json")
    content = path.read_bytes()
    path.rename(path.with_name("elsewhere"))
    report = ws.import_mlflow(database.uri)
    assert told(report) == {("trace's spans", IN_A_FILE)}
    assert report.traces == 3
    path.write_bytes(content)
    again = ws.import_mlflow(database.uri)
    assert told(again) == {("trace", IN_A_FILE)}
    assert "files" in again.not_mapped[0].reason
    assert ws.connection.traces.file(IN_A_FILE, "elsewhere").read() == content


def test_what_is_here_otherwise_stays_and_is_told(ws: Workspace, database: Made) -> None:
    first = ws.import_mlflow(database.uri)
    root, failing = by_name(database, "root"), by_name(database, "failing")
    issue = database.only("SELECT issue_id FROM issues")
    dataset = database.only("SELECT dataset_id FROM evaluation_datasets")
    database.change(
        f"UPDATE trace_tags SET value = 'z' WHERE key = 'k' AND request_id = '{root}'",
        "UPDATE issues SET status = 'resolved'",
        f"UPDATE scorer_versions SET serialized_scorer = '{JUDGE}' WHERE scorer_version = 2",
        "DELETE FROM evaluation_dataset_records WHERE inputs LIKE '%1.5%'",
    )
    ws.connection.traces.update(failing, UpdateTrace(tags={"here": "only"}))
    report = ws.import_mlflow(database.uri)
    assert (added(report), report.skipped) == ([0] * 4, first.runs + 1)
    assert told(report) == {
        ("trace", root),
        ("trace", failing),
        ("issue", issue),
        ("scorer", "polite"),
        ("evaluation dataset", dataset),
    }
    reasons = {one.id: one.reason for one in report.not_mapped}
    assert "tags" in reasons[root]
    assert "status" in reasons[issue]
    assert "versions" in reasons["polite"]
    assert "records" in reasons[dataset]
    assert ws.connection.traces.get(root).tags["k"] == "v"


def test_a_damaged_row_is_told_and_the_rest_comes(ws: Workspace, database: Made) -> None:
    root, failing = by_name(database, "root"), by_name(database, "failing")
    leaf = database.only(f"SELECT span_id FROM spans WHERE trace_id = '{root}' AND name = 'leaf'")
    child = database.only("SELECT span_id FROM spans WHERE name = 'child'")
    want = database.only("SELECT assessment_id FROM assessments WHERE name = 'want'")
    bad = database.only("SELECT assessment_id FROM assessments WHERE name = 'judged'")
    issue = database.only("SELECT issue_id FROM issues")
    record = database.only(
        "SELECT dataset_record_id FROM evaluation_dataset_records WHERE expectations IS NOT NULL"
        " AND expectations != 'null'"
    )
    for file in database.folder.rglob(f"{root}/artifacts/traces.json"):
        file.unlink()  # MLflow's client writes all spans into one, too, where it is quick
    database.change(
        "DELETE FROM trace_request_metadata WHERE key = 'mlflow.trace.sizeStats'",
        "INSERT INTO trace_request_metadata (request_id, key, value)"
        f" VALUES ('{root}', 'mlflow.trace.sizeStats', '{{\"num_spans\": 2}}')",
        f"UPDATE spans SET content = '{{' WHERE span_id = '{leaf}'",
        f"UPDATE spans SET status = 'FINE' WHERE span_id = '{child}'",
        f"UPDATE assessments SET value = 'NaN' WHERE assessment_id = '{want}'",
        f"UPDATE assessments SET name = '' WHERE assessment_id = '{bad}'",
        f"INSERT INTO trace_tags (request_id, key, value) VALUES ('{root}', 'a\x01b', 'v')",
        "INSERT INTO trace_tags (request_id, key, value)"
        f" VALUES ('{root}', 'long', '{'x' * 1_000_001}')",
        "INSERT INTO trace_tags (request_id, key, value)"
        f" VALUES ('{root}', 'bytes', CAST(x'ff' AS TEXT))",
        f"UPDATE trace_info SET status = 'BROKEN' WHERE request_id = '{IN_A_FILE}'",
        "UPDATE issues SET root_causes = '['",
        "UPDATE evaluation_dataset_records SET inputs = '[1]'"
        f" WHERE dataset_record_id = '{record}'",
        "UPDATE scorer_versions SET serialized_scorer = 'no JSON' WHERE scorer_version = 1",
        "INSERT INTO spans"
        " (trace_id, experiment_id, span_id, status, start_time_unix_nano, content)"
        " VALUES ('tr-gone', 1, 'x', 'OK', 1, '{}')",
    )
    report = ws.import_mlflow(database.uri)
    dataset = database.only("SELECT dataset_id FROM evaluation_datasets")
    assert told(report) == {
        ("span", f"{root}/{leaf}"),
        ("span", f"{failing}/{child}"),
        ("assessment", f"{root}/{want}"),
        ("assessment", f"{failing}/{bad}"),
        ("tag", root),
        ("tag", f"{root}/bytes"),
        ("metadata", f"{root}/mlflow.trace.sizeStats"),
        ("trace", IN_A_FILE),
        ("issue", issue),
        ("record", f"{dataset}/{record}"),
        ("scorer", "polite"),
        ("span", "of tr-gone"),
    }
    assert sum(one.what == "tag" for one in report.not_mapped) == 3
    assert added(report) == [2, 0, 0, 1]
    reasons = {(one.what, one.id): one.reason for one in report.not_mapped}
    assert "state" in reasons["trace", IN_A_FILE]
    assert "status" in reasons["span", f"{failing}/{child}"]
    assert ws.connection.traces.get(root).tags["k"] == "v"
    assert len(ws.connection.traces.spans(root).items) == 1
    assert len(ws.connection.evaluation_records.list(dataset).items) == 1
    again = ws.import_mlflow(database.uri)
    assert (told(again), added(again)) == (told(report), [0] * 4)


def test_a_scorer_comes_without_sampling_that_nobody_does_here(
    ws: Workspace, database: Made
) -> None:
    scorer = database.only("SELECT scorer_id FROM scorers")
    database.change(
        "INSERT INTO online_scoring_configs"
        " (online_scoring_config_id, scorer_id, sample_rate, experiment_id, filter_string)"
        f" VALUES ('c', '{scorer}', 0.5, 1, NULL)"
    )
    report = ws.import_mlflow(database.uri)
    assert told(report) == {("scorer's sampling", "polite")}
    assert report.scorers == 1
    assert len(ws.connection.scorers.versions("chat", "polite").items) == 2


def test_a_dataset_that_no_experiment_has_and_spans_in_an_archive_are_told(
    ws: Workspace, database: Made
) -> None:
    root = by_name(database, "root")
    database.change(
        "DELETE FROM entity_associations WHERE source_type = 'evaluation_dataset'",
        "DELETE FROM trace_request_metadata WHERE key = 'mlflow.trace.sizeStats'",
        f"UPDATE spans SET content = '' WHERE trace_id = '{root}'",
        "UPDATE trace_tags SET value = 'ARCHIVE_REPO' WHERE key = 'mlflow.trace.spansLocation'"
        f" AND request_id = '{root}'",
        "INSERT INTO trace_tags (request_id, key, value)"
        f" VALUES ('{root}', 'mlflow.trace.archiveLocation', 's3://old')",
    )
    report = ws.import_mlflow(database.uri)
    dataset = database.only("SELECT dataset_id FROM evaluation_datasets")
    assert told(report) == {("evaluation dataset", dataset), ("trace's spans", root)}
    assert added(report) == [3, 1, 1, 0]


def test_links_to_prompts_and_runs_come_too(ws: Workspace, database: Made) -> None:
    link = (
        "INSERT INTO entity_associations (association_id, source_type, source_id,"
        " destination_type, destination_id) VALUES ('{0}', 'trace', '{1}', '{2}', '{3}')"
    )
    run = "a" * 32
    database.change(
        link.format("x1", IN_A_FILE, "prompt_version", "my/prompt/2"),
        link.format("x2", IN_A_FILE, "run", run),
        link.format("x3", IN_A_FILE, "run", "short"),
    )
    report = ws.import_mlflow(database.uri)
    assert told(report) == {("link to a run", f"{IN_A_FILE}/short")}
    trace = ws.connection.traces.get(IN_A_FILE)
    assert trace.runs == [run]
    linked = [{"name": "my/prompt", "version": "2"}]
    assert json.loads(trace.tags["mlflow.linkedPrompts"]) == linked


def test_a_database_of_an_earlier_release_has_less(ws: Workspace, database: Made) -> None:
    with closing(sqlite3.connect(database.database)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM trace_request_metadata WHERE key LIKE '%sizeStats'")
        for table in (
            "spans", "assessments", "entity_associations", "issues", "scorers", "scorer_versions",
            "online_scoring_configs", "evaluation_datasets", "evaluation_dataset_records",
            "evaluation_dataset_tags",
        ):  # fmt: skip
            connection.execute(f"DROP TABLE {table}")
        connection.execute(
            "CREATE TABLE old AS SELECT request_id, experiment_id, timestamp_ms, execution_time_ms,"
            " status FROM trace_info"
        )
        connection.execute("DROP TABLE trace_info")
        connection.execute("ALTER TABLE old RENAME TO trace_info")
        connection.execute("UPDATE trace_info SET status = 'TRACE_STATUS_UNSPECIFIED'")
        connection.commit()
    report = ws.import_mlflow(database.uri)
    assert (report.not_mapped, added(report)) == ([], [3, 0, 0, 0])
    assert ws.connection.traces.get(IN_A_FILE).state == "STATE_UNSPECIFIED"


def test_damaged_files_of_traces_are_told_and_the_rest_comes(ws: Workspace, made: Made) -> None:
    if made.is_database:
        pytest.skip("damages a folder")
    root, failing = by_name(made, "root"), by_name(made, "failing")
    (info,) = made.folder.rglob(f"{failing}/trace_info.yaml")
    info.write_text("- a")
    (folder,) = made.folder.rglob(f"{root}/assessments")
    damaged, odd, *_ = sorted(folder.iterdir())
    damaged.write_text("x: 1")
    odd.write_text(odd.read_text().replace("assessment_name: ", 'assessment_name: "\\x01" #'))
    (folder.parent / "tags" / "bytes").write_bytes(b"\xff")
    report = ws.import_mlflow(made.uri)
    assert told(report) == {
        ("trace", failing),
        ("assessment", str(damaged)),
        ("assessment", f"{root}/{odd.stem}"),
        ("tag", str(folder.parent / "tags" / "bytes")),
    }
    assert report.traces == 1
    assert len(ws.connection.traces.get(root).assessments) == 1
