"""Makes a model of each library, writes it as a folder, and says what it answers to its example.

`python made.py FOLDER LIBRARY…`, in an environment that has the library and not this project's
dependencies: what writes models needs none of them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ml_workspace_lab.models.flavors import folder

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0], [0.1, 0.9], [0.9, 0.2]])
LABELS = np.array([0, 1, 0, 1, 0, 1])


def rows_of(library: str) -> Any:
    """What a library takes: PyTorch has 32 bits."""
    return ROWS.astype("f4") if library == "torch" else ROWS


def sklearn() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(5, random_state=1).fit(ROWS, LABELS)


def xgboost() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=3).fit(ROWS, LABELS)


def booster() -> Any:
    import xgboost

    return xgboost.train({}, xgboost.DMatrix(ROWS, LABELS), 2)


def lightgbm() -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(min_child_samples=1, n_estimators=3, verbose=-1).fit(ROWS, LABELS)


def lightgbm_booster() -> Any:
    return lightgbm().booster_


def statsmodels() -> Any:
    from statsmodels.api import OLS

    return OLS(LABELS, ROWS).fit()


def keras() -> Any:
    import os

    os.environ["KERAS_BACKEND"] = "torch"
    import keras as library

    model = library.Sequential([library.Input((2,)), library.layers.Dense(1)])
    model.compile(loss="mse")
    return model


def catboost() -> Any:
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(
        iterations=3, depth=2, thread_count=1, allow_writing_files=False, verbose=False
    )
    return model.fit(ROWS, LABELS)


def torch() -> Any:
    import torch as library

    library.manual_seed(1)
    layers = library.nn.Linear(2, 3), library.nn.Dropout(), library.nn.Linear(3, 1)
    return library.nn.Sequential(*layers)


def function() -> Any:
    return lambda rows: np.asarray(rows).sum(axis=1)


def made(library: str, target: Path) -> Any:
    model = globals()[library]()
    target.mkdir()
    rows: Any = rows_of(library)
    framework = folder.write(model, target, input_example=rows)
    if library == "booster":
        import xgboost as native

        rows = native.DMatrix(ROWS)
    if library == "torch":
        assert model.training, "as it was"
        import torch as native

        answer = model.eval()(native.from_numpy(rows)).detach().numpy()
    else:
        answer = getattr(model, "predict", model)(rows)
    return {"framework": framework, "answer": np.asarray(answer, float).ravel().tolist()}


if __name__ == "__main__":
    root = Path(sys.argv[1])
    found = {library: made(library, root / library) for library in sys.argv[2:]}
    (root / "made.json").write_text(json.dumps(found))
