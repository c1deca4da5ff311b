"""The scripts that a user wants to have run before the server starts."""

import shutil
import subprocess

from ml_workspace_lab.compute.instances.folder import LaunchFolder
from ml_workspace_lab.compute.instances.model import SetupScript, SetupScripts
from ml_workspace_lab.errors import RunFailed
from ml_workspace_lab.processes import in_words
from ml_workspace_lab.storage.files import write_atomic

LAST_LINES = 5


def run_scripts(launch: LaunchFolder, scripts: SetupScripts) -> None:
    """The creation script where it has not succeeded before, then the startup script. Raises
    RunFailed with the last lines of the one that failed."""
    created = launch.instance.created
    if scripts.creation is not None and not created.exists():
        _run(launch, "creation", scripts.creation)
    created.touch()
    if scripts.startup is not None:
        _run(launch, "startup", scripts.startup)


def _run(launch: LaunchFolder, name: str, script: SetupScript) -> None:
    """Run one in the working folder, its output in the log."""
    file = launch.path / f"{name}.sh"
    write_atomic(file, script.script.encode())
    print(f"The {name} script:", flush=True)  # noqa: T201 - the log is this process's output
    start = launch.instance.log.end()
    process = subprocess.Popen([shutil.which("bash") or "/bin/sh", str(file)])
    try:
        code = process.wait(script.timeout_minutes * 60)
    except subprocess.TimeoutExpired:
        launch.end()  # the script and all that it started; never this process
        process.wait()
        said = f"did not end within {script.timeout_minutes:g} minutes"
    else:
        if code == 0:
            return
        said = f"ended with {in_words(code)}"
    lines = _tail(launch, start)
    raise RunFailed(f"The {name} script {said}." + (f" It said last:\n{lines}" if lines else ""))


def _tail(launch: LaunchFolder, start: int) -> str:
    """The last lines that came into the log since it ended at `start`."""
    size = launch.instance.log.end() - start
    return launch.instance.tail(LAST_LINES, limit=min(size, 1500)) if size > 0 else ""
