"""What is logged as a file: tables, images, figures, text. Metrics are in `run.py`."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.client.run_lineage import RunLineage
from ml_workspace_lab.client.values import artifact_name, as_json
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.model import RunInfo

if TYPE_CHECKING:
    from ml_workspace_lab.client.growing_table import GrowingTable
    from ml_workspace_lab.client.workspace import Workspace


class RunLogging(RunLineage):
    """The part of `Run` that keeps what people look at as artifacts.

    What can't be kept whole is refused with InvalidInput, and nothing of it is kept.
    """

    def __init__(self, workspace: "Workspace", info: RunInfo) -> None:
        super().__init__(workspace, info)
        self._tables: dict[tuple[int, str], GrowingTable] = {}

    def log_table(self, name: str, value: Any, description: str = "") -> None:
        """Keep a table as the artifact `tables/NAME.json`: columns of equal length by their names,
        or a data frame of pandas, Polars or Arrow. What the table was is replaced, with the rows
        that were added to it; no other process may be adding rows meanwhile."""
        from ml_workspace_lab.client.tables import table

        kept = table(value, description)
        self._growing(artifact_name(name)).restart(lambda: self._replace_table(name, kept))

    def log_row(
        self, name: str | None = None, description: str | None = None, /, **columns: Scalar
    ) -> None:
        """Add a row to a table, which is made by its first row. It is kept when this returns, also
        where several processes add rows to one table.

        Any name will do for a column. `name=` and `description=` are columns where the table's
        come before them by place (`log_row("people", "", name="Ada", description="a cell")`), and
        else the table's own.
        """
        if name is None:
            name = _taken(columns, "name")
        if not name:
            raise InvalidInput("name: a table has one.", field="name", hint="Give it first.")
        artifact_name(name)
        if description is None:
            description = _taken(columns, "description")
        if not columns:
            raise InvalidInput("columns: a row has at least one.", field="columns")
        self._growing(name).append(columns, description or "")

    def get_table(self, name: str) -> dict[str, list[Scalar]]:
        """The columns of a table by name: those of `log_table`, and below them the rows of
        `log_row`, None where a row has no such column. Raises NotFound."""
        from ml_workspace_lab.client.growing_table import parts_of
        from ml_workspace_lab.client.tables import joined

        names = self.get_file_names()
        whole = [path for path in names if path == f"tables/{name}.json"]
        paths = [*whole, *parts_of(name, names)]
        if not paths:
            raise NotFound(f"Run {self.id} has no table {name!r}.", field="name")
        return joined([json.loads(self.read_artifact(path))["columns"] for path in paths])

    def _growing(self, name: str) -> "GrowingTable":
        from ml_workspace_lab.client.growing_table import GrowingTable

        # The child of a fork adds to a part of its own.
        key = (os.getpid(), name)
        if key not in self._tables:
            self._tables[key] = GrowingTable(name, self._put)
        return self._tables[key]

    def _replace_table(self, name: str, content: bytes) -> None:
        """Keep a table in place of an earlier one and of the rows below it."""
        from ml_workspace_lab.client.growing_table import parts_of

        earlier = parts_of(name, self.get_file_names())
        self._put(f"tables/{name}.json", content)
        for path in earlier:
            with suppress(NotFound):  # another was first
                self.workspace.connection.artifacts.delete(self.id, path)

    def log_image(self, name: str, path: str | Path | None = None, plot: Any = None) -> None:
        """Keep an image as the artifact `images/NAME.png`: a PNG file, or as `plot` a matplotlib
        figure (`matplotlib.pyplot` for the current one), a Pillow image, or an array of rows x
        columns (x 3 or 4 colours) with whole numbers of 0-255 or fractions of 0-1. Raises
        InvalidInput."""
        from ml_workspace_lab.client.figures import image

        self._put(f"images/{artifact_name(name)}.png", image(path, plot))

    def log_figure(self, figure: Any, name: str) -> None:
        """Keep a figure as the artifact `name`: of matplotlib as `.png` (where there is no suffix),
        `.svg` or `.pdf`, of Plotly as `.plotly.json` (where there is none), `.json` or `.html`."""
        from ml_workspace_lab.client.figures import figure_file

        self._put(*figure_file(figure, name))

    def log_text(self, text: str, name: str) -> None:
        """Keep text as the artifact `name`; `.txt` is added where it has no suffix: a number behind
        a dot, as in `notes 1.2`, is none."""
        from ml_workspace_lab.client.figures import suffix_of

        suffix = "" if suffix_of(artifact_name(name)) else ".txt"
        self._put(name + suffix, _utf8(text, "text"))

    def log_html(self, html: str, name: str) -> None:
        """Keep a page as the artifact `name`; `.html` is added where it has no suffix. It may hold
        scripts, and so it is only ever shown in a sandbox."""
        from ml_workspace_lab.client.figures import with_suffix

        self._put(with_suffix(name, ".html", ".htm"), _utf8(html, "html"))

    def log_dict(self, dictionary: Mapping[str, Any] | list[Any], name: str) -> None:
        """Keep a dictionary or list as the JSON artifact `name`; `.json` is added where it has no
        suffix. NaN and infinities are written as their names, dates and times in ISO 8601."""
        from ml_workspace_lab.client.figures import with_suffix

        if not isinstance(dictionary, Mapping | list):
            raise InvalidInput("dictionary: is not a dictionary or list.", field="dictionary")
        self._put(with_suffix(name, ".json"), as_json(dictionary, "dictionary"))


def _taken(columns: dict[str, Scalar], field: str) -> str | None:
    """What a table's own argument says that was given by name."""
    value = columns.pop(field, None)
    if value is None or isinstance(value, str):
        return value
    raise InvalidInput(
        f"{field}: {type(value).__name__} is not text.",
        field=field,
        hint='For a column of that name, give the table\'s own first: log_row("name", "", …).',
    )


def _utf8(text: Any, field: str) -> bytes:
    if not isinstance(text, str):
        raise InvalidInput(f"{field}: {type(text).__name__} is not text.", field=field)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        reason = f"character {error.start} is half of a surrogate pair, which is not text"
        raise InvalidInput(f"{field}: {reason}.", field=field) from None
