"""Another machine, as far as a folder can tell: another name, and another start of its kernel."""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BOOT_ID = "/proc/sys/kernel/random/boot_id"
NAME = "far.example"


def elsewhere(folder: Path) -> list[str]:
    """The words to put before a command that is to be of another machine, the same for each
    `folder`."""
    boot = folder / "boot-of-another-machine"
    if not boot.exists():
        boot.write_text(f"{uuid.uuid4()}\n")
    script = f'mount --bind "$0" {BOOT_ID} && hostname {NAME} && exec "$@"'
    return ["unshare", "--mount", "--uts", "--map-root-user", "sh", "-c", script, str(boot)]


def can_be_elsewhere(folder: Path) -> bool:
    if not shutil.which("unshare") or not Path(BOOT_ID).exists():
        return False
    probe = subprocess.run([*elsewhere(folder), "true"], capture_output=True, check=False)
    return probe.returncode == 0


@contextmanager
def waiting(before: list[str], code: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A Python process that runs `code`, which says one line when it is ready and goes on until its
    input ends."""
    pipe = subprocess.PIPE
    command = [*before, sys.executable, "-c", code, *words]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise AssertionError(process.communicate()[1])
        try:
            yield process
        finally:
            process.kill()
