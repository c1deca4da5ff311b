"""What an experiment has beside its runs goes with it: whole, once, and nothing that lies."""

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.evaluation.model import (
    CreateEvaluationDataset,
    EvaluationDataset,
    EvaluationRecord,
    PutRecord,
    PutRecords,
    RecordSource,
    UpdateEvaluationDataset,
)
from ml_workspace_lab.evaluation.scorer import RegisterScorer, SetScorerSampling
from ml_workspace_lab.experiments.model import CreateExperiment, StartRun
from ml_workspace_lab.models.logged_model import LogModel
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.tracing.issue import CreateIssue, Issue
from ml_workspace_lab.tracing.model import (
    AddSpans,
    CreateAssessment,
    Span,
    StartTrace,
    TraceInfo,
    UpdateTrace,
)
from ml_workspace_lab.transfer.folder import ExportedExperiment, encode
from ml_workspace_lab.transfer.report import ImportReport

KINDS = ("logged_models", "traces", "issues", "scorers", "evaluation_datasets")
TRACE = "tr-0123"
JUDGE = json.dumps({"name": "good", "builtin_scorer_class": "Safety"})


@pytest.fixture
def chat(ws: Workspace) -> Workspace:
    """A workspace with an experiment that has one of everything, and a run that goes on."""
    all_ = ws.connection
    all_.experiments.create(CreateExperiment("chat"))
    run = all_.runs.start("chat", StartRun()).run_id
    issue = all_.issues.create(
        "chat", CreateIssue("slow", "It is.", severity="high", root_causes=["ü"], source_run=run)
    )
    trace = StartTrace(
        TRACE, 1000, 12, "ERROR", "mine", "asked\n", "told", {"k": "v"}, {"m": "w"},
    )  # fmt: skip
    all_.traces.start("chat", trace)
    all_.traces.update(TRACE, UpdateTrace(link_runs=[run]))
    spans = [
        Span(TRACE, "0" * 15 + "1", "root", 1_000_000, 9_000_000, '{"n": 1}', status="ERROR"),
        Span(TRACE, "0" * 15 + "2", "leaf", 2_000_000, 3_000_000, "{}", "0" * 15 + "1", "TOOL"),
    ]
    all_.traces.add_spans("chat", AddSpans(spans))
    all_.traces.put_file(TRACE, "deep/traces.json", BytesIO(b"{}"))
    first = all_.assessments.create(TRACE, CreateAssessment("feedback", "good", {"value": False}))
    again = CreateAssessment(
        "feedback", "good", {"value": 0.5}, {"source_type": "HUMAN"}, "because", {"a": "b"},
        overrides=first.assessment_id,
    )  # fmt: skip
    all_.assessments.create(TRACE, again)
    all_.assessments.create(TRACE, CreateAssessment("issue", issue.issue_id, {"value": 1}))
    all_.scorers.register("chat", RegisterScorer("safe", JUDGE))
    all_.scorers.register("chat", RegisterScorer("safe", JUDGE.replace("good", "better")))
    all_.scorers.set_sampling("chat", "safe", SetScorerSampling(0.0, "trace.status = 'OK'"))
    asked = CreateEvaluationDataset("golden", ["chat"], {"mlflow.user": "ada"})
    dataset = all_.evaluation_datasets.create(asked).dataset_id
    records = [
        PutRecord({"q": "1+1"}, 2, {"answer": 2}, {"mlflow.user": "bob"}, RecordSource("HUMAN")),
        PutRecord({"q": "ü"}),
    ]
    all_.evaluation_records.put(dataset, PutRecords(records))
    model = all_.logged_models.create(LogModel("chat", "net", foreign_run="of another tool"))
    all_.logged_models.put_file(model.model_id, "w.bin", BytesIO(b"weights"))
    return ws


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs").rglob("*") if path.is_file()}


def trace(ws: Workspace) -> TraceInfo:
    found: TraceInfo = ws.connection.traces.get(TRACE)
    return found


def only_issue(ws: Workspace, issue_id: str) -> Issue:
    found: Issue = ws.connection.issues.get(issue_id)
    return found


def dataset(ws: Workspace, id_: str) -> tuple[EvaluationDataset, list[EvaluationRecord]]:
    """A dataset without the numbers of its experiments, which each workspace gives itself."""
    found = ws.connection.evaluation_datasets.get(id_)
    names = dict.fromkeys(found.experiments, 0)
    records = ws.connection.evaluation_records.list(id_).items
    return msgspec.structs.replace(found, experiments=names), records


def added(report: ImportReport) -> list[int]:
    return [getattr(report, kind) for kind in KINDS]


