"""The peers: one module each, which imports its peer only when a store is opened."""

from importlib import import_module

from adapters.base import Adapter

NAMES = {
    "ours": "ours:Ours",
    "ours-postgresql": "ours_postgresql:OursPostgresql",
    "ours-rest": "ours_rest:OursRest",
    "ours-mlflow": "ours_mlflow:OursMLflow",
    "ours-jupyter": "ours_jupyter:OursJupyter",
    "mlflow": "mlflow:MLflow",
    "mlflow-rest": "mlflow_rest:MLflowRest",
    "aim": "aim:Aim",
    "wandb": "wandb:Wandb",
    "trackio": "trackio:Trackio",
    "floor-chunks": "chunks:Chunks",
    "floor-memory": "memory:Memory",
}


def adapter(name: str) -> type[Adapter]:
    """The adapter of that name. Raises KeyError."""
    module, _, class_name = NAMES[name].partition(":")
    found: type[Adapter] = getattr(import_module(f"adapters.{module}"), class_name)
    return found
