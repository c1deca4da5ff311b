"""Images and figures as files: PNG, SVG and PDF of matplotlib, JSON and HTML of Plotly."""

import io
from pathlib import Path, PurePosixPath
from typing import Any

from ml_workspace_lab.errors import InvalidInput

PNG = b"\x89PNG\r\n\x1a\n"
_MATPLOTLIB = (".png", ".svg", ".pdf")
_PLOTLY = (".plotly.json", ".json", ".html")


def image(path: str | Path | None, plot: Any) -> bytes:
    """PNG bytes of a file or of a matplotlib figure."""
    if (path is None) == (plot is None):
        raise InvalidInput("Give either path or plot.", field="path")
    if path is not None:
        return _png_file(Path(path))
    if not hasattr(plot, "savefig"):
        raise InvalidInput(
            f"plot: {type(plot).__name__} can't be saved as an image.",
            field="plot",
            hint="Give a matplotlib figure, or matplotlib.pyplot for the current one.",
        )
    return _drawn(plot, "png")


def figure_file(figure: Any, name: str) -> tuple[str, bytes]:
    """The file name and the content of a figure, in the form that the suffix says.

    Without a suffix it is a PNG of matplotlib's, or `NAME.plotly.json`. Raises InvalidInput on
    another object or a suffix that it has no form for.
    """
    if hasattr(figure, "savefig"):
        name, suffix = _with_suffix(name, _MATPLOTLIB)
        return name, _drawn(figure, suffix.removeprefix("."))
    if hasattr(figure, "to_plotly_json"):
        name, suffix = _with_suffix(name, _PLOTLY)
        return name, (figure.to_html() if suffix == ".html" else figure.to_json()).encode()
    raise InvalidInput(
        f"figure: {type(figure).__name__} is not a figure of matplotlib or Plotly.",
        field="figure",
        hint="Save it to a file and keep that with upload_file.",
    )


def with_suffix(name: str, *suffixes: str) -> str:
    """`name`, with the first suffix where it has none. Raises InvalidInput on another suffix."""
    return _with_suffix(name, suffixes)[0]


def _with_suffix(name: str, suffixes: tuple[str, ...]) -> tuple[str, str]:
    lower = name.lower()
    for suffix in suffixes:
        if lower.endswith(suffix):
            return name, suffix
    if PurePosixPath(name).suffix:
        raise InvalidInput(
            f"name: {name!r} has a suffix that this can't be kept as.",
            field="name",
            hint=f"Use {' or '.join(suffixes)}.",
        )
    return name + suffixes[0], suffixes[0]


def _drawn(figure: Any, form: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, bbox_inches="tight")
    return buffer.getvalue()


def _png_file(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"path: {path}: {error.strerror}.", field="path") from None
    if not content.startswith(PNG):
        raise InvalidInput(
            f"path: {path} is not a PNG file.", field="path", hint="Use upload_file for others."
        )
    return content
