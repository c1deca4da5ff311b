"""The dispatcher's hold on what its runs print: where a runner is killed, it goes to the log."""

import os
from contextlib import suppress

from ml_workspace_lab.jobs.runner.kept_output import reader, rescue
from ml_workspace_lab.jobs.runner.log_file import LogFile
from ml_workspace_lab.storage.log_tail import tail_of
from ml_workspace_lab.storage.storage import RunFolder


class Outputs:
    """The pipes of the runs of one target. While one is held, nothing in it is lost, whoever dies;
    another dispatcher takes hold of those that it finds."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def make(self, files: RunFolder) -> None:
        """Take hold of the pipe of a run that is about to begin. Where there can't be one, the
        runner does without."""
        files.create()
        with suppress(OSError):
            self._held[files.path.name] = reader(files)

    def adopt(self, files: RunFolder) -> None:
        """Take hold of a run's pipe where there is one that is not held."""
        if not self.has(files) and files.output.exists():
            self.make(files)

    def has(self, files: RunFolder) -> bool:
        return files.path.name in self._held

    def keeps(self, files: RunFolder) -> bool:
        """Whether there may be something that a dead runner has not brought to the log."""
        return self.has(files) or tail_of(files.log).exists()

    def rescue(self, files: RunFolder) -> None:
        """The runner is dead, and so is all that it started: bring what they printed to the log."""
        if self.has(files):
            rescue(files, self._held[files.path.name])
        elif self.keeps(files):
            LogFile(files.log).close()  # It ends with the last lines of what had no room.

    def release(self, files: RunFolder) -> None:
        """The attempt is over, and the log has it all."""
        pipe = self._held.pop(files.path.name, None)
        if pipe is not None:
            os.close(pipe)
        files.output.unlink(missing_ok=True)
        files.taken.unlink(missing_ok=True)
