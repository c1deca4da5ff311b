"""Images and figures as files: PNG, SVG and PDF of matplotlib, JSON and HTML of Plotly."""

import io
import re
from pathlib import Path, PurePosixPath
from typing import Any

from ml_workspace_lab.client.values import artifact_name
from ml_workspace_lab.errors import InvalidInput

PNG = b"\x89PNG\r\n\x1a\n"
_MATPLOTLIB = (".png", ".svg", ".pdf")
_PLOTLY = (".plotly.json", ".json", ".html")
_ENDING = re.compile(r"\.[a-z]\w*$", re.IGNORECASE | re.ASCII)
_FORMS = {
    "avif", "bmp", "csv", "doc", "docx", "eps", "feather", "gif", "gz", "htm", "html", "ipynb",
    "jpeg", "jpg", "js", "json", "jsonl", "log", "md", "npy", "npz", "onnx", "parquet", "pdf",
    "pickle", "pkl", "png", "ps", "pt", "py", "svg", "tex", "tif", "tiff", "toml", "tsv", "txt",
    "webp", "xls", "xlsx", "xml", "yaml", "yml", "zip",
}  # fmt: skip
"""Endings that say what a file is, where it is another than what is kept."""


def image(path: str | Path | None, plot: Any) -> bytes:
    """PNG bytes of a file, or of a matplotlib figure, a Pillow image or an array."""
    if (path is None) == (plot is None):
        raise InvalidInput("Give either path or plot.", field="path")
    if path is not None:
        return _png_file(path)
    if hasattr(plot, "savefig"):
        return _drawn(plot, "png")
    if hasattr(plot, "getbands"):
        return _png(plot)
    if hasattr(plot, "__array_interface__"):
        return _pixels(plot)
    raise InvalidInput(
        f"plot: {type(plot).__name__} can't be saved as an image.",
        field="plot",
        hint="Give a matplotlib figure, matplotlib.pyplot for the current one, a Pillow image or"
        " an array.",
    )


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
    """`name`, with the first suffix where it has none. Raises InvalidInput on another form's."""
    return _with_suffix(name, suffixes)[0]


def suffix_of(name: str) -> str:
    """The ending in lower case, such as `.txt`; none where a number stands behind the dot, as in
    `lr=0.01`."""
    found = _ENDING.search(PurePosixPath(name).name[1:])
    return found[0].lower() if found else ""


def _with_suffix(name: str, suffixes: tuple[str, ...]) -> tuple[str, str]:
    lower = artifact_name(name).lower()
    for suffix in suffixes:
        if lower.endswith(suffix):
            return name, suffix
    if suffix_of(name)[1:] in _FORMS:
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


def _pixels(array: Any) -> bytes:
    """PNG bytes of rows x columns, or x 1, 3 (RGB) or 4 (RGBA): whole numbers of 0-255, or
    fractions of 0-1."""
    import numpy as np

    pixels = np.asarray(array)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if 0 in pixels.shape or pixels.shape[2:] not in ((), (3,), (4,)) or pixels.ndim < 2:
        raise InvalidInput(
            f"plot: an array of shape {pixels.shape} is no image.",
            field="plot",
            hint="Give rows x columns, or rows x columns x 1, 3 (RGB) or 4 (RGBA).",
        )
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    whole = pixels.dtype.kind in "iu"
    most = 255 if whole else 1
    if not (whole or pixels.dtype.kind == "f") or not ((pixels >= 0) & (pixels <= most)).all():
        raise InvalidInput(
            f"plot: an array of {pixels.dtype} has values that are no brightness.",
            field="plot",
            hint="Give whole numbers of 0 to 255, or fractions of 0 to 1.",
        )
    try:
        from PIL import Image
    except ImportError:
        raise InvalidInput(
            "plot: an array is saved by Pillow, which is not installed.",
            field="plot",
            hint="pip install pillow",
        ) from None
    scaled = pixels if whole else np.round(pixels * 255)
    return _png(Image.fromarray(scaled.astype(np.uint8)))


def _png(image: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        image.save(buffer, "png")
    except OSError as error:  # CMYK, say
        raise InvalidInput(
            f"plot: an image of mode {image.mode} is no PNG: {error}.",
            field="plot",
            hint="Convert it: image.convert('RGB').",
        ) from None
    return buffer.getvalue()


def _png_file(given: str | Path) -> bytes:
    try:
        path = Path(given)
    except TypeError:
        raise InvalidInput(
            f"path: {type(given).__name__} is not the name of a file.",
            field="path",
            hint="Give a figure, an image or an array as plot=….",
        ) from None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"path: {path}: {error.strerror}.", field="path") from None
    if not content.startswith(PNG):
        raise InvalidInput(
            f"path: {path} is not a PNG file.", field="path", hint="Use upload_file for others."
        )
    return content
