"""What a runner says of itself when it claims an attempt."""

import os
import secrets
import socket

from ml_workspace_lab._version import __version__
from ml_workspace_lab.jobs.attempt_model import PROTOCOL, ClaimAttempt

NATIVE = ("SLURM_JOB_ID", "RAY_JOB_ID", "POD_NAME")
"""Variables by which engines tell a process what it is to them."""

HANDED_OVER = "ML_WORKSPACE_HANDED_OVER"
"""The nonce of a process that has put this one in its own place."""


def claimer() -> ClaimAttempt:
    """This process, with a nonce that it alone knows; what has been handed over to it is its own,
    and never its children's."""
    native = next((os.environ[name] for name in NATIVE if os.environ.get(name)), "process")
    return ClaimAttempt(
        nonce=os.environ.pop(HANDED_OVER, "") or secrets.token_hex(16),
        protocol=PROTOCOL,
        version=__version__,
        native_id=f"{native}:{os.getpid()}",
        host=socket.gethostname(),
    )
