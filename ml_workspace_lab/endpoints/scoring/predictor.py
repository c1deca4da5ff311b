"""A model that scores without a script."""

from typing import Any

from ml_workspace_lab.endpoints.scoring import arrow, frames
from ml_workspace_lab.endpoints.scoring.call import BadInput, Call
from ml_workspace_lab.endpoints.scoring.columns import Signature
from ml_workspace_lab.endpoints.scoring.document import Schemas, rows
from ml_workspace_lab.endpoints.scoring.payload import as_matrix, rows_of
from ml_workspace_lab.models.flavors.loading import Loaded


class Predictor:
    """`model.predict` on the rows of a body. `is_row_wise`: what it answers to a row depends on no
    other, and no code but that of known libraries is run."""

    def __init__(
        self, model: Loaded, signature: Signature | None = None, *, is_row_wise: bool = False
    ) -> None:
        self.model = model
        self.is_row_wise = is_row_wise
        self.signature = signature or Signature()

    def answer(self, call: Call) -> Any:
        """The predictions; a Reply for an Arrow stream. Raises BadInput where the model does not
        take the body."""
        if call.content_type == arrow.ARROW:
            return arrow.reply(self.predict_frame(arrow.read(call.body)))
        return self.predict_rows(call.json())

    def predict_rows(self, body: Any) -> Any:
        """The predictions for rows of JSON, in whatever they are wrapped."""
        return self.predict(self.matrix(self.rows(body)))

    def rows(self, body: Any) -> list[list[Any]]:
        """The rows of a JSON value, in the order of the model's columns. Raises BadInput."""
        try:
            return rows_of(body, self.model.names, self.model.count)
        except ValueError as error:
            raise BadInput(str(error)) from None

    def fit(self, rows: list[list[Any]]) -> bool:
        """Whether there are rows, each with as many values as the model takes."""
        count = self.model.count
        return bool(rows) and all(count is None or len(row) == count for row in rows)

    def matrix(self, rows: list[list[Any]]) -> Any:
        """Rows as the model takes them: a data frame where it knows columns, else an array."""
        try:
            return as_matrix(rows, self.model.names if self.model.wants_frame else [])
        except ValueError as error:
            raise BadInput(str(error)) from None

    def predict_frame(self, frame: Any) -> Any:
        """The predictions for a data frame, whose columns may come in any order."""
        return self.predict(frames.taken(frame, self.model.names, self.model.count))

    def predict(self, found: Any) -> Any:
        """The predictions for what the model takes."""
        try:
            return self.model.predict(found)
        except (TypeError, ValueError) as error:
            # With no code of the user's in between, it is the rows that the model can't take.
            raise BadInput(f"The model does not take these rows: {error}") from error

    @property
    def schemas(self) -> Schemas:
        return Schemas(rows(), {"type": "array", "items": {}})
