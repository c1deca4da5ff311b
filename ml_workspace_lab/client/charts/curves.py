"""The picture of an accuracy table: ROC and precision-recall curves."""

from collections.abc import Sequence
from itertools import pairwise

from ml_workspace_lab.client.charts.schemas import AccuracyTable
from ml_workspace_lab.client.charts.svg import COLORS, GRID, Panel, clipped, document, label, line

_SIDE, _TOP = 300, 64
Points = list[tuple[float, float]]


def draw_accuracy_table(data: AccuracyTable, title: str, about: str) -> str:
    """Both curves beside each other with a line for each class against the others, and in the
    legend the areas below; more than eight classes are said not to be drawn."""
    roc = Panel(70, _TOP, _SIDE, _SIDE, (0, 1), (0, 1))
    recall = Panel(70 + _SIDE + 90, _TOP, _SIDE, _SIDE, (0, 1), (0, 1))
    parts = [
        roc.frame("false positive rate", "true positive rate"),
        line([(roc.x(0), roc.y(0)), (roc.x(1), roc.y(1))], GRID, 2),
        recall.frame("recall", "precision"),
    ]
    classes = len(data.class_labels)
    for place in range(min(classes, len(COLORS))):
        color, y = COLORS[place], _TOP + _SIDE + 64 + 18 * place
        table = [*data.probability_tables[place], *data.percentile_tables[place]]
        roc_points, recall_points = roc_curve(table), recall_curve(table)
        parts.append(line([(roc.x(x), roc.y(v)) for x, v in roc_points], color, 2))
        parts.append(line([(recall.x(x), recall.y(v)) for x, v in recall_points], color, 2))
        parts.append(line([(70, y - 4), (94, y - 4)], color, 3))
        name = clipped(str(data.class_labels[place]), 40)
        areas = f"area below ROC {area(roc_points):.3f}, precision-recall {area(recall_points):.3f}"
        parts.append(label(102, y, f"{name}: {areas}"))
    bottom = _TOP + _SIDE + 64 + 18 * min(classes, len(COLORS))
    if classes > len(COLORS):
        note = f"{len(COLORS)} of {classes} classes are drawn; the data has them all."
        parts.append(label(70, bottom, note, size=11, fill="#666666"))
    return document(recall.left + _SIDE + 30, bottom + 16, title, about, parts)


def roc_curve(table: Sequence[Sequence[float]]) -> Points:
    """False and true positive rates of counts at thresholds, from (0, 0) to (1, 1); a class that
    has no samples, or nothing else, has no curve: the list is empty."""
    rates = [
        (false / (false + rejected), true / (true + missed))
        for true, false, rejected, missed in table
        if true + missed and false + rejected
    ]
    return sorted({(0.0, 0.0), *rates, (1.0, 1.0)}) if rates else []


def recall_curve(table: Sequence[Sequence[float]]) -> Points:
    """Recall and precision of counts at thresholds, by rising recall; empty where the class has no
    samples."""
    found = sorted(
        {
            (true / (true + missed), true / (true + false))
            for true, false, _, missed in table
            if true + missed and true + false
        },
        key=lambda point: (point[0], -point[1]),
    )
    return [(0.0, found[0][1]), *found] if found else []


def area(points: Points) -> float:
    """The area below a curve by trapezoids; NaN where there is no curve."""
    if not points:
        return float("nan")
    return sum((after[0] - at[0]) * (after[1] + at[1]) / 2 for at, after in pairwise(points))
