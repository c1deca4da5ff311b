"""The parent of a workspace's background process: `python -m ml_workspace_lab.agent.parent FOLDER`.

It starts that process, and again where it is killed (for want of memory, say): so what it had begun
is looked after, also where nobody is there who would start another. What a killed one leaves behind
comes to this one, which is told how that ends. It waits in the kernel, and imports next to nothing.
"""

import os
import signal
import sys
import time
from pathlib import Path

from ml_workspace_lab import brand, prctl

ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""One that ends by these was meant to end."""
SHORT_SECONDS = 60.0
LONGEST_PAUSE = 60.0
"""Seconds before one is started again that did not live for longer than the above."""


def main(root: Path) -> None:
    brand.put_off()  # A job may have started this for all.
    prctl.adopt_orphans()
    pause = 0.0
    while True:
        began = time.monotonic()
        code = _end_of(_start(root), root)
        if code >= 0 or -code in ASKED:
            return
        lived = time.monotonic() - began
        pause = 0.0 if lived > SHORT_SECONDS else min(max(1.0, 2 * pause), LONGEST_PAUSE)
        time.sleep(pause)


def _start(root: Path) -> int:
    words = [sys.executable, "-m", "ml_workspace_lab.agent", str(root)]
    return os.posix_spawn(words[0], words, os.environ, setsid=True)


def _end_of(agent: int, root: Path) -> int:
    """Wait for it; how it ended (-n: by signal n). Of what others have left is written down how
    they ended."""
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        if ended.si_pid == agent:
            return _reap(agent)
        from ml_workspace_lab import processes  # not before it is needed
        from ml_workspace_lab.compute import ended as told

        native = processes.native_id(ended.si_pid)  # as long as it is there
        told.note(root, native, _code(ended))
        _reap(ended.si_pid)


def _code(ended: os.waitid_result) -> int:
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _reap(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
