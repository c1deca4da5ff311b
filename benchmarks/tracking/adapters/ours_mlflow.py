"""ML Workspace Lab over the MLflow protocol: MLflow's own client, and `ml-workspace serve`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from adapters.mlflow_rest import MLflowRest
from adapters.servers import OURS, create, free_port, serving


class OursMLflow(MLflowRest):
    """Exactly what `MLflowRest` does, at another address."""

    name = "ours-mlflow"
    most: ClassVar = {
        "log": 5_000,
        "bulk": 200_000,
        "long": 200_000,
        "search_large": 0,
        "writers": 500,
    }

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        create(OURS, folder / "store")
        port = free_port()
        words = [
            OURS, "-m", "ml_workspace_lab.cli.main", "serve", "--no-token",
            "--workspace", str(folder / "store"), "--port", str(port),
        ]  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        with serving(words, folder / "server.log", f"{url}/health"):
            yield url
