"""Where things lie in an image, and what its process is told there.

Only the standard library is used: the process looks at what it is told before anything else.
"""

from dataclasses import dataclass
from typing import Literal

HOME = "/opt/ml-workspace"
PORT = 5001
TOLD = "contained.json"
COMPILED = "compiled"
"""The folder of the model's graph."""
PORT_VARIABLE = "ML_WORKSPACE_SCORING_PORT"
KEY_VARIABLE = "ML_WORKSPACE_SCORING_KEY"
KEYS_FILE_VARIABLE = "ML_WORKSPACE_SCORING_KEYS_FILE"
SETTINGS_VARIABLE = "ML_WORKSPACE_SCORING_SETTINGS"
"""The limits of requests as JSON, see `RequestSettings`."""
SOCKET_VARIABLE = "ML_WORKSPACE_SCORING_SOCKET"
"""The number of a listening socket that the process was given: it answers there, until SIGUSR1 says
that it shall have its port."""


@dataclass(frozen=True)
class Contained:
    """The models, as NAME:VERSION, whether there is a script, the Python that it is all for, and
    which engine was asked for."""

    models: list[str]
    has_script: bool
    python: str
    engine: Literal["auto", "native", "onnx"] = "native"
