"""`python -m ml_workspace_lab.jobs.runner FOLDER RUN_ID ATTEMPT`."""

import sys
from pathlib import Path

from ml_workspace_lab.jobs.runner.direct import DirectLink
from ml_workspace_lab.jobs.runner.lifecycle import live
from ml_workspace_lab.jobs.runner.link import NotOurs

TAKEN = 75
"""The exit code where the attempt is not this process's to do."""

# Formats of web addresses and durations, which no notebook's schema has. Where they are installed,
# jsonschema imports them for nbformat, and the first compiles a grammar at every import: seconds
# before the first cell. None makes such an import fail, which jsonschema takes for "not installed".
UNUSED_FORMATS = ("rfc3987_syntax", "rfc3986_validator", "isoduration")


def main(root: Path, run_id: str, attempt: int) -> int:
    try:
        link = DirectLink.claim(root, run_id, attempt)
    except NotOurs:
        return TAKEN
    live(link)
    return 0


if __name__ == "__main__":
    for name in UNUSED_FORMATS:
        sys.modules[name] = None  # type: ignore[assignment]
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
