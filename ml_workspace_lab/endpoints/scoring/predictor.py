"""A model that scores without a script."""

from typing import Any

from ml_workspace_lab.endpoints.scoring import arrow, frames
from ml_workspace_lab.endpoints.scoring.call import BadInput, Call
from ml_workspace_lab.endpoints.scoring.columns import Signature
from ml_workspace_lab.endpoints.scoring.document import Schemas, rows
from ml_workspace_lab.endpoints.scoring.payload import features
from ml_workspace_lab.models.flavors.loading import Loaded


class Predictor:
    """`model.predict` on the rows of a body."""

    def __init__(self, model: Loaded, signature: Signature | None = None) -> None:
        self.model = model
        self.signature = signature or Signature()

    def answer(self, call: Call) -> Any:
        """The predictions; a Reply for an Arrow stream. Raises BadInput where the model does not
        take the body."""
        if call.content_type == arrow.ARROW:
            return arrow.reply(self.predict_frame(arrow.read(call.body)))
        return self.predict_rows(call.json())

    def predict_rows(self, body: Any) -> Any:
        """The predictions for rows of JSON, in whatever they are wrapped."""
        try:
            found = features(body, self.model.names, self.model.count)
        except ValueError as error:
            raise BadInput(str(error)) from None
        return self.predict(found)

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
