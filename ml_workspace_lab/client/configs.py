"""What to run and where: the configurations that `Experiment.submit` takes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.client.files import is_file
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.jobs.model import CommandJob, Job, NotebookJob, ScriptJob


@dataclass(kw_only=True)
class RunConfig(ABC):
    """What all kinds of runs have in common.

    `timeout_seconds` ends the run as Failed; `python` is the interpreter that does the work, by
    default the one that submits; `cold` asks for a new process, whatever was started ahead.
    """

    compute_target: str = "local"
    display_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float | None = None
    python: str | None = None
    cold: bool = False

    @abstractmethod
    def job(self) -> Job:
        """The work itself, as it is sent to the workspace."""

    @abstractmethod
    def folder(self) -> Path:
        """The folder that is snapshotted."""


@dataclass
class NotebookRunConfig(RunConfig):
    """A notebook, executed from its first cell to its last.

    `notebook` is a path below `source_directory`; `parameters` replace the defaults in the cell
    tagged `parameters`; `content` stands for the file where it is on the screen and not saved.
    """

    source_directory: str | Path
    notebook: str
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    kernel_name: str | None = None
    only_cell: bool = False
    content: bytes | None = None
    notes: Sequence[str] = ()

    def job(self) -> Job:
        _check_there(self.folder() / self.notebook, "notebook", self.content is not None)
        return NotebookJob(
            self.notebook, dict(self.parameters), self.kernel_name, only_cell=self.only_cell
        )

    def folder(self) -> Path:
        return Path(self.source_directory)


@dataclass
class ScriptRunConfig(RunConfig):
    """A Python script below `source_directory`, with its arguments."""

    source_directory: str | Path
    script: str
    arguments: Sequence[str | float] = ()

    def job(self) -> Job:
        _check_there(self.folder() / self.script, "script")
        return ScriptJob(self.script, [str(argument) for argument in self.arguments])

    def folder(self) -> Path:
        return Path(self.source_directory)


@dataclass
class CommandConfig(RunConfig):
    """A program and its arguments, started in a copy of `source_directory`, without a shell."""

    source_directory: str | Path
    command: Sequence[str]

    def job(self) -> Job:
        if isinstance(self.command, str):
            raise InvalidInput(
                "command: must be a list of words, not one text.",
                field="command",
                hint='Write ["bash", "-c", "…"] where a shell is wanted.',
            )
        return CommandJob(list(self.command))

    def folder(self) -> Path:
        return Path(self.source_directory)


def _check_there(path: Path, field_name: str, given: bool = False) -> None:
    if not given and not is_file(path):
        raise InvalidInput(f"There is no file {shown(path)}.", field=field_name)
