"""`python -m ml_workspace_lab.jobs.runner FOLDER RUN_ID ATTEMPT`."""

import sys
from pathlib import Path

from ml_workspace_lab.jobs.runner.lifecycle import run

if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
