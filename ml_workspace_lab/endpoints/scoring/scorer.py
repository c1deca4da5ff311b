"""The code that scores: a script with `init()` and `run(data)`, or a model that predicts.

Loading a model may execute code, so this is imported by scoring processes alone.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_workspace_lab.endpoints.scoring.payload import features
from ml_workspace_lab.models.flavors import loading
from ml_workspace_lab.models.flavors.loading import Loaded

PICKLES = (".pkl", ".pickle", ".joblib")


class BadInput(Exception):
    """The body is not what the model takes; the message says why."""


class NotLoadable(Exception):
    """There is nothing here that could score; the message says what is missing."""


Scorer = Callable[[bytes], Any]


def load(model: Path, script: Path | None) -> Scorer:
    """What scores a request's body. Raises whatever the script's import and `init()` raise."""
    os.environ["AZUREML_MODEL_DIR"] = str(model)
    if script is not None:
        return _script_scorer(script)
    if (folder := loading.find(model)) is not None:
        return _model_scorer(loading.load(folder))
    found = _load_sklearn(model)
    names = [str(name) for name in getattr(found, "feature_names_in_", [])]
    return _model_scorer(Loaded(found.predict, names, getattr(found, "n_features_in_", None)))


def _script_scorer(script: Path) -> Scorer:
    """Azure's contract: `init()` once, then `run(body)` with the body as text."""
    sys.path.insert(0, str(script.parent))
    spec = importlib.util.spec_from_file_location("score", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["score"] = module
    spec.loader.exec_module(module)
    run = getattr(module, "run", None)
    if not callable(run):
        raise NotLoadable("The scoring script has no function run(data).")
    if callable(init := getattr(module, "init", None)):
        init()

    def score(body: bytes) -> Any:
        return run(body.decode("utf-8"))

    return score


def _model_scorer(model: Loaded) -> Scorer:
    """`model.predict` on the rows of the body; the predictions as a list."""

    def score(body: bytes) -> Any:
        try:
            rows = features(json.loads(body), model.names, model.count)
        except ValueError as error:
            raise BadInput(str(error)) from None
        try:
            return model.predict(rows)
        except (TypeError, ValueError) as error:
            # With no code of the user's in between, it is the rows that the model can't take.
            raise BadInput(f"The model does not take these rows: {error}") from error

    return score


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
