"""`python -m ml_workspace_lab.endpoints.scoring FOLDER`."""

import sys
from pathlib import Path

from ml_workspace_lab.endpoints.scoring.server import main

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
