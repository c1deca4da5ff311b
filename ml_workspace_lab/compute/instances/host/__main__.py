"""`python -m ml_workspace_lab.compute.instances.host FOLDER`: one start of an instance."""

import os
import sys
import threading
import time
from pathlib import Path

from ml_workspace_lab import telemetry
from ml_workspace_lab.compute.instances.folder import LaunchFolder, ThereFolder
from ml_workspace_lab.compute.instances.host.scripts import run_scripts
from ml_workspace_lab.compute.instances.host.server import serve
from ml_workspace_lab.compute.instances.host.surroundings import surround
from ml_workspace_lab.compute.instances.model import InstanceState
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.supervision import Presence
from ml_workspace_lab.trouble import kept_apart

LOOK_SECONDS = 2.0


def main(path: Path) -> int:
    """Prepare, then serve until SIGTERM, a shutdown from inside, or the folder's removal."""
    launch = LaunchFolder.at(path)
    presence = Presence.take(launch)
    if presence is None:
        return os.EX_TEMPFAIL
    if isinstance(launch, ThereFolder):
        _settle_in(launch)
    threading.Thread(target=_look_after, args=(launch, presence), daemon=True).start()
    order = launch.read_order()
    try:
        _enter(launch, InstanceState.SETTING_UP)
        surround(launch, order)
        os.chdir(launch.instance.files)
        if order.scripts.creation or order.scripts.startup:
            _enter(launch, InstanceState.USER_SETTING_UP)
            run_scripts(launch, order.scripts)
    except (WorkspaceError, OSError) as error:
        launch.fail(str(error))
        return 1
    _enter(launch, InstanceState.RUNNING)
    serve(launch, order)
    launch.ended.touch()
    sys.stdout.flush()
    os._exit(0)  # A thread of the server that does not come back would keep the process.


def _settle_in(launch: ThereFolder) -> None:
    """What a process of this machine finds done: its output in the log, libraries told to report to
    nobody."""
    telemetry.switch_off(os.environ)
    with launch.instance.log.path.open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())


def _enter(launch: LaunchFolder, phase: InstanceState) -> None:
    write_atomic(launch.phase, phase.encode())


def _look_after(launch: LaunchFolder, presence: Presence) -> None:
    """Keep the log from growing for ever, and leave when the folder is removed."""
    while presence.is_in_place():
        with kept_apart(f"the log of {launch.instance.path.name}"):
            launch.instance.log.bound()
        time.sleep(LOOK_SECONDS)
    launch.end()  # Nobody else is left to end what it started.
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
