"""The model of all: logistic regression on iris. `python train.py FILE` pickles it for the Python
that it is run by."""

import pickle
import sys
from pathlib import Path
from typing import Any

ROW = [5.1, 3.5, 1.4, 0.2]


def train() -> Any:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    rows, labels = load_iris(return_X_y=True)
    return LogisticRegression(max_iter=1000).fit(rows, labels)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(pickle.dumps(train()))
