"""Libraries that report to their makers unless they are told not to."""

from collections.abc import MutableMapping

OFF = {
    "ORT_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Variables that tell them, read when they are imported: of ONNX Runtime, MLflow and Ray."""


def switch_off(environment: MutableMapping[str, str]) -> None:
    """Tell them; what a user has set stays as it is."""
    for name, value in OFF.items():
        environment.setdefault(name, value)
