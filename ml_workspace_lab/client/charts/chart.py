"""A chart that a run keeps: its data as JSON, and a picture of it."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import msgspec

from ml_workspace_lab.client.charts.schemas import D, Data, checked
from ml_workspace_lab.client.values import artifact_name, dumps, plain

Draw = Callable[[D, str, str], str]


@dataclass(frozen=True)
class Chart:
    """What `Run.log_confusion_matrix` and its kind have kept; a notebook shows it as a picture."""

    name: str
    schema_type: str
    content: bytes
    svg: str

    @property
    def path(self) -> str:
        """The artifact that holds the data: `charts/NAME.SCHEMA_TYPE.json`."""
        return f"charts/{self.name}.{self.schema_type}.json"

    @property
    def picture_path(self) -> str:
        """The artifact that holds the picture, beside the data."""
        return self.path.removesuffix("json") + "svg"

    def __repr__(self) -> str:
        return f"Chart({self.path!r})"

    def _repr_html_(self) -> str:
        # An image runs no scripts, and is shown in a notebook that isn't trusted, too.
        source = b64encode(self.svg.encode()).decode()
        name = escape(f"{self.name} ({self.schema_type})")
        return f"<img alt='{name}' src='data:image/svg+xml;base64,{source}'>"


def of_value(
    name: str, value: Mapping[str, Any], description: str, kind: type[D], draw: Draw[D]
) -> Chart:
    """The chart of a JSON value, kept whole as it was given. Raises InvalidInput naming the field
    that breaks the schema."""
    artifact_name(name)
    given = plain(value, "value")
    data = checked(given, kind)
    content = {**given, **({"description": description} if description else {})}
    svg = draw(data, name, description)
    return Chart(name, kind.schema_type, dumps(content, "value"), svg)


def of_data(name: str, data: D, description: str, draw: Draw[D]) -> Chart:
    """The chart of data that was computed."""
    return of_value(name, _envelope(data), description, type(data), draw)


def _envelope(data: Data) -> dict[str, Any]:
    return {
        "schema_type": data.schema_type,
        "schema_version": data.version,
        "data": msgspec.to_builtins(data),
    }
