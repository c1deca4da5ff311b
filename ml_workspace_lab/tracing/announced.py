"""How many spans a trace has, as its client says."""

import json
from collections.abc import Mapping

SIZE = "mlflow.trace.sizeStats"
"""The name of the metadata that say so."""


def announced(metadata: Mapping[str, str]) -> int:
    """How many spans there are to be; 0 where nothing is said."""
    try:
        return int(json.loads(metadata[SIZE])["num_spans"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return 0
