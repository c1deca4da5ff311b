"""Charts of a model's quality: Azure Machine Learning's JSON, each with a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.client.run_logging import RunLogging
from ml_workspace_lab.errors import InvalidInput

if TYPE_CHECKING:
    from ml_workspace_lab.client.charts.chart import Chart, Draw
    from ml_workspace_lab.client.charts.schemas import D


class RunCharts(RunLogging):
    """The part of `Run` that keeps charts.

    `value` is the chart's JSON as a dictionary, as text, or as the name of a file; in its place
    there may be the arrays that it is computed from. Each is kept as two artifacts, the data as
    `charts/NAME.TYPE.json` and a picture beside it as `.svg`, and is returned, so that a notebook
    shows it. Raises InvalidInput, naming the field, on what breaks the chart's schema.
    """

    def log_confusion_matrix(
        self,
        name: str,
        value: Any = None,
        description: str = "",
        *,
        y_true: Any = None,
        y_pred: Any = None,
        labels: Any = None,
    ) -> "Chart":
        """Keep a confusion matrix: its JSON, a matrix of counts (a row for each true class), or
        arrays of true and predicted classes. `labels` names the classes in order."""
        from ml_workspace_lab.client.charts import classes
        from ml_workspace_lab.client.charts.matrix import draw_confusion_matrix
        from ml_workspace_lab.client.charts.schemas import ConfusionMatrix

        if _computed(value, y_true=y_true, y_pred=y_pred):
            data = classes.confusion_matrix(y_true, y_pred, labels)
            return self._keep(name, data, description, draw_confusion_matrix)
        if not _is_json(value):
            data = classes.labelled_matrix(value, labels)
            return self._keep(name, data, description, draw_confusion_matrix)
        _only_with_arrays(labels=labels)
        return self._keep_json(name, value, description, ConfusionMatrix, draw_confusion_matrix)

    def log_accuracy_table(
        self,
        name: str,
        value: Any = None,
        description: str = "",
        *,
        y_true: Any = None,
        y_prob: Any = None,
        labels: Any = None,
    ) -> "Chart":
        """Keep an accuracy table, of which ROC and precision-recall curves are drawn: its JSON, or
        arrays of true classes and of probabilities (a row for each sample, a column for each of
        `labels`; of two classes the probability of the second will do)."""
        from ml_workspace_lab.client.charts.classes import accuracy_table
        from ml_workspace_lab.client.charts.curves import draw_accuracy_table
        from ml_workspace_lab.client.charts.schemas import AccuracyTable

        if _computed(value, y_true=y_true, y_prob=y_prob):
            data = accuracy_table(y_true, y_prob, labels)
            return self._keep(name, data, description, draw_accuracy_table)
        _only_with_arrays(labels=labels)
        return self._keep_json(name, value, description, AccuracyTable, draw_accuracy_table)

    def log_residuals(
        self,
        name: str,
        value: Any = None,
        description: str = "",
        *,
        y_true: Any = None,
        y_pred: Any = None,
        bins: int = 20,
    ) -> "Chart":
        """Keep a histogram of residuals: its JSON, or arrays of true and predicted values, whose
        residuals are the predicted minus the true."""
        from ml_workspace_lab.client.charts.bins import draw_residuals
        from ml_workspace_lab.client.charts.scales import residuals
        from ml_workspace_lab.client.charts.schemas import Residuals

        if _computed(value, y_true=y_true, y_pred=y_pred):
            return self._keep(name, residuals(y_true, y_pred, bins), description, draw_residuals)
        return self._keep_json(name, value, description, Residuals, draw_residuals)

    def log_predictions(
        self,
        name: str,
        value: Any = None,
        description: str = "",
        *,
        y_true: Any = None,
        y_pred: Any = None,
        bins: int = 20,
    ) -> "Chart":
        """Keep mean and standard deviation of the predictions by true value: the chart's JSON, or
        arrays of true and predicted values."""
        from ml_workspace_lab.client.charts.bins import draw_predictions
        from ml_workspace_lab.client.charts.scales import predictions
        from ml_workspace_lab.client.charts.schemas import Predictions

        if _computed(value, y_true=y_true, y_pred=y_pred):
            data = predictions(y_true, y_pred, bins)
            return self._keep(name, data, description, draw_predictions)
        return self._keep_json(name, value, description, Predictions, draw_predictions)

    def _keep_json(
        self, name: str, value: Any, description: str, kind: "type[D]", draw: "Draw[D]"
    ) -> "Chart":
        from ml_workspace_lab.client.charts.chart import of_value
        from ml_workspace_lab.client.charts.source import read

        return self._put_chart(of_value(name, read(value), description, kind, draw))

    def _keep(self, name: str, data: "D", description: str, draw: "Draw[D]") -> "Chart":
        from ml_workspace_lab.client.charts.chart import of_data

        return self._put_chart(of_data(name, data, description, draw))

    def _put_chart(self, chart: "Chart") -> "Chart":
        # The longer name first: where the path of the data is good, that of the picture is too.
        self._put(chart.path, chart.content)
        self._put(chart.picture_path, chart.svg.encode())
        return chart


def _computed(value: Any, **arrays: Any) -> bool:
    """Whether the arrays were given in place of the value. Raises InvalidInput where both were, or
    neither, or not all of the arrays."""
    missing = [name for name, array in arrays.items() if array is None]
    if value is not None and len(missing) == len(arrays):
        return False
    if value is None and not missing:
        return True
    names = " and ".join(arrays)
    field = "value" if value is not None or len(missing) == len(arrays) else missing[0]
    raise InvalidInput(f"{field}: give either value, or {names}.", field=field)


def _only_with_arrays(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidInput(f"{name}: the JSON has its own.", field=name)


def _is_json(value: Any) -> bool:
    return isinstance(value, Mapping | str | Path)
