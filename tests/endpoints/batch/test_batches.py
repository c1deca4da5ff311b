"""Batches as runs, by real processes."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_workspace_lab import Endpoint, Model, Workspace
from ml_workspace_lab.cli.main import run as command
from ml_workspace_lab.client.contents import put_file
from ml_workspace_lab.client.run import Run
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import PathInput, RunInput
from ml_workspace_lab.models.compiled.model import KeepCompilation
from tests.conftest import Server
from tests.endpoints.batch.support import ended, frame, lines_endpoint
from tests.endpoints.support import scale_endpoint, scale_model
from tests.endpoints.support import script as script_file
from tests.models.compiled import made

PREDICTIONS = "outputs/predictions.parquet"
ERRORS = "outputs/errors.csv"
SUMMARY = "outputs/summary.json"


def predictions(run: Run) -> pd.DataFrame:
    assert run.info().state is RunState.COMPLETED, run.get_log()
    return pq.read_table(io.BytesIO(run.read_artifact(PREDICTIONS))).to_pandas()


def errors(run: Run) -> list[list[str]]:
    return list(csv.reader(io.StringIO(run.read_artifact(ERRORS).decode())))[1:]


def test_a_hundred_thousand_rows_are_scored_but_for_the_bad_ones(
    ws: Workspace, tmp_path: Path
) -> None:
    endpoint = lines_endpoint(ws)
    rows = frame(100_000)
    text = rows.to_csv(index_label="id").splitlines()
    text[1 + 777] = "777,abc,1"
    text[1 + 50_000] = "50000,1"
    text[1 + 99_999] = "99999,,5"
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(text))
    run = ended(endpoint.invoke_batch(path, mini_batch_size=2000, error_threshold=3))
    found = predictions(run)
    bad = [777, 50_000, 99_999]
    good = rows.drop(index=bad)
    assert list(found.columns) == ["file", "row", "prediction"]
    assert set(found.file) == {"rows.csv"}
    assert found.row.tolist() == good.index.tolist(), "each row once, in the order of the input"
    np.testing.assert_allclose(found.prediction, 2 * good.a + 3 * good.b, atol=1e-9)
    named = errors(run)
    assert [(file, int(row)) for file, row, _ in named] == [("rows.csv", row) for row in bad]
    assert named[0][2] == "column 'a': 'abc' is not a number"
    assert named[1][2] == "has 2 fields for 3 columns"
    assert "NaN" in named[2][2]
    summary = json.loads(run.read_artifact(SUMMARY))
    assert (summary["rows"], summary["failed_rows"], summary["mini_batches"]) == (100_000, 3, 50)
    metrics = run.info().metrics
    assert metrics["rows"].last == 100_000
    assert metrics["failed_rows"].last == 3
    assert metrics["rows_per_second"].last > 0
    assert not [name for name in run.get_file_names() if "finished" in name]
    lineage = {one.kind: one for one in run.get_lineage()}
    assert lineage["model"].name == "lines:1"
    assert lineage["dataset"].name == str(path)
    assert lineage["dataset"].data["rows"] == 100_000
    assert run.info().experiment == "lines"
    assert run.tags["model"] == "lines:1"


def test_too_many_bad_rows_end_the_run_and_one_that_resumes_it_may_allow_more(
    ws: Workspace, tmp_path: Path
) -> None:
    endpoint = lines_endpoint(ws)
    path = tmp_path / "rows.jsonl"
    lines = ['{"a": 1, "b": 2}', "nonsense"] * 20
    path.write_text("\n".join(lines))
    run = ended(
        endpoint.invoke_batch(
            path, mini_batch_size=4, error_threshold=5, max_concurrency_per_instance=1
        )
    )
    assert run.get_status() is RunState.FAILED
    assert "more than the error_threshold of 5" in run.get_log()
    assert errors(run)[0][:2] == ["rows.jsonl", "1"]
    assert PREDICTIONS not in run.get_file_names()
    again = ended(endpoint.invoke_batch(path, mini_batch_size=4, resume_from=run))
    assert predictions(again).row.tolist() == list(range(0, 40, 2))
    assert "are finished already" in again.get_log()
    assert len(errors(again)) == 20


def test_an_input_of_other_columns_ends_the_run_at_once(ws: Workspace, tmp_path: Path) -> None:
    endpoint = lines_endpoint(ws)
    run = ended(endpoint.invoke_batch(pd.DataFrame({"a": range(5000), "c": range(5000)})))
    assert run.get_status() is RunState.FAILED
    assert "Missing: b. Unknown: c." in run.get_log()


def test_files_are_sent_to_a_workspace_on_a_server(server: Server, tmp_path: Path) -> None:
    ws = server.connect()
    endpoint = lines_endpoint(ws)
    frame(10).to_csv(tmp_path / "rows.csv", index=False)
    run = ended(endpoint.invoke_batch(tmp_path / "rows.csv", mini_batch_size=3))
    assert predictions(run).row.tolist() == list(range(10))
    assert {one.name for one in run.get_lineage()} == {"lines:1", "rows.csv"}
    with pytest.raises(InvalidInput, match="not an absolute path"):
        endpoint.invoke_batch(PathInput("rows.csv"))
    endpoint.delete()


@pytest.mark.parametrize("form", ["frame", "table", "folder"])
def test_tables_and_folders_are_inputs(ws: Workspace, tmp_path: Path, form: str) -> None:
    endpoint = lines_endpoint(ws)
    rows = frame(300)
    data: object = rows if form == "frame" else pa.Table.from_pandas(rows)
    if form == "folder":
        data = tmp_path / "in"
        (tmp_path / "in/b").mkdir(parents=True)
        rows[:100].to_csv(tmp_path / "in/a.csv", index=False)
        rows[100:].to_parquet(tmp_path / "in/b/rest.parquet")
    run = ended(endpoint.invoke_batch(data, mini_batch_size=64))
    found = predictions(run)
    np.testing.assert_allclose(found.prediction, 2 * rows.a + 3 * rows.b, atol=1e-9)
    if form == "folder":
        assert found.file.unique().tolist() == ["a.csv", "b/rest.parquet"]
        assert found.row.tolist() == [*range(100), *range(200)]


def test_a_list_of_files_is_an_input(
    ws: Workspace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines_endpoint(ws)
    for name in ("b/rows.csv", "a/rows.csv", "a/_left.csv", "a/not.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        frame(10).to_csv(tmp_path / name, index=False)
    (tmp_path / "a/more.jsonl").symlink_to(tmp_path / "of.jsonl")
    (tmp_path / "of.jsonl").write_text('{"a": 1, "b": 1}\n')
    paths = [tmp_path / "b/../b/rows.csv", tmp_path / "a/rows.csv", tmp_path / "a/more.jsonl"]
    words = ["-w", ws.location, "endpoint", "invoke-batch", "lines", *map(str, paths)]
    assert command([*words, "--follow"]) == 0, capfd.readouterr()
    [run] = ws.runs()
    found = predictions(run)
    assert found.file.unique().tolist() == ["a/more.jsonl", "a/rows.csv", "b/rows.csv"]
    assert len(found) == 21
    [rows] = [one for one in run.get_lineage() if one.kind == "dataset"]
    assert rows.name == "3 files"
    with pytest.raises(InvalidInput, match="would be left out"):
        Endpoint(ws, "lines").invoke_batch([tmp_path / "a/_left.csv"])
    with pytest.raises(InvalidInput, match="twice"):
        Endpoint(ws, "lines").invoke_batch([paths[1], str(paths[1])])


def test_the_verified_graph_of_the_deployment_scores(ws: Workspace, tmp_path: Path) -> None:
    model = Model.register(ws, "graph", model=made.pipeline(), input_example=made.NAMED)
    endpoint = Endpoint.deploy(ws, "graph", model)
    served = endpoint.info().served_by
    assert served is not None
    assert served.engine == "onnxruntime", served.reason
    rows = pd.concat([made.NAMED] * 20, ignore_index=True)
    rows.loc[7, "b"] = float("nan")
    rows.assign(id=range(len(rows))).to_parquet(tmp_path / "rows.parquet")
    run = ended(endpoint.invoke_batch(tmp_path / "rows.parquet", mini_batch_size=100))
    found = predictions(run)
    assert run.tags["engine"] == str(served)
    assert f"Scored by {served}." in run.get_log()
    assert [row for _, row, _ in errors(run)] == ["7"]
    native = made.pipeline().predict(rows.drop(index=7))
    gap = np.abs(found.prediction - native) / np.maximum(np.abs(native), 1)
    assert 0 < gap.max() <= (served.tolerance or 0), "it is a graph, and within its tolerance"

    stopped = ended(endpoint.invoke_batch(tmp_path / "rows.parquet", error_threshold=0))
    assert stopped.get_status() is RunState.FAILED

    Endpoint.deploy(ws, "graph", model, engine="native")
    asked = endpoint.invoke_batch(tmp_path / "rows.parquet", mini_batch_size=100)
    np.testing.assert_allclose(predictions(ended(asked)).prediction, native, rtol=1e-12)
    assert asked.tags["engine"] == "native (it was asked for)"
    other = ended(endpoint.invoke_batch(tmp_path / "rows.parquet", resume_from=stopped))
    assert other.get_status() is RunState.FAILED
    assert "scored by a graph with the digest" in other.get_log()


def test_a_graph_that_does_not_repeat_its_answers_scores_nothing(
    ws: Workspace, tmp_path: Path
) -> None:
    model = Model.register(ws, "graph", model=made.boosting(), input_example=made.ROWS)
    kept = model.compile(made.ROWS)
    assert kept.onnx is not None
    graph = onnx.load_model_from_string(ws.connection.storage.blobs.read(kept.onnx))
    [notes] = graph.metadata_props
    told = json.loads(notes.value)
    told["answers"][0] += 1.0
    notes.value = json.dumps(told)
    digest, _ = put_file(ws.connection, graph.SerializeToString())
    body = KeepCompilation(content=kept.content, verdict=kept.verdict, onnx=digest)
    ws.connection.compilations.keep("graph", 1, body)
    endpoint = Endpoint.deploy(ws, "graph", model, wait=False)
    run = ended(endpoint.invoke_batch(pd.DataFrame(made.ROWS, columns=list("abcd"))))
    np.testing.assert_allclose(predictions(run).prediction, made.boosting().predict(made.ROWS))
    assert "numbers differ by up to" in run.tags["engine"]


def test_what_a_run_made_is_an_input(ws: Workspace, tmp_path: Path) -> None:
    endpoint = lines_endpoint(ws)
    frame(10).to_csv(tmp_path / "rows.csv", index=False)
    with ws.experiment("e").start_logging() as made:
        made.upload_file("outputs/rows.csv", tmp_path / "rows.csv")
    one = RunInput(made.id, "outputs/rows.csv")
    run = ended(endpoint.invoke_batch(one))
    assert len(predictions(run)) == 10
    assert len(predictions(ended(endpoint.invoke_batch(made)))) == 10
    with pytest.raises(InvalidInput, match=r"no artifact 'outputs/other.csv'") as refusal:
        endpoint.invoke_batch(RunInput(made.id, "outputs/other.csv"))
    assert "outputs/rows.csv" in str(refusal.value.hint)
    assert {one.name for one in run.get_lineage()} >= {f"runs:/{made.id}/outputs/rows.csv"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("no/such.csv", "no file or folder"),
        (Path(__file__), "no format"),
        ("s3://bucket/rows.csv", "is an address"),
        (["s3://bucket/rows.csv"], "is an address"),
        ([Path(__file__)], "no format"),
        (["no/such.csv"], "no file"),
        ((Path(__file__).parent / "_rows.csv",), "no file"),
        (RunInput("ab" * 16), "run"),
        ([1, 2], "a list"),
    ],
)
def test_a_wrong_input_is_refused_before_anything_is_queued(
    ws: Workspace, tmp_path: Path, data: object, said: str
) -> None:
    endpoint = scale_endpoint(ws, tmp_path)
    with pytest.raises(InvalidInput, match=said) as refusal:
        endpoint.invoke_batch(data)
    assert refusal.value.field in ("input", "data")
    for field, options in (
        ("mini_batch_size", {"mini_batch_size": 0}),
        ("output_action", {"output_action": "append"}),
        ("timeout", {"retry_settings": {"timeout": -1}}),
        ("scoring_script", {"scoring_script": tmp_path / "none.py"}),
    ):
        with pytest.raises(InvalidInput) as refusal:
            endpoint.invoke_batch(frame(1), **options)
        assert refusal.value.field == field
    with pytest.raises(NotFound):
        endpoint.invoke_batch(frame(1), resume_from="ab" * 16)
    assert ws.runs() == []


def test_the_script_of_the_endpoint_scores_as_it_does_there(ws: Workspace, tmp_path: Path) -> None:
    script = """
