"""How much faster one row and 256 rows are by a model's verified graph than by its own library.

python benchmarks/engines.py
"""

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

from ml_workspace_lab.models.compiled import tables
from ml_workspace_lab.models.compiled.compiling import compile_folder
from ml_workspace_lab.models.compiled.model import Speed, Verdict
from ml_workspace_lab.models.flavors import folder as folders

MODELS: dict[str, Callable[[], Any]] = {
    "LogisticRegression": lambda: LogisticRegression(max_iter=5000),
    "StandardScaler, LogisticRegression": lambda: make_pipeline(
        StandardScaler(), LogisticRegression()
    ),
    "RandomForest(100)": lambda: RandomForestClassifier(random_state=0),
    "GradientBoosting(100)": lambda: GradientBoostingClassifier(random_state=0),
    "StandardScaler, MLP": lambda: make_pipeline(
        StandardScaler(), MLPClassifier(max_iter=500, random_state=0)
    ),
    "StandardScaler, SVC": lambda: make_pipeline(StandardScaler(), SVC()),
    "KNeighbors": KNeighborsClassifier,
    "XGBoost(100)": lambda: XGBClassifier(n_jobs=1),
    "LightGBM(100)": lambda: LGBMClassifier(n_jobs=1, verbose=-1),
}


def main() -> int:
    data, labels = load_breast_cancer(return_X_y=True)
    head = f"{'us':<36} {'row':>9} {'ONNX':>8} {'ratio':>7} {'256':>9} {'ONNX':>8} {'ratio':>7}"
    print(f"{head}  rows  difference")
    with quiet():
        for name, make in MODELS.items():
            print(line(name, compiled(make().fit(data, labels), data)), flush=True)
    return 0


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def compiled(model: Any, data: Any) -> Verdict:
    with tempfile.TemporaryDirectory() as place:
        where, rows = Path(place, "model"), Path(place, "rows.json")
        where.mkdir()
        folders.write(model, where, input_example=data)
        tables.write(data, rows)
        return compile_folder(where, Path(place), rows)


def line(name: str, verdict: Verdict) -> str:
    one, batch = (timed(speed) for speed in (verdict.one_row, verdict.batch))
    gap = "" if verdict.max_difference is None else f"{verdict.max_difference:.1e}"
    kept = "" if verdict.kept else f"  native: {verdict.reason}"
    return f"{name:<36} {one} {batch} {verdict.rows:>5}  {gap}{kept}"


def timed(speed: Speed | None) -> str:
    if speed is None:
        return " " * 26
    return f"{speed.native:>9.0f} {speed.onnx:>8.1f} {speed.native / speed.onnx:>6.1f}x"


if __name__ == "__main__":
    sys.exit(main())
