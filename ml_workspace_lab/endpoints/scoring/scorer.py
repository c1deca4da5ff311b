"""What scores: a script, or a model that predicts.

Loading a model may execute code, so this is imported by scoring processes alone.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_workspace_lab.endpoints.scoring import azure
from ml_workspace_lab.endpoints.scoring.columns import flavors, signature
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.rowwise import is_row_wise
from ml_workspace_lab.endpoints.scoring.script import NotLoadable, Script
from ml_workspace_lab.models.compiled.graph import Graph
from ml_workspace_lab.models.flavors import loading
from ml_workspace_lab.models.flavors.loading import Loaded

PICKLES = (".pkl", ".pickle", ".joblib")

Scorer = Script | Predictor


def load(
    model: Path, script: Path | None, name: str | None = None, providers: Sequence[str] = ()
) -> Scorer:
    """What answers requests; `name` is that of the model, `providers` are ONNX Runtime's, for a
    graph. Raises whatever the script's import and `init()` raise."""
    os.environ["AZUREML_MODEL_DIR"] = str(model)
    if name is not None:
        os.environ[azure.MODEL_NAME] = name
    if script is not None:
        return Script.load(script)
    if (folder := loading.find(model)) is not None:
        loaded = loading.load(folder, providers)
        alone = isinstance(loaded.model, Graph) or is_row_wise(loaded.predict, flavors(folder))
        return Predictor(loaded, signature(folder), is_row_wise=alone)
    if (graph := single_graph(model)) is not None:
        return Predictor(loading.open_graph(graph, providers), is_row_wise=True)
    found = _load_sklearn(model)
    names = [str(name) for name in getattr(found, "feature_names_in_", [])]
    loaded = Loaded(found.predict, names, getattr(found, "n_features_in_", None), found)
    return Predictor(loaded, is_row_wise=is_row_wise(found.predict, ()))


def single_graph(folder: Path) -> Path | None:
    """The ONNX graph that is all that a model consists of; None where it is something else."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return files[0] if len(files) == 1 and files[0].suffix.lower() == ".onnx" else None


def _load_sklearn(folder: Path) -> Any:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICKLES)
    if len(files) != 1:
        found = ", ".join(p.name for p in sorted(folder.rglob("*")) if p.is_file())
        raise NotLoadable(
            "Without a scoring script the model must be one file that ends in .pkl or .joblib;"
            f" it has: {found}. Give a script with init() and run(data)."
        )
    try:
        from joblib import load as read
    except ImportError:
        model = _unpickle(files[0])
    else:
        model = read(files[0])
    if not hasattr(model, "predict"):
        raise NotLoadable(f"{type(model).__name__} has no predict(); give a scoring script.")
    return model


def _unpickle(path: Path) -> Any:
    import pickle

    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - here, and only here, is a model loaded
