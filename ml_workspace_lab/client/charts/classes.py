"""Charts of classifiers computed from arrays: of true and predicted classes, and probabilities."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ml_workspace_lab.client.charts.schemas import AccuracyTable, ConfusionMatrix, Count
from ml_workspace_lab.client.values import finite_numbers, sequence, unpacked
from ml_workspace_lab.errors import InvalidInput, shown

MAX_CLASSES = 1000
STEPS = 100


def confusion_matrix(y_true: Any, y_pred: Any, labels: Any = None) -> ConfusionMatrix:
    """How often each true class was predicted as which, in the order of `labels` (default: all
    classes that occur, sorted). Raises InvalidInput on a class that `labels` leaves out."""
    true, predicted = _classes(y_true, "y_true"), _classes(y_pred, "y_pred")
    _same_length(true, predicted, "y_pred")
    order = _order([*true, *predicted], labels)
    _check_known(true, order, "y_true")
    _check_known(predicted, order, "y_pred")
    pairs = Counter(zip(true, predicted, strict=True))
    return ConfusionMatrix(
        class_labels=[str(label) for label in order],
        matrix=[[pairs[row, column] for column in order] for row in order],
    )


def labelled_matrix(value: Any, labels: Any = None) -> ConfusionMatrix:
    """A matrix of counts that is there already, its classes called 0, 1, … without `labels`."""
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    rows: list[list[Count]] = [
        [int(count) if count.is_integer() else count for count in finite_numbers(row, "value")]
        for row in sequence(value, "value")
    ]
    names = range(len(rows)) if labels is None else _distinct(_classes(labels, "labels"))
    return ConfusionMatrix(class_labels=[str(name) for name in names], matrix=rows)


def accuracy_table(y_true: Any, y_prob: Any, labels: Any = None) -> AccuracyTable:
    """The counts of each class against the others at 101 thresholds: probabilities of 0 to 1, and
    the same shares of all samples, sorted by probability, that are taken as negative.

    `y_prob` has a row for each sample and in it a probability for each of `labels` (default: the
    classes of `y_true`, sorted); of two classes it may have that of the second alone.
    """
    true = _classes(y_true, "y_true")
    order = _order(true, labels)
    _check_known(true, order, "y_true")
    columns = list(zip(*_probabilities(y_prob, len(order)), strict=True))
    _same_length(true, columns[0], "y_prob")
    thresholds = [step / STEPS for step in range(STEPS + 1)]
    by_probability, by_share = [], []
    for label, column in zip(order, columns, strict=True):
        positive = sorted(p for p, one in zip(column, true, strict=True) if one == label)
        negative = sorted(p for p, one in zip(column, true, strict=True) if one != label)
        ordered = sorted(column)
        cuts = [_quantile(ordered, share) for share in thresholds]
        by_probability.append([_counts(positive, negative, cut) for cut in thresholds])
        by_share.append([_counts(positive, negative, cut) for cut in cuts])
    return AccuracyTable(
        class_labels=[str(label) for label in order],
        probability_tables=by_probability,
        probability_thresholds=thresholds,
        percentile_tables=by_share,
        percentile_thresholds=thresholds,
    )


def _counts(positive: Sequence[float], negative: Sequence[float], threshold: float) -> list[Count]:
    missed, rejected = bisect_left(positive, threshold), bisect_left(negative, threshold)
    return [len(positive) - missed, len(negative) - rejected, rejected, missed]


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` of all lie below; beyond every value where that is all of them."""
    place = math.ceil(share * len(ordered))
    return ordered[place] if place < len(ordered) else math.inf


def _probabilities(y_prob: Any, classes: int) -> list[list[float]]:
    items = sequence(y_prob, "y_prob")
    if not items:
        raise InvalidInput("y_prob: is empty.", field="y_prob")
    if classes == 2 and not isinstance(unpacked(items[0]), list | tuple):
        second = finite_numbers(items, "y_prob")
        rows = [[1 - value, value] for value in second]
    else:
        rows = [finite_numbers(row, f"y_prob[{place}]") for place, row in enumerate(items)]
    for place, row in enumerate(rows):
        if len(row) != classes:
            raise InvalidInput(
                f"y_prob[{place}]: has {len(row)} probabilities for {classes} classes.",
                field="y_prob",
                hint="Give `labels`: the class of each column.",
            )
        if not all(0 <= value <= 1 for value in row):
            raise InvalidInput(f"y_prob[{place}]: is not between 0 and 1.", field="y_prob")
    return rows


def _classes(values: Any, field: str) -> list[Any]:
    found = sequence(values, field)
    for place, value in enumerate(found):
        if not isinstance(value, bool | int | float | str) or value != value:
            raise InvalidInput(
                f"{field}[{place}]: {shown(value)} is not a class: text or a number.", field=field
            )
    return found


def _order(occurring: list[Any], labels: Any) -> list[Any]:
    if labels is not None:
        return _distinct(_classes(labels, "labels"))
    if not occurring:
        raise InvalidInput("y_true: is empty.", field="y_true", hint="Give `labels` too.")
    found = set(occurring)
    if len(found) > MAX_CLASSES:
        raise InvalidInput(
            f"y_true: has more than {MAX_CLASSES:,} classes.",
            field="y_true",
            hint="Numbers on a scale are for log_predictions and log_residuals.",
        )
    try:
        return _distinct(sorted(found))
    except TypeError:  # text beside numbers has no order of its own
        return _distinct(sorted(found, key=str))


def _distinct(labels: list[Any]) -> list[Any]:
    if not 1 <= len(labels) <= MAX_CLASSES:
        raise InvalidInput(f"labels: must be 1 to {MAX_CLASSES:,} classes.", field="labels")
    twice = [name for name, count in Counter(map(str, labels)).items() if count > 1]
    if twice:
        raise InvalidInput(
            f"labels: more than one class is called {shown(twice[0])}.",
            field="labels",
            hint="Classes must differ as text: 1 and '1' would be the same.",
        )
    return labels


def _check_known(values: Sequence[Any], order: Sequence[Any], field: str) -> None:
    if unknown := set(values) - set(order):
        raise InvalidInput(
            f"{field}: the class {shown(min(unknown, key=str))} is not among the labels.",
            field=field,
        )


def _same_length(true: Sequence[Any], other: Sequence[Any], field: str) -> None:
    if len(true) != len(other):
        raise InvalidInput(
            f"{field}: has {len(other)} items, but y_true has {len(true)}.", field=field
        )
