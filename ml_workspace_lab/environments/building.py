"""Building an environment: once, whoever else wants it meanwhile; whole or not at all."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ml_workspace_lab.environments import locking, runtime, tools
from ml_workspace_lab.environments.builds import Build, BuildFacts, Builds, size_of
from ml_workspace_lab.environments.model import Lock
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.storage.database import full_disk, now
from ml_workspace_lab.storage.files import disk_errors

PATIENCE_SECONDS = 3600.0
WAIT_SECONDS = 0.2
NEEDED = (
    "ml_workspace_lab.jobs.runner.lifecycle",
    "ml_workspace_lab.jobs.runner.execution",
    "ipykernel.kernelapp",
)
"""Modules that a run can't do without."""
LEAST_FREE = 256 * 1024 * 1024
"""Bytes that must be free before a build is begun."""


def key_of(lock: Lock) -> str:
    """What tells one build from another: the packages, the interpreter, and this package."""
    parts = (lock.digest, lock.python, lock.python_version, lock.platform, runtime.identity())
    return locking.digest(*parts)[:32]


@dataclass
class Progress:
    """What goes on, for those who wait: in words, and what the tools say as they say it."""

    say: Callable[[str], None]
    write: Callable[[bytes], None]
    _log: Path | None = None
    _read: int = 0
    _said: str = field(default="", repr=False)

    def tell(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self.say(text)

    def follow(self, log: Path | None) -> None:
        """Pass on what has been added to a log since the last time."""
        if log is None or not log.exists():
            return
        if log != self._log:
            self._log, self._read = log, 0
        with log.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        if new:
            text = tools.without_credentials(new.decode("utf-8", "replace"))
            self.write(text.encode("utf-8", "replace"))


SILENT = Progress(lambda _: None, lambda _: None)


def build(builds: Builds, lock: Lock, progress: Progress = SILENT) -> Build:
    """The built environment: the one that is there, the one that somebody else is building, or a
    new one. Raises BuildFailed saying what the tools said, StorageFull where the disk is full."""
    key = key_of(lock)
    builds.prepare()
    turn = builds.lock(key)
    while True:
        if found := builds.find(key):
            return found
        if turn.acquire():
            break
        progress.tell("Waiting for the environment that another process builds")
        progress.follow(builds.newest_log(key))
        time.sleep(WAIT_SECONDS)
    try:
        # Built by whoever had the lock before.
        return builds.find(key) or _build(builds, key, lock, progress)
    finally:
        turn.release()


def _build(builds: Builds, key: str, lock: Lock, progress: Progress) -> Build:
    began = time.monotonic()
    place = builds.begin(key)
    try:
        free = shutil.disk_usage(builds.folder).free
        if free < LEAST_FREE:
            raise full_disk(free, LEAST_FREE)
        _install(place, lock, progress)
        facts = BuildFacts(
            key=key,
            created=now(),
            seconds=time.monotonic() - began,
            bytes=size_of(place.path)[0],
            python_version=lock.python_version,
            tool=lock.tool,
            packages=lock.packages,
        )
        builds.publish(place, facts)
    except BaseException as error:
        shutil.rmtree(place.path, ignore_errors=True)
        if isinstance(error, WorkspaceError):
            builds.fail(key, str(error))
        raise
    return place


def _install(place: Build, lock: Lock, progress: Progress) -> None:
    log = place.path / "build.log"
    locked = place.path / "lock.txt"
    with disk_errors():
        locked.write_text(lock.text, encoding="utf-8")

    def run(what: str, *words: str | Path) -> None:
        progress.tell(f"{what} ({lock.packages} packages)")
        try:
            tools.run(
                words,
                what=what,
                log=log,
                told=lambda: progress.follow(log),
                seconds=PATIENCE_SECONDS,
            )
        finally:
            progress.follow(log)

    if uv := tools.find_uv():
        to_it = ("--python", place.python)
        run("Making the environment", uv, "venv", "--allow-existing", "--python", lock.python,
            "--no-project", "--quiet", place.path)  # fmt: skip
        pip = (uv, "pip")
        run("Installing packages", *pip, "sync", "--require-hashes", *to_it, locked)
        install: tuple[str | Path, ...] = (*pip, "install", *to_it)
    else:
        _note_missing_uv(log)
        run("Making the environment", lock.python, "-m", "venv", place.path)
        install = (place.python, "-m", "pip", "install")
        run("Installing packages", *install, "--require-hashes", "--no-deps", "-r", locked)
    if runtime.is_source_tree():
        _link_source(place)
        missing = runtime.requirements()
        run("Adding what runs jobs", *install, "--quiet", "--constraint", locked, *missing)
    else:
        wheel = runtime.wheel(place.path)
        run("Adding what runs jobs", *install, "--quiet", "--constraint", locked, wheel)
        wheel.unlink()
    # What can't be imported is found out now, and what is imported is compiled.
    run("Trying what runs jobs", place.python, "-c", f"import {', '.join(NEEDED)}")


def _note_missing_uv(log: Path) -> None:
    with disk_errors(), log.open("a", encoding="utf-8") as file:
        file.write(
            "uv is not installed, so pip does its work and takes longer: "
            "`pip install ml_workspace_lab[environments]` brings it.\n"
        )


def _link_source(place: Build) -> None:
    """The source tree that this runs from, seen from the environment as it changes."""
    for folder in place.path.glob("lib/python3.*/site-packages"):
        with disk_errors():
            (folder / "ml_workspace_lab.pth").write_text(runtime.path_line(), encoding="utf-8")
