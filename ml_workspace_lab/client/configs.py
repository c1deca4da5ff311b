"""What to run and where: the configurations that `Experiment.submit` takes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.client.files import is_file
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.jobs.model import (
    After,
    CommandJob,
    Input,
    Job,
    ModelInput,
    NotebookJob,
    Output,
    PathInput,
    Retry,
    RunInput,
    ScriptJob,
)

if TYPE_CHECKING:
    from ml_workspace_lab.client.environment import Environment
    from ml_workspace_lab.client.model import Model
    from ml_workspace_lab.client.run import Run


@dataclass(kw_only=True)
class RunConfig(ABC):
    """What all kinds of runs have in common.

    `timeout_seconds` ends the run as Failed. `environment` is what it runs in: an Environment, or
    NAME or NAME:VERSION of one that is registered; else `python` is the interpreter that does the
    work, by default the one that submits. `cold` asks for a new process, whatever was started
    ahead. `after` names runs to wait for: until they have succeeded, unless an `After` says
    otherwise. An input is a run (its `outputs`), a `RunInput`, a model, or a path or URL that is
    given as it is; the run finds its place in AZURE_ML_INPUT_name. Outputs are folders below
    `outputs/`, in AZURE_ML_OUTPUT_name. `resume_from` puts another run's outputs there.
    """

    compute_target: str = "local"
    display_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float | None = None
    python: str | None = None
    cold: bool = False
    environment: "Environment | str | None" = None
    resources: Resources = field(default_factory=Resources)
    retry: Retry = field(default_factory=Retry)
    priority: int = 0
    after: Sequence["Run | str | After"] = ()
    inputs: Mapping[str, "Run | Model | Input | str | Path"] = field(default_factory=dict)
    outputs: Sequence[str] | Mapping[str, Output] = ()
    resume_from: "Run | str | None" = None

    def wanted_inputs(self) -> dict[str, Input]:
        return {name: _input(value) for name, value in self.inputs.items()}

    def wanted_outputs(self) -> dict[str, Output]:
        if isinstance(self.outputs, Mapping):
            return dict(self.outputs)
        return {name: Output() for name in self.outputs}

    def waits_for(self) -> list[After]:
        return [one if isinstance(one, After) else After(_id_of(one)) for one in self.after]

    def resumed(self) -> str | None:
        return None if self.resume_from is None else _id_of(self.resume_from)

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
    """A Python script below `source_directory`, with its arguments, in which
    `${{parameters.NAME}}`, `${{inputs.NAME}}` and `${{outputs.NAME}}` stand for values and paths.
    """

    source_directory: str | Path
    script: str
    arguments: Sequence[str | float] = ()
    parameters: Mapping[str, Scalar] = field(default_factory=dict)

    def job(self) -> Job:
        _check_there(self.folder() / self.script, "script")
        words = [str(argument) for argument in self.arguments]
        return ScriptJob(self.script, words, dict(self.parameters))

    def folder(self) -> Path:
        return Path(self.source_directory)


@dataclass
class CommandConfig(RunConfig):
    """A program and its arguments, started in a copy of `source_directory`, without a shell. Its
    words may hold `${{parameters.NAME}}`, `${{inputs.NAME}}` and `${{outputs.NAME}}`."""

    source_directory: str | Path
    command: Sequence[str]
    parameters: Mapping[str, Scalar] = field(default_factory=dict)

    def job(self) -> Job:
        if isinstance(self.command, str):
            raise InvalidInput(
                "command: must be a list of words, not one text.",
                field="command",
                hint='Write ["bash", "-c", "…"] where a shell is wanted.',
            )
        return CommandJob(list(self.command), dict(self.parameters))

    def folder(self) -> Path:
        return Path(self.source_directory)


def _input(value: "Run | Model | Input | str | Path") -> Input:
    if isinstance(value, RunInput | ModelInput | PathInput):
        return value
    if isinstance(value, str | Path):
        return PathInput(str(value))
    version: int | None = getattr(value, "version", None)
    if version is not None:
        return ModelInput(value.name, version)  # type: ignore[union-attr]
    return RunInput(_id_of(value))  # type: ignore[arg-type]


def _id_of(run: "Run | str") -> str:
    return run if isinstance(run, str) else run.id


def _check_there(path: Path, field_name: str, given: bool = False) -> None:
    if not given and not is_file(path):
        raise InvalidInput(f"There is no file {shown(path)}.", field=field_name)
