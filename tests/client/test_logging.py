"""What a run logs as a file comes back the same through a folder and through a server."""

import io
import json
import math
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.client.growing_table import PART_ROWS
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound


@pytest.fixture
def run(either: Workspace) -> Iterator[Run]:
    run = either.experiment(f"logging-{secrets.token_hex(4)}").start_logging()
    yield run
    if not run.get_status().is_terminal:
        run.complete()


def test_several_metrics_at_once(run: Run) -> None:
    run.log_metrics({"loss": 0.5, "accuracy": np.float32(0.75)}, step=3)
    run.log_metrics({"loss": math.inf})
    assert run.get_metrics() == {"loss": [0.5, math.inf], "accuracy": 0.75}


@pytest.mark.parametrize("flag", [True, False])
def test_a_flag_is_no_step(run: Run, flag: bool) -> None:
    for log in (
        lambda: run.log("a", 1, step=flag),
        lambda: run.log_metrics({"a": 1}, step=flag),
        lambda: run.log_series("a", [1], steps=[flag]),
    ):
        with pytest.raises(InvalidInput) as refusal:
            log()
        assert str(refusal.value.field).startswith("step")
    run.log("a", 1)
    assert run.get_metric_history("a").steps.tolist() == [0]


def test_half_a_character_in_a_name_is_told_of_the_name(run: Run) -> None:
    with pytest.raises(InvalidInput, match=r"^name: holds half"):
        run.log("a\ud800", 1)


