"""The models of all. `python train.py NAME FILE` pickles one for the Python that it is run by."""

import pickle
import sys
from pathlib import Path
from typing import Any

ROWS = {
    "logistic": [5.1, 3.5, 1.4, 0.2],
    "forest": [
        17.99, 10.38, 122.8, 1001.0, 0.1184, 0.2776, 0.3001, 0.1471, 0.2419, 0.07871, 1.095, 0.9053,
        8.589, 153.4, 0.006399, 0.04904, 0.05373, 0.01587, 0.03003, 0.006193, 25.38, 17.33, 184.6,
        2019.0, 0.1622, 0.6656, 0.7119, 0.2654, 0.4601, 0.1189,
    ],
}  # fmt: skip
"""What each is asked for: the first row of its data, whose label is 0."""


def train(name: str) -> tuple[Any, Any]:
    """Logistic regression on iris, or a forest of 100 trees on 30 columns; and its data."""
    from sklearn import datasets
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    if name == "logistic":
        rows, labels = datasets.load_iris(return_X_y=True)
        return LogisticRegression(max_iter=1000).fit(rows, labels), rows
    rows, labels = datasets.load_breast_cancer(return_X_y=True)
    return RandomForestClassifier(100, random_state=0).fit(rows, labels), rows


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(pickle.dumps(train(sys.argv[1])[0]))
