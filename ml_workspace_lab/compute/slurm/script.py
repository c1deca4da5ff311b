"""An attempt as Slurm takes it: the options of sbatch, and the batch script."""

import math
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from ml_workspace_lab.compute.driver import Launch, Refused
from ml_workspace_lab.compute.slurm.settings import SlurmSettings

MEBIBYTE = 1 << 20
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def options(launch: Launch, settings: SlurmSettings, output: str) -> list[str]:
    """The options for sbatch, each one word. What the job prints is appended to `output`."""
    resources = launch.resources
    words = [
        "--parsable",
        f"--job-name={launch.name}",
        f"--comment={_comment(launch)}",
        # Slurm would run it again by itself after a node has died; whether that is wanted is for
        # the run's own retries to say, as another attempt.
        "--no-requeue",
        "--input=/dev/null",
        f"--output={escaped(output)}",
        "--open-mode=append",
        f"--chdir={_folder(output)}",
        f"--nodes={resources.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={math.ceil(resources.cores)}",
    ]
    if resources.memory_bytes is not None:
        words.append(f"--mem={math.ceil(resources.memory_bytes / MEBIBYTE)}M")
    if resources.gpus:
        kind = f"{settings.gpu_type}:" if settings.gpu_type else ""
        words.append(f"--gres=gpu:{kind}{resources.gpus}")
    if launch.walltime_s is not None:
        words.append(f"--time={math.ceil((launch.walltime_s + launch.grace_s) / 60)}")
    return [*words, *_of_target(settings)]


def _of_target(settings: SlurmSettings) -> Iterator[str]:
    for name in ("partition", "account", "qos", "constraint", "reservation", "licenses", "exclude"):
        value = getattr(settings, name)
        if value is not None:
            yield f"--{name}={value}"
    if settings.nice is not None:
        yield f"--nice={settings.nice}"
    if settings.exclusive:
        yield "--exclusive"


def script(launch: Launch, settings: SlurmSettings) -> str:
    """The batch script. Its shell becomes the runner, so that a signal reaches that."""
    program, *arguments = launch.argv
    python = settings.python or program
    exports = [_export(name, value) for name, value in launch.environment.items()]
    command = f"exec {shlex.join([python, *arguments])}"
    return "\n".join([*preamble(python, settings), *exports, command, ""])


def preamble(python: str, settings: SlurmSettings) -> Iterator[str]:
    """The lines that prepare a node's shell."""
    # Modules are functions of a login shell.
    yield "#!/bin/bash -l" if settings.modules else "#!/bin/bash"
    for name in settings.modules:
        yield f"module load {shlex.quote(name)} || exit"
    # What the run calls by name (pip, a tool of the environment) is its interpreter's neighbour.
    yield f'export PATH={shlex.quote(str(Path(python).parent))}:"$PATH"'


def _export(name: str, value: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise Refused(f"A variable of the name {name!r} can't be given to a Slurm job.")
    return f"export {name}={shlex.quote(value)}"


def escaped(path: str) -> str:
    """A path for `--output`, in which Slurm would replace `%j` and the like."""
    return path.replace("%", "%%")


def _folder(output: str) -> str:
    return "/" if output == "/dev/null" else str(Path(output).parent)


def _comment(launch: Launch) -> str:
    words = [f"run={launch.run_id}", f"attempt={launch.attempt}"]
    words += [f"{name}={value}" for name, value in launch.labels.items()]
    return "".join(c if c.isprintable() else "?" for c in " ".join(words))[:1024]
