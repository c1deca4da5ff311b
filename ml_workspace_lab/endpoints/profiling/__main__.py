"""`python -m ml_workspace_lab.endpoints.profiling PARENT FOLDER`: a scoring process that ends with
the process that measures it."""

import sys
from pathlib import Path

from ml_workspace_lab.endpoints.scoring.server import main
from ml_workspace_lab.prctl import die_with_parent

if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    sys.exit(main(Path(sys.argv[2])))
