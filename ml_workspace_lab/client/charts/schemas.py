"""The JSON of each kind of chart, as Azure Machine Learning defines it, and what holds in it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Protocol, TypeVar

from msgspec import Meta, Struct

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.api.types import Number, Scalar, text_like
from ml_workspace_lab.errors import InvalidInput

Version = Annotated[
    str, text_like(r"^(v1|1\.\d+\.\d+)$(?!\n)", "is not a version that is known here: v1 or 1.0.0")
]
Count = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Counts = Annotated[list[Count], Meta(min_length=4, max_length=4)]
"""True positives, false positives, true negatives, false negatives at one threshold."""


class Data(Protocol):
    """The `data` of a kind of chart."""

    schema_type: ClassVar[str]
    version: ClassVar[str]

    def check(self) -> None:
        """Raise InvalidInput where parts contradict each other."""


D = TypeVar("D", bound=Data)


class Envelope(Struct, frozen=True):
    schema_type: str
    schema_version: Version
    data: dict[str, Any]


class ConfusionMatrix(Struct, frozen=True):
    """Counts by true class (rows) and predicted class (columns)."""

    schema_type: ClassVar[str] = "confusion_matrix"
    version: ClassVar[str] = "1.0.0"

    class_labels: Annotated[list[Scalar], Meta(min_length=1)]
    matrix: list[list[Count]]

    def check(self) -> None:
        wanted = len(self.class_labels)
        _length("matrix", self.matrix, wanted, "class_labels")
        for place, row in enumerate(self.matrix):
            _length(f"matrix[{place}]", row, wanted, "class_labels")


class AccuracyTable(Struct, frozen=True):
    """For each class against the others the counts at each threshold, of which ROC and other
    curves are made: by probability, and by the share of samples that lie below."""

    schema_type: ClassVar[str] = "accuracy_table"
    version: ClassVar[str] = "1.0.1"

    class_labels: Annotated[list[Scalar], Meta(min_length=1)]
    probability_tables: list[list[Counts]]
    probability_thresholds: Annotated[list[Share], Meta(min_length=1)]
    percentile_tables: list[list[Counts]]
    percentile_thresholds: Annotated[list[Share], Meta(min_length=1)]

    def check(self) -> None:
        for kind in ("probability", "percentile"):
            tables = getattr(self, f"{kind}_tables")
            thresholds = getattr(self, f"{kind}_thresholds")
            _length(f"{kind}_tables", tables, len(self.class_labels), "class_labels")
            for place, table in enumerate(tables):
                name = f"{kind}_tables[{place}]"
                _length(name, table, len(thresholds), f"{kind}_thresholds")
            if any(after < before for before, after in pairwise(thresholds)):
                raise _wrong(f"{kind}_thresholds", "do not rise")


class Residuals(Struct, frozen=True):
    """A histogram of the errors of predictions."""

    schema_type: ClassVar[str] = "residuals"
    version: ClassVar[str] = "1.0.0"

    bin_edges: Annotated[list[float], Meta(min_length=2)]
    bin_counts: list[Count]

    def check(self) -> None:
        _check_bins(self.bin_edges, bin_counts=self.bin_counts)


class Predictions(Struct, frozen=True):
    """For each bin of true values the mean prediction and its standard deviation; where a bin is
    empty they may be None."""

    schema_type: ClassVar[str] = "predictions"
    version: ClassVar[str] = "1.0.0"

    bin_averages: list[Number | None]
    bin_errors: list[Number | None]
    bin_counts: list[Count]
    bin_edges: Annotated[list[float], Meta(min_length=2)]

    def check(self) -> None:
        _check_bins(
            self.bin_edges,
            bin_counts=self.bin_counts,
            bin_averages=self.bin_averages,
            bin_errors=self.bin_errors,
        )


def checked(value: Any, kind: type[D]) -> D:
    """The data of a chart's JSON value. Raises InvalidInput naming the field at fault."""
    envelope = convert(value, Envelope)
    if envelope.schema_type != kind.schema_type:
        raise InvalidInput(
            f"schema_type: must be {kind.schema_type!r}, not {envelope.schema_type!r}.",
            field="schema_type",
        )
    try:
        data = convert(envelope.data, kind)
    except InvalidInput as error:
        field = f"data.{error.field}" if error.field else "data"
        raise InvalidInput(f"data.{error.message}", field=field) from None
    data.check()
    return data


def _check_bins(edges: Sequence[float], **columns: Sequence[Any]) -> None:
    if any(after <= before for before, after in pairwise(edges)):
        raise _wrong("bin_edges", "do not rise strictly")
    for name, column in columns.items():
        if len(column) != len(edges) - 1:
            raise _wrong(
                name, f"has {len(column)} items, but {len(edges)} bin_edges make {len(edges) - 1}"
            )


def _length(name: str, items: Sequence[Any], wanted: int, other: str) -> None:
    if len(items) != wanted:
        raise _wrong(name, f"has {len(items)} items, but {other} has {wanted}")


def _wrong(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"data.{name}: {what}.", field=f"data.{name}")
