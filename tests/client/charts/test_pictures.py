"""Pictures are well-formed whatever the data says, and every text in them is text."""

import random
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.client.charts.classes import accuracy_table, confusion_matrix
from ml_workspace_lab.client.charts.curves import draw_accuracy_table, recall_curve, roc_curve
from ml_workspace_lab.client.charts.matrix import draw_confusion_matrix
from ml_workspace_lab.client.charts.schemas import ConfusionMatrix
from ml_workspace_lab.client.charts.svg import Panel, ticks

HOSTILE = "<script>alert('1')</script>\"&]]>\x00\x1b\ufffe"
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    elements = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert elements <= {"svg", "title", "desc", "rect", "text", "polyline", "circle"}
    return root


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


@given(title=st.text(), about=st.text(), label=st.text())
def test_any_text_makes_a_well_formed_picture(title: str, about: str, label: str) -> None:
    parsed(draw_confusion_matrix(ConfusionMatrix([label, 1.5], [[1, 0], [2, 3]]), title, about))


def test_hostile_names_are_text() -> None:
    svg = draw_confusion_matrix(confusion_matrix([HOSTILE], [HOSTILE]), HOSTILE, HOSTILE)
    assert "<script" not in svg
    assert any(text.startswith("<script>") for text in texts(svg))
    parsed(draw_accuracy_table(accuracy_table([HOSTILE, "b"], [0.1, 0.9]), HOSTILE, HOSTILE))


def test_the_matrix_shows_counts_and_shares_of_the_row() -> None:
    shown = texts(draw_confusion_matrix(confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1]), "cm", ""))
    assert {"2", "67%", "1", "33%", "100%", "0", "0%"} <= set(shown)


@pytest.mark.parametrize("classes", [1, 2, 10, 40, 64, 65, 999])
def test_matrices_of_any_size_stay_small_enough_to_draw(classes: int) -> None:
    labels = list(range(classes))
    svg = draw_confusion_matrix(confusion_matrix(labels, labels), "many", "")
    assert len(svg) < 600_000
    assert any(f"of {classes} classes" in text for text in texts(svg)) == (classes > 64)


def test_classes_that_are_not_drawn_are_said() -> None:
    generator = random.Random(1)
    rows = [[generator.random() / 12 for _ in range(12)] for _ in range(60)]
    svg = draw_accuracy_table(accuracy_table([n % 12 for n in range(60)], rows), "roc", "")
    assert "8 of 12 classes are drawn; the data has them all." in texts(svg)


def test_a_class_without_samples_has_no_curve() -> None:
    found = accuracy_table([0, 0], [[0.5, 0.5]] * 2, labels=[0, 1])
    assert roc_curve(found.probability_tables[1]) == []
    assert recall_curve(found.probability_tables[1]) == []
    assert any("nan" in text for text in texts(draw_accuracy_table(found, "roc", "")))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e308))
def test_axes_bear_any_range(low: float, more: float) -> None:
    high = min(low + more, 1.7e308)
    values = ticks(low, high)
    assert len(values) <= 12
    panel = Panel(0, 0, 100, 100, (low, max(low, high)), (0, 1))
    assert -1 <= panel.x(low) <= 101