def test_all_is_the_same_in_the_other_workspace(
    chat: Workspace, other: Workspace, tmp_path: Path
) -> None:
    exported = chat.export_experiments("chat", tmp_path / "out")
    assert [getattr(exported, kind) for kind in KINDS] == [1] * 5
    assert [left.what for left in exported.left_out] == ["run"]
    report = other.import_experiments(tmp_path / "out")
    assert (added(report), report.skipped, report.not_mapped) == ([1] * 5, 0, [])
    here, there = trace(chat), trace(other)
    assert msgspec.structs.replace(here, experiment_number=0) == msgspec.structs.replace(
        there, experiment_number=0
    )
    a, b = chat.connection, other.connection
    assert b.traces.spans(TRACE) == a.traces.spans(TRACE)
    assert b.traces.file(TRACE, "deep/traces.json").read() == b"{}"
    (said,) = (one.name for one in here.assessments if one.kind == "issue")
    issue = only_issue(chat, said)
    assert issue.traces == 1
    assert only_issue(other, said) == msgspec.structs.replace(
        issue, experiment_number=only_issue(other, said).experiment_number
    )
    versions = [a.scorers.versions("chat", "safe").items, b.scorers.versions("chat", "safe").items]
    told = [[(one.version, one.content, one.created) for one in items] for items in versions]
    assert told[0] == told[1]
    assert len(told[0]) == 2
    (found,) = listed(tmp_path / "out").evaluation_datasets
    assert dataset(other, found) == dataset(chat, found)
    assert len(dataset(other, found)[1]) == 2
    (model,) = listed(tmp_path / "out").logged_models
    assert b.logged_models.get(model).run_id == "of another tool"
    assert b.logged_models.file(model, "w.bin").read() == b"weights"


def test_again_it_changes_nothing_and_back_it_is_the_same(
    chat: Workspace, other: Workspace, tmp_path: Path
) -> None:
    chat.export_experiments("chat", tmp_path / "out")
    before = names(tmp_path / "out")
    chat.export_experiments("chat", tmp_path / "out")
    assert names(tmp_path / "out") == before
    other.import_experiments(tmp_path / "out")
    for workspace in (other, chat):
        report = workspace.import_experiments(tmp_path / "out")
        assert (added(report), report.skipped, report.not_mapped) == ([0] * 5, 5, [])
    other.export_experiments("chat", tmp_path / "back")
    assert names(tmp_path / "back") == before


def test_what_is_there_otherwise_stays_and_is_told(
    chat: Workspace, other: Workspace, tmp_path: Path
) -> None:
    chat.export_experiments("chat", tmp_path / "out")
    other.import_experiments(tmp_path / "out")
    chat.connection.traces.update(TRACE, UpdateTrace(tags={"k": "changed"}))
    chat.connection.scorers.register("chat", RegisterScorer("safe", JUDGE))
    chat.export_experiments("chat", tmp_path / "out")
    report = other.import_experiments(tmp_path / "out")
    told = {one.what: one.reason for one in report.not_mapped}
    assert set(told) == {"trace", "scorer"}
    assert "tags" in told["trace"]
    assert "versions" in told["scorer"]
    assert trace(other).tags["k"] == "v"


def test_a_dataset_of_two_experiments_is_there_once_and_both_use_it(
    chat: Workspace, other: Workspace, tmp_path: Path
) -> None:
    chat.export_experiments("chat", tmp_path / "out")
    (found,) = listed(tmp_path / "out").evaluation_datasets
    chat.connection.experiments.create(CreateExperiment("second"))
    change = UpdateEvaluationDataset(add_experiments=["second"])
    chat.connection.evaluation_datasets.update(found, change)
    chat.export_experiments(["chat", "second"], tmp_path / "both")
    report = other.import_experiments(tmp_path / "both")
    assert (report.evaluation_datasets, report.skipped, report.not_mapped) == (1, 1, [])
    assert sorted(dataset(other, found)[0].experiments) == ["chat", "second"]


def test_a_trace_that_a_run_has_announced_is_taken(
    chat: Workspace, other: Workspace, tmp_path: Path
) -> None:
    chat.export_experiments("chat", tmp_path / "out")
    other.connection.experiments.create(CreateExperiment("early"))
    run = other.connection.runs.start("early", StartRun()).run_id
    other.connection.traces.update(TRACE, UpdateTrace(link_runs=[run]))
    assert other.import_experiments(tmp_path / "out").traces == 1
    assert trace(other).experiment == "chat"
    assert run in trace(other).runs


