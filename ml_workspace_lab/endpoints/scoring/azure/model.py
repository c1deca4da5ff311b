"""`azureml.core.model.Model`, as far as scoring scripts use it."""

import os
from pathlib import Path
from typing import Any

from ml_workspace_lab.endpoints.scoring.azure import MODEL_NAME


class Model:
    """Where the deployed model is."""

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Any = None) -> str:
        """The file of a model of one file, else its folder; of several models in one, the one
        called `model_name`. Raises FileNotFoundError where there is none of that name."""
        root = Path(os.environ["AZUREML_MODEL_DIR"])
        place = root / model_name
        if place.is_dir() and version is not None and (place / str(version)).exists():
            return str(_only_file(place / str(version)))
        if place.exists():
            return str(_only_file(place))
        deployed = os.environ.get(MODEL_NAME, model_name)
        if model_name != deployed:
            raise FileNotFoundError(
                f"There is no model {model_name!r} here: the deployed one is {deployed!r}."
            )
        return str(_only_file(root))


def _only_file(place: Path) -> Path:
    inside = list(place.iterdir()) if place.is_dir() else []
    return inside[0] if len(inside) == 1 and inside[0].is_file() else place
