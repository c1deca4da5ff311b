"""Figures become files in the form that their suffix says."""

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from plotly.graph_objects import Figure as PlotlyFigure

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.figures import PNG, figure_file, image, with_suffix
from ml_workspace_lab.errors import InvalidInput


def drawn() -> Figure:
    figure = Figure()
    figure.subplots().plot([1, 2, 3])
    return figure


@pytest.mark.parametrize(
    ("name", "kept", "start"),
    [
        ("loss", "loss.png", PNG),
        ("a/loss.PNG", "a/loss.PNG", PNG),
        ("loss.svg", "loss.svg", b"<?xml"),
        ("loss.pdf", "loss.pdf", b"%PDF"),
    ],
)
def test_a_figure_of_matplotlib(name: str, kept: str, start: bytes) -> None:
    path, content = figure_file(drawn(), name)
    assert path == kept
    assert content.startswith(start)


def test_a_figure_of_plotly() -> None:
    figure = PlotlyFigure({"data": [{"type": "bar", "y": [1, 2]}]})
    path, content = figure_file(figure, "bars")
    assert path == "bars.plotly.json"
    assert json.loads(content)["data"][0]["y"] == [1, 2]
    assert figure_file(figure, "bars.json") == ("bars.json", content)
    path, content = figure_file(figure, "bars.html")
    assert path == "bars.html"
    assert b"<html>" in content


@pytest.mark.parametrize("name", ["loss.gif", "v1.2.GIF", "loss.html"])
def test_a_suffix_without_a_form_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"\.png or \.svg or \.pdf") as refusal:
        figure_file(drawn(), name)
    assert refusal.value.field == "name"


def test_what_is_no_figure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refusal:
        figure_file(object(), "x")
    assert refusal.value.field == "figure"
    (tmp_path / "x.png").write_text("not a PNG")
    for path, plot in ((None, None), ("x", drawn()), (None, object()), (tmp_path / "x.png", None)):
        with pytest.raises(InvalidInput):
            image(path, plot)


def test_a_suffix_is_added_where_there_is_none() -> None:
    assert with_suffix("a.b/page", ".html") == "a.b/page.html"
    assert with_suffix("page.HTM", ".html", ".htm") == "page.HTM"
    assert with_suffix("config v1.2", ".json") == "config v1.2.json"
    assert with_suffix("fold.b", ".json") == "fold.b.json"
    assert figure_file(drawn(), "lr=0.01")[0] == "lr=0.01.png"
    assert figure_file(drawn(), "lr=1.e-3.svg")[0] == "lr=1.e-3.svg"


def test_a_number_behind_a_dot_is_no_suffix(either: Workspace) -> None:
    run = either.experiment("names").start_logging()
    run.log_figure(drawn(), "lr=0.01")
    run.log_dict({}, "config v1.2")
    run.log_html("", "report 1.2")
    run.log_text("", "notes 1.2")
    run.log_text("", "main.rs")
    run.complete()
    assert sorted(run.get_file_names()) == [
        "config v1.2.json",
        "lr=0.01.png",
        "main.rs",
        "notes 1.2.txt",
        "report 1.2.html",
    ]
