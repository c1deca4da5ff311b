"""`python -m ml_workspace_lab.jobs.runner FOLDER RUN_ID ATTEMPT`."""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ml_workspace_lab import brand, telemetry
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.jobs.runner.direct import DirectLink
from ml_workspace_lab.jobs.runner.lifecycle import live
from ml_workspace_lab.jobs.runner.link import NotOurs
from ml_workspace_lab.jobs.tickets import Ticket, presented
from ml_workspace_lab.processes import MARK

TAKEN = 75
"""The exit code where the attempt is not this process's to do, on the workspace's own machine. An
engine elsewhere would take that for a failed job: there it is 0."""
CONFIGURATION = 78

# Formats of web addresses and durations, which no notebook's schema has. Where they are installed,
# jsonschema imports them for nbformat, and the first compiles a grammar at every import: seconds
# before the first cell. None makes such an import fail, which jsonschema takes for "not installed".
UNUSED_FORMATS = ("rfc3987_syntax", "rfc3986_validator", "isoduration")


def main(root: Path, run_id: str, attempt: int) -> int:
    """The runner of a target that shares the workspace's folder."""
    try:
        link = DirectLink.claim(root, run_id, attempt)
    except NotOurs:
        return TAKEN
    if mark := os.environ.get(MARK):
        brand.put_on(MARK, mark)
    live(link)
    return 0


def far(ticket: Ticket) -> int:
    """The runner of a target that does not."""
    from ml_workspace_lab.jobs.runner import leftovers
    from ml_workspace_lab.jobs.runner import place as places
    from ml_workspace_lab.jobs.runner.remote import RemoteLink

    try:
        link = RemoteLink.claim(ticket)
    except NotOurs as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201 - the engine's log has it
        return 0
    # What others leave here is sent beside the work, which has another idea of where that is.
    words = (places.folder(),)
    threading.Thread(target=leftovers.look_after, args=words, name="leftovers", daemon=True).start()
    live(link)
    return 0


def begin(arguments: Sequence[str]) -> int:
    """`FOLDER RUN_ID ATTEMPT`; where there is a ticket, that says it all."""
    try:
        ticket = presented()
        if ticket is not None:
            return far(ticket)
    except WorkspaceError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the engine's log has it
        return CONFIGURATION
    root, run_id, attempt = arguments
    return main(Path(root), run_id, int(attempt))


if __name__ == "__main__":
    telemetry.switch_off(os.environ)  # engines start it in environments of their own
    for name in UNUSED_FORMATS:
        sys.modules[name] = None  # type: ignore[assignment]
    sys.exit(begin(sys.argv[1:]))
