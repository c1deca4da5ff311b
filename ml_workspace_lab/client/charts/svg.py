"""Writing SVG: elements, text that is always escaped, axes."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666", "#000000")
"""Okabe and Ito's, told apart by those who see few colours too."""
GRID, INK = "#dddddd", "#222222"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(width: float, height: float, title: str, about: str, parts: Iterable[str]) -> str:
    """A whole SVG file of that many pixels, white, with its title drawn at the top left."""
    head = element("title", title) + (element("desc", about) if about else "")
    body = [
        element("rect", width=width, height=height, fill="#ffffff"),
        label(16, 24, clipped(title, (width - 32) / 9), size=15, weight="bold"),
        label(16, 42, clipped(about, (width - 32) / 7), size=11, fill="#666666"),
        *parts,
    ]
    return element(
        "svg",
        markup=head + "".join(body),
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {_short(width)} {_short(height)}",
        role="img",
        font_family="system-ui, sans-serif",
    )


def element(tag: str, text: str = "", markup: str = "", **attributes: str | float | None) -> str:
    """`<tag …>`, with `text` escaped or `markup` as it is; `_` in a name stands for `-`."""
    words = "".join(
        f" {name.replace('_', '-')}={quoteattr(_legal(_short(value)))}"
        for name, value in attributes.items()
        if value is not None
    )
    inside = escape(_legal(text)) + markup
    return f"<{tag}{words}>{inside}</{tag}>" if inside else f"<{tag}{words}/>"


def label(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: float = 12,
    fill: str = INK,
    weight: str | None = None,
    turned: float | None = None,
) -> str:
    """Text whose baseline begins (or is centred, or ends) at a point, turned by degrees."""
    turn = None if turned is None else f"rotate({_short(turned)} {_short(x)} {_short(y)})"
    return element(
        "text",
        text,
        x=x,
        y=y,
        text_anchor=anchor,
        font_size=size,
        fill=fill,
        font_weight=weight,
        transform=turn,
    )


def line(points: Sequence[tuple[float, float]], color: str, width: float = 1.0) -> str:
    path = " ".join(f"{_short(x)},{_short(y)}" for x, y in points)
    return element("polyline", points=path, fill="none", stroke=color, stroke_width=width)


def clipped(text: str, characters: float) -> str:
    """As much of the text as fits; its end is left out with a sign. The data has it whole."""
    room = max(1, int(characters))
    return text if len(text) <= room else text[: room - 1] + "…"


@dataclass(frozen=True)
class Panel:
    """A rectangle with two axes; `x` and `y` say where in the picture a value lies."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        return self.left + self.width * _place(value, self.x_range)

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - _place(value, self.y_range))

    def frame(self, x_label: str, y_label: str) -> str:
        """Grid, ticks and names of the axes."""
        right, bottom = self.left + self.width, self.top + self.height
        parts = []
        for value in ticks(*self.x_range):
            at = self.x(value)
            parts.append(line([(at, self.top), (at, bottom)], GRID))
            parts.append(label(at, bottom + 16, f"{value:.5g}", anchor="middle", size=11))
        for value in ticks(*self.y_range):
            at = self.y(value)
            parts.append(line([(self.left, at), (right, at)], GRID))
            parts.append(label(self.left - 6, at + 4, f"{value:.5g}", anchor="end", size=11))
        parts.append(label((self.left + right) / 2, bottom + 36, x_label, anchor="middle"))
        middle = (self.top + bottom) / 2
        parts.append(label(self.left - 46, middle, y_label, anchor="middle", turned=-90))
        return "".join(parts)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values from `low` to `high`, about so many."""
    raw = high / about - low / about
    if raw < 1e-290:
        return [low, high] if low < high else [low]
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * nice for nice in (1, 2, 5, 10) if unit * nice >= raw * 0.99)
    first = math.ceil(low / step)
    values = [(first + place) * step for place in range(2 * about + 2)]
    return [value for value in values if value <= high + step * 1e-9]


def _place(value: float, span: tuple[float, float]) -> float:
    # By halves: the difference of two doubles may be beyond a double.
    low, high = span[0] / 2, span[1] / 2
    return (value / 2 - low) / (high - low) if high > low else 0.5


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def _legal(text: str) -> str:
    """XML has no way at all to write control characters."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
