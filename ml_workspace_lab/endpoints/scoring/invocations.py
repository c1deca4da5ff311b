"""MLflow's scoring protocol: `/invocations` with its payloads, `/ping` and `/health`."""

from io import StringIO
from typing import Any

from ml_workspace_lab.endpoints.scoring import arrow
from ml_workspace_lab.endpoints.scoring.call import BadInput, Call, Reply, parsed
from ml_workspace_lab.endpoints.scoring.pages import Page
from ml_workspace_lab.endpoints.scoring.payload import encode
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.quick_rows import quick_rows
from ml_workspace_lab.endpoints.scoring.request import Request
from ml_workspace_lab.endpoints.scoring.responses import JSON_LINE
from ml_workspace_lab.endpoints.scoring.score import ScoringPage

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CSV, JSON = "text/csv", "application/json"
EXPECTED = f"Send an object with one of {', '.join(FORMATS)}"
_CODES = {401: "UNAUTHENTICATED", 500: "INTERNAL_ERROR"}


class PingPage(Page):
    name = "ping"

    def get(self, request: Request) -> None:
        request.answer(200, JSON_LINE, b"\n")


class InvocationsPage(ScoringPage):
    """Predictions of a model that is served without a script."""

    name = "invocations"

    def error(self, status: int, message: str) -> dict[str, Any]:
        return {"error_code": _CODES.get(status, "BAD_REQUEST"), "message": message}

    def post(self, request: Request) -> None:
        self.score(request)

    def work(self, call: Call) -> Reply:
        if not isinstance(scorer := self.served.scorer, Predictor):
            raise BadInput("This deployment has a scoring script, which answers at /score.")
        if call.content_type == arrow.ARROW:
            return arrow.reply(scorer.predict_frame(arrow.read(call.body)))
        call.require_utf_8()
        if call.content_type == CSV:
            predictions = scorer.predict_frame(_csv(call.body))
        elif call.content_type in ("", JSON):
            given = _given(scorer, parsed(call.body))
            predictions = (
                scorer.predict(scorer.matrix(given))
                if isinstance(given, list)
                else scorer.predict_frame(given)
            )
        else:
            known = ", ".join((JSON, CSV, arrow.ARROW))
            raise BadInput(f"Unsupported media type {call.content_type!r}; send {known}", 415)
        return Reply(encode(self.shown(predictions)))

    def rows(self, body: bytes | bytearray) -> list[list[Any]] | None:
        assert self._rower is not None
        found = quick_rows(body, ("instances", "inputs"))
        if found is not None and self._rower.fit(found):
            return found
        given = _given(self._rower, parsed(bytes(body)))
        return given if isinstance(given, list) else None

    def shown(self, predictions: Any) -> Any:
        return {"predictions": _records(predictions)}


def _given(predictor: Predictor, body: Any) -> Any:
    """The rows in a body, or a data frame where it has columns. Raises BadInput."""
    named = [name for name in FORMATS if name in body] if isinstance(body, dict) else []
    if len(named) != 1:
        raise BadInput(f"{EXPECTED}.")
    [name] = named
    if body.get("params"):
        raise BadInput("The model takes no params.")
    if unknown := set(body) - {name, "params"}:
        raise BadInput(f"{EXPECTED}; unknown: {', '.join(sorted(unknown))}.")
    given = body[name]
    if name == "dataframe_split":
        _check_split(given)
    elif name == "dataframe_records" and not _are_records(given):
        raise BadInput("dataframe_records is not a list of objects.")
    elif isinstance(given, dict):
        return _by_column(name, given)
    elif isinstance(given, list) and len(predictor.model.names) == 1:
        # A list of values is a column where the model has only one.
        given = [row if isinstance(row, list | dict) else [row] for row in given]
    return predictor.rows({"inputs": given})


def _check_split(given: Any) -> None:
    if not isinstance(given, dict) or "data" not in given:
        raise BadInput("dataframe_split is not an object with data and, if need be, columns.")
    if unknown := set(given) - {"columns", "index", "data"}:
        raise BadInput(f"dataframe_split has unknown fields: {', '.join(sorted(unknown))}.")


def _are_records(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(row, dict) for row in given)


def _by_column(name: str, given: dict[str, Any]) -> Any:
    """A data frame of columns, or of one row where each has one value."""
    import pandas

    if name == "instances":
        raise BadInput("instances is not a list.")
    if not any(isinstance(value, list) for value in given.values()):
        given = {column: [value] for column, value in given.items()}
    try:
        return pandas.DataFrame(given)
    except ValueError as error:
        raise BadInput(f"inputs holds no columns of one length: {error}.") from None


def _csv(body: bytes) -> Any:
    import pandas

    try:
        return pandas.read_csv(StringIO(body.decode()))
    except ValueError as error:
        raise BadInput(f"The body is not CSV with a line of names: {error}") from None


def _records(predictions: Any) -> Any:
    """Tables row by row, as MLflow does."""
    if hasattr(predictions, "to_frame"):
        predictions = predictions.to_frame()
    if hasattr(predictions, "to_dict") and hasattr(predictions, "columns"):
        return predictions.to_dict(orient="records")
    return predictions