def test_an_earlier_folder_without_any_is_read_and_gets_them(
    chat: Workspace, other: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    chat.export_experiments("chat", folder)
    (path,) = (folder / "experiments").iterdir()
    whole = json.loads(path.read_bytes())
    path.write_text(json.dumps({name: whole[name] for name in ("experiment", "runs")}))
    (folder / "export.json").write_text('{"format": "ml-workspace-export", "version": 1}')
    report = other.import_experiments(folder)
    assert (report.experiments, added(report), report.not_mapped) == (1, [0] * 5, [])
    chat.export_experiments("chat", folder)
    assert json.loads((folder / "export.json").read_bytes())["version"] == 2
    assert added(other.import_experiments(folder)) == [1] * 5


def listed(folder: Path) -> ExportedExperiment:
    (path,) = (folder / "experiments").iterdir()
    return msgspec.json.decode(path.read_bytes(), type=ExportedExperiment)


def lie(folder: Path, kind: str, path: str, value: Any) -> None:
    """Change one part of what the only thing of that kind is said to be, named by its path."""
    whole, blobs = listed(folder), Blobs(folder / "blobs")
    known: dict[str, str] = getattr(whole, kind)
    ((id_, digest),) = known.items()
    said = json.loads(blobs.read(digest))
    *parents, last = path.split(".")
    part = said
    for name in parents:
        part = part[int(name)] if isinstance(part, list) else part[name]
    part[int(last) if isinstance(part, list) else last] = value
    known[id_] = blobs.add(BytesIO(json.dumps(said).encode()))[0]
    (file,) = (folder / "experiments").iterdir()
    file.write_bytes(encode(whole))


@pytest.mark.parametrize(
    ("kind", "path", "value", "reason"),
    [
        ("traces", "trace_id", "tr-9", "described as tr-9"),
        ("traces", "files.0.path", "../x", "part"),
        ("traces", "files.0.size", 7, "has 2 bytes"),
        ("traces", "files.0.digest", "0" * 64, "missing"),
        ("traces", "spans.0.span_id", "x", "span"),
        ("traces", "spans.0.status", "FINE", "FINE"),
        ("traces", "assessments.1.assessment_id", "a-1", "assessment"),
        ("traces", "tags", {"a\n": "b"}, "tags"),
        ("traces", "created", 2**63, "created"),
        ("traces", "more", 1, "more"),
        ("issues", "status", "closed", "closed"),
        ("issues", "issue_id", "iss-1", "issue"),
        ("scorers", "versions", [], "versions"),
        ("scorers", "versions.1.version", 1, "number of its own"),
        ("scorers", "versions.0.content", '{"call_source": "import os"}', "not supported"),
        ("scorers", "versions.0.content", "{", "JSON"),
        ("scorers", "sampling.share", 0.5, "nobody does"),
        ("scorers", "sampling.filter", "no grammar", "no"),
        ("evaluation_datasets", "records.1.inputs", {"q": "1+1"}, "same inputs"),
        ("evaluation_datasets", "records.0.record_id", "dr-1", "record"),
        ("evaluation_datasets", "digest", "x", "digest"),
        ("logged_models", "run_id", "0" * 32, "of a run"),
        ("logged_models", "files.0.path", "/etc/passwd", "absolute"),
    ],
)
def test_a_thing_that_lies_is_refused_by_itself(
    chat: Workspace, other: Workspace, tmp_path: Path, kind: str, path: str, value: Any, reason: str
) -> None:
    chat.export_experiments("chat", tmp_path / "out")
    lie(tmp_path / "out", kind, path, value)
    report = other.import_experiments(tmp_path / "out")
    assert [getattr(report, one) for one in KINDS] == [int(one != kind) for one in KINDS]
    (told,) = report.not_mapped
    assert re.search(reason, told.reason), told.reason


def test_an_assessment_or_a_record_of_another_is_not_taken_over(
    chat: Workspace, other: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    chat.export_experiments("chat", folder)
    other.import_experiments(folder)
    whole, blobs = listed(folder), Blobs(folder / "blobs")
    for kind, name, new in (
        ("traces", "trace_id", "tr-9"),
        ("evaluation_datasets", "dataset_id", f"d-{'9' * 32}"),
    ):
        known: dict[str, str] = getattr(whole, kind)
        ((_, digest),) = known.items()
        said = {**json.loads(blobs.read(digest)), name: new}
        known.clear()
        known[new] = blobs.add(BytesIO(json.dumps(said).encode()))[0]
    (file,) = (folder / "experiments").iterdir()
    file.write_bytes(encode(whole))
    report = other.import_experiments(folder)
    assert sorted(one.id for one in report.not_mapped) == [f"d-{'9' * 32}", "tr-9"]
    assert all("another" in one.reason for one in report.not_mapped)
    assert len(trace(other).assessments) == 3
