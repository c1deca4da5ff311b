"""What a Linux process can ask of its kernel about parents and children; without weight, for
processes that do little else."""

import ctypes
import os
import signal
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int) -> None:
    """End this process as soon as `parent`, its parent, does. (Linux's PR_SET_PDEATHSIG.)"""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """From now on a descendant whose parent ends becomes a child of this process. (Linux's
    PR_SET_CHILD_SUBREAPER; nothing where there is no such thing.)"""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