def test_metrics_are_logged_all_or_none(run: Run) -> None:
    with pytest.raises(InvalidInput) as refusal:
        run.log_metrics({"a": 1, "b": "2"})  # type: ignore[dict-item]
    assert refusal.value.field == "b"
    for refused in (
        lambda: run.log_metrics({"a": 1, "b\n": 2}),
        lambda: run.log_metrics({"a": 1}, step=1.5),  # type: ignore[arg-type]
        lambda: run.log_list("a", [1, 2, None]),  # type: ignore[list-item]
        lambda: run.log_list("a", "12"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidInput):
            refused()
    assert run.get_metrics() == {}


def test_a_table_grows_row_by_row(run: Run) -> None:
    for epoch in range(PART_ROWS + 2):
        run.log_row("history", "one a row", epoch=epoch, loss=1 / (epoch + 1))
    run.log_row("history", epoch=-1, note="the last")
    found = run.get_table("history")
    assert found["epoch"] == [*range(PART_ROWS + 2), -1]
    assert found["note"] == [None] * (PART_ROWS + 2) + ["the last"]
    assert len([name for name in run.get_file_names() if name.startswith("tables/history/")]) == 2


def test_columns_may_be_called_as_the_tables_own_arguments_are(run: Run) -> None:
    run.log_row("people", "", name="Ada", description="a cell", self="I")
    assert run.get_table("people") == {"name": ["Ada"], "description": ["a cell"], "self": ["I"]}
    run.log_row(name="as Azure has it", description="one a row", epoch=1)
    assert run.get_table("as Azure has it") == {"epoch": [1]}
    (path,) = [name for name in run.get_file_names() if name.startswith("tables/as Azure")]
    assert json.loads(run.read_artifact(path))["description"] == "one a row"
    with pytest.raises(InvalidInput, match="give the table's own first") as refusal:
        run.log_row("t", description=5, a=1)
    assert refusal.value.field == "description"
    with pytest.raises(InvalidInput) as refusal:
        run.log_row(a=1)
    assert refusal.value.field == "name"


def test_a_row_that_can_not_be_kept_leaves_the_table_as_it_was(run: Run) -> None:
    run.log_row("t", a=1)
    with pytest.raises(InvalidInput) as refusal:
        run.log_row("t", a=2, b=[1])  # type: ignore[arg-type]
    assert refusal.value.field == "b"
    with pytest.raises(InvalidInput):
        run.log_row("t", a="\ud800")
    with pytest.raises(InvalidInput):
        run.log_row("t")
    assert run.get_table("t") == {"a": [1]}
    with pytest.raises(NotFound):
        run.get_table("another")


def test_rows_of_many_threads_and_objects_are_all_kept(run: Run) -> None:
    again = run.workspace.run(run.id)

    def add(to: Run, start: int) -> None:
        for number in range(start, start + 10):
            to.log_row("t", number=number)
        to.workspace.close()

    work = [
        threading.Thread(target=add, args=(to, start))
        for to, start in ((run, 0), (run, 10), (again, 20), (again, 30))
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert sorted(run.get_table("t")["number"]) == list(range(40))


def test_rows_of_a_forked_process_do_not_overwrite_its_parents(ws: Workspace) -> None:
    code = f"""
import os
from ml_workspace_lab import Workspace
run = Workspace.open({ws.location!r}).experiment("fork").start_logging()
run.log_row("t", who="before")
child = os.fork()
run.log_row("t", who="parent" if child else "child")
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
run.complete()
print(run.id)
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    found = ws.run(ended.stdout.strip()).get_table("t")["who"]
    assert sorted(map(str, found)) == ["before", "child", "parent"]


def test_a_table_and_the_rows_below_it(run: Run) -> None:
    run.log_table("t", pd.DataFrame({"a": [1, 2]}), description="both")
    run.log_row("t", a=3)
    assert run.get_table("t") == {"a": [1, 2, 3]}
    assert json.loads(run.read_artifact("tables/t.json"))["description"] == "both"


def test_a_table_that_is_logged_again_replaces_rows_too(run: Run) -> None:
    other = run.workspace.run(run.id)
    run.log_table("q", {"a": [1]})
    run.log_row("q", a=2)
    other.log_row("q", a=3)
    run.log_row("q2", a=4)
    run.log_table("q", {"a": [9]})
    assert run.get_table("q") == {"a": [9]}
    run.log_row("q", a=10)
    assert run.get_table("q") == {"a": [9, 10]}
    with pytest.raises(InvalidInput):
        run.log_table("q", {"a": [1], "b": []})
    assert run.get_table("q") == {"a": [9, 10]}
    assert run.get_table("q2") == {"a": [4]}


def test_text_pages_and_dictionaries_come_back(run: Run) -> None:
    run.log_text("Grüße\n", "notes/first")
    run.log_html("<script>1</script>", "page")
    run.log_dict({"a": [1, math.nan], "b": {"c": None}}, "config")
    assert run.read_artifact("notes/first.txt").decode() == "Grüße\n"
    assert run.read_artifact("page.html") == b"<script>1</script>"
    assert json.loads(run.read_artifact("config.json")) == {"a": [1, "NaN"], "b": {"c": None}}
    kinds = {artifact.path: artifact.media_type for artifact in run.get_artifacts()}
    assert kinds == {
        "config.json": "application/json",
        "notes/first.txt": "text/plain",
        "page.html": "text/html",
    }


def test_figures_and_files_come_back(run: Run, tmp_path: Path) -> None:
    figure = Figure()
    figure.subplots().plot([1, 2])
    run.log_figure(figure, "plots/loss.svg")
    run.log_image("loss", plot=figure)
    (tmp_path / "a.txt").write_text("a")
    run.log_artifact(tmp_path / "a.txt")
    run.log_artifacts(tmp_path, "all")
    run.log_artifacts(tmp_path)
    assert run.get_file_names() == ["a.txt", "all/a.txt", "images/loss.png", "plots/loss.svg"]
    with pytest.raises(InvalidInput, match="is not a folder"):
        run.log_artifacts(tmp_path / "none")


GREY = np.array([[0, 128], [255, 64]], np.uint8)


@pytest.mark.parametrize(
    ("plot", "shown"),
    [
        (GREY, GREY),
        (GREY.astype(np.int64)[:, :, None], GREY),
        (GREY / 255, GREY),
        (GREY > 100, np.array([[0, 255], [255, 0]], np.uint8)),
        (np.stack([GREY] * 3, axis=2), np.stack([GREY] * 3, axis=2)),
        (Image.fromarray(GREY), GREY),
    ],
)
def test_an_array_is_kept_as_the_picture_it_is(run: Run, plot: Any, shown: Any) -> None:
    run.log_image("seen", plot=plot)
    found = np.asarray(Image.open(io.BytesIO(run.read_artifact("images/seen.png"))))
    assert found.tolist() == shown.tolist()


@pytest.mark.parametrize(
    ("plot", "reason"),
    [
        (np.zeros(3), "shape \\(3,\\)"),
        (np.zeros((2, 2, 2)), "shape"),
        (np.full((2, 2), 256), "no brightness"),
        (np.full((2, 2), math.nan), "no brightness"),
        (np.full((2, 2), "a"), "no brightness"),
        ([[1]], "list can't be saved"),
        (Image.new("CMYK", (3, 3)), "no PNG"),
    ],
)
def test_what_is_no_picture_is_refused(run: Run, plot: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"plot: .*{reason}"):
        run.log_image("seen", plot=plot)
    assert run.get_file_names() == []


def test_an_array_in_the_place_of_a_path_is_told_where_it_belongs(run: Run) -> None:
    with pytest.raises(InvalidInput, match="path: ndarray is not the name") as told:
        run.log_image("seen", GREY)  # type: ignore[arg-type]
    assert "plot=" in str(told.value)


Log = Callable[[Run, str], Any]
COMPUTED: dict[str, Log] = {
    "confusion_matrix": lambda run, name: run.log_confusion_matrix(
        name, y_true=["a", "b", "b"], y_pred=np.array(["a", "b", "a"])
    ),
    "accuracy_table": lambda run, name: run.log_accuracy_table(
        name, y_true=[0, 1, 1], y_prob=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    ),
    "residuals": lambda run, name: run.log_residuals(name, y_true=[1, 2], y_pred=[1, 3], bins=2),
    "predictions": lambda run, name: run.log_predictions(name, y_true=[1, 2], y_pred=[1, 3]),
}


@pytest.mark.parametrize("kind", COMPUTED)
def test_a_chart_is_kept_with_its_picture_and_logged_again_as_it_is(run: Run, kind: str) -> None:
    chart = COMPUTED[kind](run, "val/first")
    assert chart.path == f"charts/val/first.{kind}.json"
    content = run.read_artifact(chart.path)
    assert json.loads(content)["schema_type"] == kind
    assert run.read_artifact(chart.picture_path).decode() == chart.svg
    log = getattr(run, f"log_{kind}")
    assert log("again", content.decode()).content == content
    assert log("again", json.loads(content)).content == content
    media = {artifact.path: artifact.media_type for artifact in run.get_artifacts()}
    assert media[chart.picture_path] == "image/svg+xml"


def test_a_chart_keeps_what_its_json_says_more_and_the_description(run: Run) -> None:
    value = {
        "schema_type": "residuals",
        "schema_version": "1.0.0",
        "data": {"bin_edges": [0, 1, 2], "bin_counts": [3, 4], "mean": math.nan},
    }
    chart = run.log_residuals("r", value, "of the test set")
    kept = json.loads(run.read_artifact(chart.path))
    assert kept == {
        **value,
        "description": "of the test set",
        "data": {"bin_edges": [0, 1, 2], "bin_counts": [3, 4], "mean": "NaN"},
    }
    assert "of the test set" in chart.svg


def test_a_matrix_of_counts_will_do(run: Run) -> None:
    chart = run.log_confusion_matrix("cm", np.array([[5, 1], [0, 4]]), labels=["cat", "dog"])
    assert json.loads(chart.content)["data"] == {
        "class_labels": ["cat", "dog"],
        "matrix": [[5, 1], [0, 4]],
    }


@pytest.mark.parametrize(
    ("log", "field"),
    [
        (lambda run: run.log_confusion_matrix("c"), "value"),
        (lambda run: run.log_confusion_matrix("c", [[1]], y_true=[1], y_pred=[1]), "value"),
        (lambda run: run.log_confusion_matrix("c", y_true=[1]), "y_pred"),
        (lambda run: run.log_confusion_matrix("c", [[1, 2]]), "data.matrix[0]"),
        (lambda run: run.log_confusion_matrix("c", [[-1]]), "data.matrix[0][0]"),
        (lambda run: run.log_confusion_matrix("c", {}, labels=[1]), "labels"),
        (lambda run: run.log_confusion_matrix("c", {"data": {1: 2}}), "value"),
        (lambda run: run.log_accuracy_table("c", 5), "value"),
        (lambda run: run.log_residuals("c", "nowhere.json"), "value"),
        (lambda run: run.log_predictions("../c", y_true=[1], y_pred=[1]), "path"),
        (lambda run: run.log_predictions("c" * 250, y_true=[1], y_pred=[1]), "path"),
        (lambda run: run.log_text(b"x", "t"), "text"),
        (lambda run: run.log_text("\ud800", "t"), "text"),
        (lambda run: run.log_text("x", "../t"), "path"),
        (lambda run: run.log_html("x", "t.svg"), "name"),
        (lambda run: run.log_dict("x", "t"), "dictionary"),
        (lambda run: run.log_dict({"a": {1: 2}}, "t"), "dictionary"),
        (lambda run: run.log_dict({}, "t.yaml"), "name"),
        (lambda run: run.log_figure("x", "t"), "figure"),
        (lambda run: run.log_text("x", ""), "name"),
        (lambda run: run.log_text("x", "a/"), "name"),
        (lambda run: run.log_table("", {"a": [1]}), "name"),
        (lambda run: run.log_table(None, {"a": [1]}), "name"),
        (lambda run: run.log_row("a/", a=1), "name"),
        (lambda run: run.log_confusion_matrix("", [[1]]), "name"),
        (lambda run: run.log_residuals("a/", y_true=[1, 2], y_pred=[1, 3]), "name"),
        (lambda run: run.log_image("", plot=GREY), "name"),
        (lambda run: run.log_html("x", ""), "name"),
        (lambda run: run.log_dict({}, ""), "name"),
        (lambda run: run.log_figure(Figure(), ""), "name"),
        (lambda run: run.upload_file("x", io.StringIO("abc")), "path_or_stream"),
        (lambda run: run.upload_file("x", b"abc"), "path_or_stream"),
        (lambda run: run.upload_file("x", "nofile"), "path_or_stream"),
        (lambda run: run.upload_file("x", "."), "path_or_stream"),
        (lambda run: run.upload_file("x", "\0"), "path_or_stream"),
        (lambda run: run.log_artifact("nofile"), "local_path"),
        (lambda run: run.log_table("t", {"a": [b"x"]}), "value.a"),
    ],
)
def test_what_can_not_be_kept_is_refused_by_name_and_nothing_is_kept(
    run: Run, log: Callable[[Run], object], field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        log(run)
    assert refusal.value.field == field
    assert run.get_file_names() == []


def test_notes_and_names_can_change_after_the_end(run: Run) -> None:
    assert run.description == ""
    run.complete()
    run.description = "# Why\nIt *works*."
    run.display_name = "a better name"
    again = run.workspace.run(run.id)
    assert (again.description, again.display_name) == ("# Why\nIt *works*.", "a better name")
    with pytest.raises(InvalidInput) as refusal:
        run.display_name = ""
    assert refusal.value.field == "display_name"
    with pytest.raises(Conflict):
        run.log_metrics({"a": 1})


def test_steps_go_on_from_what_was_logged_by_other_ways(run: Run) -> None:
    run.log_series("loss", [3, 2, 1])
    run.log("loss", 0.5)
    run.log_series("loss", [0.4, 0.3])
    run.log("loss", 0.2)
    run.flush()
    again = run.workspace.run(run.id)
    again.log("loss", 0.1)
    again.log_list("new", [1, 2])
    run.log_metrics({"new": 3, "own": 0})
    for name, values in {"loss": [3, 2, 1, 0.5, 0.4, 0.3, 0.2, 0.1], "new": [1, 2, 3]}.items():
        found = run.get_metric_history(name)
        by_step = dict(zip(found.steps.tolist(), found.values.tolist(), strict=True))
        assert by_step == dict(enumerate(values))


def test_two_objects_of_a_run_count_its_steps_together(either: Workspace, run: Run) -> None:
    other = either.run(run.id)
    for value in range(6):
        (run if value % 2 else other).log("turns", value)
    assert run.get_metric_history("turns").steps.tolist() == [0, 1, 2, 3, 4, 5]
    run.complete()
    with pytest.raises(Conflict, match="has ended"):
        other.log("turns", 6)


def test_steps_of_a_forked_process_go_on(ws: Workspace) -> None:
    code = f"""
import os
from ml_workspace_lab import Workspace
run = Workspace.open({ws.location!r}).experiment("steps").start_logging()
run.log_list("m", [0, 1])
if os.fork() == 0:
    run.log("m", 2)
    os._exit(0)
os.wait()
print(run.get_metric_history("m").steps.tolist())
run.complete()
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert ended.stdout == "[0, 1, 2]\n", ended.stderr


def test_no_step_after_the_greatest_one_is_refused_by_name(run: Run) -> None:
    run.log("a", 1, step=2**63 - 1)
    for log in (
        lambda: run.log("a", 2),
        lambda: run.log_list("a", [2]),
        lambda: run.log_metrics({"a": 2}),
        lambda: run.log_series("a", [2]),
    ):
        with pytest.raises(InvalidInput, match="Give the step") as refusal:
            log()
        assert refusal.value.field == "step"
    run.log("a", 2, step=0)
    assert sorted(run.get_metric_history("a").steps.tolist()) == [0, 2**63 - 1]
