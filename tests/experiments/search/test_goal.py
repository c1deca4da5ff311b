"""Which way a metric is better, and that two packages agree on what is indexed."""

import pytest

from ml_workspace_lab.experiments.search.goal import goal
from ml_workspace_lab.experiments.search.sources import PREFIX
from ml_workspace_lab.storage.schema import runs


@pytest.mark.parametrize(
    "name",
    [
        "loss", "val_loss", "validation/loss", "trainLoss", "valloss", "eval.rmse", "MAE", "RMSLE",
        "log_loss", "logloss", "perplexity", "error_rate", "latency_ms", "system/p99 latency",
        "test-err", "crossEntropy", "loss_1",
    ],
)  # fmt: skip
def test_a_metric_that_is_better_lower_is_known_by_its_name(name: str) -> None:
    assert goal(name) == "min"


@pytest.mark.parametrize(
    "name",
    [
        "accuracy", "f1", "AUC", "r2", "neg_mean_squared_error", "neg_log_loss", "glossary", "",
        "precision@10", "reward", "image", "terms", "🙂", "merry",
    ],
)  # fmt: skip
def test_any_other_is_better_higher(name: str) -> None:
    assert goal(name) == "max"


def test_the_index_holds_as_much_as_is_looked_up_in_it() -> None:
    assert PREFIX == runs.PREFIX
