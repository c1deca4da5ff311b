"""ML Workspace Lab over the MLflow protocol inside a Jupyter server, for what else it serves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from adapters.ours_mlflow import OursMLflow
from adapters.servers import OURS, jupyter


class OursJupyter(OursMLflow):
    """A tracking URI below the address of the Jupyter server, with a token of the workspace."""

    name = "ours-jupyter"
    most: ClassVar = {
        "log": 5_000,
        "bulk": 0,
        "history": 0,
        "long": 0,
        "search": 0,
        "search_large": 0,
        "writers": 0,
        "kill": 0,
    }

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        with jupyter(OURS, folder) as (url, token):
            os.environ["MLFLOW_TRACKING_TOKEN"] = token
            yield f"{url}/ml-workspace-lab/mlflow"

    def neighbour(self) -> str:
        return f"{self.location.removesuffix('/ml-workspace-lab/mlflow')}/api"
