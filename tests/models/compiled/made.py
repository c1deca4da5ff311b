"""Small fitted models of real libraries, and the rows that they were fitted on."""

from typing import Any

import numpy as np
import pandas as pd

RANDOM = np.random.default_rng(7)
ROWS = RANDOM.standard_normal((120, 4)) * [1, 10, 0.1, 3] + [0, 20, 0, -5]
SUMS = ROWS @ [1.0, 0.2, 8.0, -0.5]
LABELS = np.greater(SUMS, np.median(SUMS)).astype(int)
NAMED = pd.DataFrame(ROWS, columns=["a", "b", "c", "d"])


def logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000).fit(ROWS, LABELS)


def words() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000).fit(NAMED, np.where(LABELS, "yes", "no"))


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(10, random_state=1).fit(ROWS, LABELS)


def pipeline() -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge()).fit(NAMED, SUMS)


def boosting() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(n_estimators=10, random_state=1).fit(ROWS, SUMS)


def xgboost() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=5, n_jobs=1).fit(NAMED, LABELS)


def lightgbm() -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1).fit(ROWS, SUMS)


def neighbors() -> Any:
    """Found through a tree natively, and by looking at every point in a graph."""
    from sklearn.neighbors import KNeighborsRegressor

    points = np.random.default_rng(1).standard_normal((4000, 4))
    return KNeighborsRegressor().fit(points, points.sum(axis=1))


IDENTIFIERS = np.column_stack([1e9 + RANDOM.integers(0, 1000, 120), RANDOM.standard_normal(120)])


def of_identifiers() -> Any:
    """Tells numbers of ten digits apart by their last three."""
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    target = IDENTIFIERS[:, 0] - 1e9
    return make_pipeline(StandardScaler(), LinearRegression()).fit(IDENTIFIERS, target)
