"""What real libraries log through a real MLflow client, oldest and newest, and what we then have.

The environments are made by `scripts/install_autolog`.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct, field

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.model import RunInfo, RunState
from ml_workspace_lab.models.logged_model import SearchLoggedModels
from ml_workspace_lab.models.model import RegisterModel
from tests.mlflow.conformance.conftest import serving

HERE = Path(__file__).parent
PLACES = HERE.parents[2] / "build" / "autolog"
MODEL_FILES = ("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt")
NO_KERAS = "MLflow 2.9 knows Keras as a part of TensorFlow alone"


class Expected(Struct):
    """What the outermost run of a training has: parameters, how many points its metrics have, files
    beside the model; how many runs there are, and whether a model was logged."""

    params: dict[str, str]
    metrics: dict[str, int]
    files: tuple[str, ...] = ()
    runs: int = 1
    model: str | None = "model"
    needs: str = ""


EXPECTED = {
    "sklearn": Expected(
        {"C": "0.5", "fit_intercept": "True"},
        {"training_accuracy_score": 1, "training_log_loss": 1},
        ("training_confusion_matrix.png",),
    ),
    "sklearn_search": Expected(
        {"cv": "2", "best_max_depth": "1"},
        {"best_cv_score": 1},
        ("cv_results.csv",),
        runs=3,
        model="best_estimator",
    ),
    "xgboost": Expected(
        {"max_depth": "2", "num_boost_round": "3"},
        {"train-rmse": 3},
        ("feature_importance_weight.json",),
    ),
    "lightgbm": Expected(
        {"num_leaves": "4", "objective": "binary"},
        {"train-binary_logloss": 3},
        ("feature_importance_split.json",),
    ),
    "statsmodels": Expected({"method": "pinv"}, {"aic": 1, "rsquared": 1}, ("model_summary.txt",)),
    "pytorch": Expected({"lr": "0.1"}, {"loss": 3}, needs="torch"),
    "lightning": Expected(
        {"epochs": "3", "optimizer_name": "SGD"},
        {"train_loss": 3},
        ("model_summary.txt",),
        needs="lightning",
    ),
    "keras": Expected(
        {"batch_size": "16", "epochs": "3"},
        {"accuracy": 3, "loss": 3},
        ("model_summary.txt",),
        needs="keras",
    ),
    "optuna": Expected({}, {"loss": 1}, runs=3, model=None),
    "transformers": Expected(
        {"hidden_size": "8", "num_train_epochs": "3"},
        {"loss": 6, "train_loss": 1},
        model=None,
        needs="transformers",
    ),
}


class Served(Struct):
    """A workspace behind a server, and how a client gets there."""

    workspace: Workspace
    environment: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("autolog")
    with serving(folder) as (target, _):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "MLFLOW_TRACKING_URI": target.url,
            "MLFLOW_TRACKING_TOKEN": target.headers["Authorization"].removeprefix("Bearer "),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT": "1",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
        }
        yield Served(Workspace.open(folder / "store"), environment)


def train(served: Served, place: str, name: str, folder: Path) -> list[RunInfo]:
    """Train, and read the runs that came of it, the first first."""
    python = PLACES / place / "bin" / "python"
    assert python.exists(), "the libraries are missing: run scripts/install_autolog"
    experiment = f"{name}-{place}"
    done = subprocess.run(
        [python, HERE / "trainings.py", name, experiment],
        cwd=folder, env=served.environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    items = served.workspace.connection.runs.list(experiment=experiment).items
    return sorted(items, key=lambda run: run.created)


def model_paths(served: Served, run: RunInfo, name: str) -> list[str]:
    """The model's files: those of a logged model, or from older clients the run's own."""
    connection = served.workspace.connection
    for logged in connection.logged_models.search(SearchLoggedModels([run.experiment])).items:
        if logged.name == name and logged.run_id == run.run_id:
            assert logged.status == "ready"
            return [one.path for one in connection.logged_models.files(logged.model_id).items]
    artifacts = connection.artifacts.list(run.run_id).items
    start = f"{name}/"
    return [one.path.removeprefix(start) for one in artifacts if one.path.startswith(start)]


@pytest.mark.parametrize("place", ["newest", "oldest"])
@pytest.mark.parametrize("name", list(EXPECTED))
def test_what_a_library_logs_is_there(
    served: Served, place: str, name: str, tmp_path: Path
) -> None:
    expected = EXPECTED[name]
    if (place, name) == ("oldest", "keras"):
        pytest.skip(NO_KERAS)
    if expected.needs and not list((PLACES / place).glob(f"lib/*/site-packages/{expected.needs}")):
        pytest.skip("PyTorch has no build for CPUs alone here")
    runs = train(served, place, name, tmp_path)
    assert [run.state for run in runs] == [RunState.COMPLETED] * expected.runs
    run = next(one for one in runs if one.parent is None)
    assert expected.params.items() <= run.params.items()
    counts = {key: metric.count for key, metric in run.metrics.items()}
    assert expected.metrics.items() <= counts.items()
    history = served.workspace.connection.metrics.get(run.run_id).items
    lengths = {one.name: len(one.values) for one in history}
    assert expected.metrics.items() <= lengths.items()
    files = [one.path for one in served.workspace.connection.artifacts.list(run.run_id).items]
    assert set(expected.files) <= set(files)
    if expected.model is not None:
        assert set(MODEL_FILES) <= set(model_paths(served, run, expected.model))
        source = f"runs:/{run.run_id}/{expected.model}"
        version = served.workspace.connection.models.register(name, RegisterModel(source=source))
        assert set(MODEL_FILES) <= {one.path for one in version.files}
