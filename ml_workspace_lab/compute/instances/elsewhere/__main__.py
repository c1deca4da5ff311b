"""`python -m ml_workspace_lab.compute.instances.elsewhere FOLDER`: keeps one start of an instance
that is a job elsewhere."""

import os
import sys
from pathlib import Path

from ml_workspace_lab.compute.instances.elsewhere.keeper import Keeper
from ml_workspace_lab.compute.instances.folder import LaunchFolder
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.supervision import Presence


def main(path: Path) -> int:
    """Keep it until the job is over: by itself, because it is to end, or since the folder was
    removed. A signal ends this process alone, and another one goes on with the job."""
    launch = LaunchFolder(path)
    presence = Presence.take(launch)
    if presence is None:
        return os.EX_TEMPFAIL
    try:
        return Keeper(launch, lambda: launch.to_end.exists() or not presence.is_in_place()).keep()
    except (WorkspaceError, OSError) as error:
        if presence.is_in_place():
            launch.fail(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
