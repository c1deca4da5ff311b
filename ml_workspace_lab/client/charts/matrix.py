"""The picture of a confusion matrix: a heat map with its numbers."""

from collections.abc import Sequence

from ml_workspace_lab.client.charts.schemas import ConfusionMatrix
from ml_workspace_lab.client.charts.svg import INK, clipped, document, element, label

MOST_CELLS = 64
_TOP = 64
_DEEP = (0, 114, 178)


def draw_confusion_matrix(data: ConfusionMatrix, title: str, about: str) -> str:
    """True classes from top to bottom, predicted from left to right; the colour is the share of
    its row. More than 64 classes are summed up in groups, and the picture says so."""
    names, rows, together = _grouped([str(name) for name in data.class_labels], data.matrix)
    count = len(names)
    cell = max(8.0, min(64.0, 448 / count))
    shown = [clipped(name, 18) for name in names]
    left = 60 + 7 * max(map(len, shown))
    turned = max(map(len, shown)) * 7 > cell
    every = -(-12 // int(cell)) if cell < 12 else 1
    parts = [_row(row, left, _TOP + place * cell, cell) for place, row in enumerate(rows)]
    for place in range(0, count, every):
        middle = (place + 0.5) * cell
        parts.append(label(left - 8, _TOP + middle + 4, shown[place], anchor="end"))
        parts.append(_below(shown[place], left + middle, _TOP + count * cell + 16, turned))
    side = count * cell
    under = _TOP + side + 44 + (5 * max(map(len, shown)) if turned else 0)
    parts.append(label(left + side / 2, under, "predicted class", anchor="middle"))
    parts.append(label(20, _TOP + side / 2, "true class", anchor="middle", turned=-90))
    if together > 1:
        note = f"Each square sums up {together} by {together} of {len(data.class_labels)} classes."
        parts.append(label(16, under + 20, note, size=11, fill="#666666"))
    return document(max(320, left + side + 24), under + 32, title, about, parts)


def _row(row: Sequence[float], left: float, top: float, cell: float) -> str:
    total = sum(row) or 1
    parts = []
    for place, value in enumerate(row):
        share = value / total
        x = left + place * cell
        parts.append(
            element(
                "rect", x=x, y=top, width=cell, height=cell, fill=_color(share), stroke="#ffffff"
            )
        )
        if cell >= 24:
            ink = "#ffffff" if share > 0.55 else INK
            parts.append(_numbers(value, share, x + cell / 2, top + cell / 2, cell, ink))
    return "".join(parts)


def _numbers(value: float, share: float, x: float, y: float, cell: float, ink: str) -> str:
    """The count, and where there is room its share of the row below."""
    if cell < 44:
        text = clipped(_number(value), cell / 6)
        return label(x, y + 4, text, anchor="middle", size=10, fill=ink)
    percent = label(x, y + 15, f"{share:.0%}", anchor="middle", size=10, fill=ink)
    return label(x, y, _number(value), anchor="middle", fill=ink) + percent


def _below(text: str, x: float, y: float, turned: bool) -> str:
    if turned:
        return label(x + 4, y - 4, text, anchor="end", turned=-45)
    return label(x, y, text, anchor="middle")


def _color(share: float) -> str:
    red, green, blue = (round(255 + (deep - 255) * min(1, share)) for deep in _DEEP)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) and value < 10**6 else f"{value:.4g}"


def _grouped(
    names: Sequence[str], rows: Sequence[Sequence[float]]
) -> tuple[Sequence[str], Sequence[Sequence[float]], int]:
    """Names and counts of at most 64 groups of neighbouring classes, and how many are in one."""
    together = -(-len(names) // MOST_CELLS)
    if together == 1:
        return names, rows, 1
    starts = range(0, len(names), together)
    groups = [slice(start, start + together) for start in starts]
    summed = [[sum(sum(row[across]) for row in rows[down]) for across in groups] for down in groups]
    return [f"{names[group][0]} … {names[group][-1]}" for group in groups], summed, together
