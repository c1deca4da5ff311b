"""`python -m ml_workspace_lab.jobs.prewarmed DESCRIPTOR …`: a zygote. Its last argument is room."""

import gc
import os
import sys

sys.path.pop(0)  # The folder that it was started in is no run's.
sys.modules["debugpy"] = None  # type: ignore[assignment] # a batch run has no debugger

from ml_workspace_lab.jobs.runner.__main__ import UNUSED_FORMATS  # noqa: E402

for name in UNUSED_FORMATS:
    sys.modules[name] = None  # type: ignore[assignment]

from ml_workspace_lab.jobs.prewarmed import imports  # noqa: E402
from ml_workspace_lab.jobs.prewarmed.zygote import Zygote  # noqa: E402

if __name__ == "__main__":
    imports.warm()
    gc.collect()
    gc.freeze()  # What is here stays shared with the forks: no collection touches it.
    Zygote(int(sys.argv[1])).serve()
    sys.stdout.flush()
    os._exit(0)