import json
def run(data):
    rows = json.loads(data)["data"]
    if any(row[0] == 5 for row in rows):
        raise RuntimeError("five")
    return json.dumps({"y": [row[0] * 2 for row in rows]})
"""
    model = scale_model(ws, tmp_path, 2)
    endpoint = model.deploy("scale", scoring_script=script_file(tmp_path, script))
    run = ended(endpoint.invoke_batch(pd.DataFrame({"x": range(10)}), mini_batch_size=4))
    found = predictions(run)
    assert found.row.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert found.prediction.tolist() == [2 * row for row in found.row]
    assert errors(run) == [["data.parquet", "5", "RuntimeError: five"]]
    assert "Traceback" in run.get_log()


def test_summary_only_counts(ws: Workspace, tmp_path: Path) -> None:
    script = tmp_path / "count.py"
    script.write_text("def run(mini_batch): return mini_batch[mini_batch.x > 3]")
    endpoint = scale_endpoint(ws, tmp_path)
    run = ended(
        endpoint.invoke_batch(
            pd.DataFrame({"x": range(10)}), scoring_script=script, output_action="summary_only"
        )
    )
    assert sorted(run.get_file_names()) == [ERRORS, SUMMARY]
    assert json.loads(run.read_artifact(SUMMARY))["failed_rows"] == 4
    assert errors(run)[0] == ["data.parquet", "0", "run() gave no result for it"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def init(): raise RuntimeError('no weights')\ndef run(mini_batch): ...", "no weights"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("x = 1", "no function run"),
    ],
)
def test_a_script_that_can_not_be_loaded_ends_the_run(
    ws: Workspace, tmp_path: Path, text: str, said: str
) -> None:
    script = tmp_path / "bad.py"
    script.write_text(text)
    endpoint = scale_endpoint(ws, tmp_path)
    run = ended(endpoint.invoke_batch(pd.DataFrame({"x": [1]}), scoring_script=script))
    assert run.get_status() is RunState.FAILED
    assert said in run.get_log()


def test_a_mini_batch_that_kills_its_process_or_takes_too_long_fails_and_no_other(
    ws: Workspace, tmp_path: Path
) -> None:
    script = tmp_path / "deadly.py"
    script.write_text(
        "import os, time\n"
        "def run(mini_batch):\n"
        "    if 5 in set(mini_batch.x): os.abort()\n"
        "    if 15 in set(mini_batch.x): time.sleep(600)\n"
        "    return mini_batch.x\n"
    )
    endpoint = scale_endpoint(ws, tmp_path)
    run = ended(
        endpoint.invoke_batch(
            pd.DataFrame({"x": range(20)}),
            scoring_script=script,
            mini_batch_size=4,
            retry_settings={"max_retries": 1, "timeout": 2},
        )
    )
    assert predictions(run).row.tolist() == [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19]
    reasons = {int(row): reason for _, row, reason in errors(run)}
    assert sorted(reasons) == [4, 5, 6, 7, 12, 13, 14, 15]
    assert "SIGABRT" in reasons[5]
    assert "(2 tries)" in reasons[5]
    assert "took more than 2 s" in reasons[15]


def test_without_pyarrow_predictions_are_csv(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without/pyarrow.py").write_text("raise ImportError")
    found = os.pathsep.join([str(tmp_path / "without"), os.environ.get("PYTHONPATH", "")])
    endpoint = scale_endpoint(ws, tmp_path, environment_variables={"PYTHONPATH": found})
    script = tmp_path / "both.py"
    script.write_text(
        "def run(mini_batch): return [{'a': x / 2, 'row': 'z'} for x in mini_batch.x]"
    )
    (tmp_path / "rows.csv").write_text("x\n1\n2\n")
    run = ended(endpoint.invoke_batch(tmp_path / "rows.csv", scoring_script=script))
    text = run.read_artifact("outputs/predictions.csv").decode()
    assert text == "file,row,a,prediction_row\nrows.csv,0,0.5,z\nrows.csv,1,1.0,z\n"
    refused = ended(endpoint.invoke_batch(frame(1), scoring_script=script))
    assert "takes pyarrow to be read" in refused.get_log()


def test_the_command_scores_a_file_and_prints_its_log(
    ws: Workspace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines_endpoint(ws)
    frame(10).to_csv(tmp_path / "rows.csv", index=False)
    words = ["-w", ws.location, "endpoint", "invoke-batch", "lines", str(tmp_path / "rows.csv")]
    assert command([*words, "--mini-batch-size", "4", "--follow"]) == 0
    assert "10 rows are scored, 0 have failed." in capfd.readouterr().out
    assert command([*words[:-1], "no-such.csv"]) == 2
    assert "no-such.csv" in capfd.readouterr().err
