"""What is missing before a Slurm cluster can be used, and what to do about it."""

from collections.abc import Iterator

from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.model import Problem
from ml_workspace_lab.compute.slurm.commands import Commands
from ml_workspace_lab.compute.slurm.settings import SlurmSettings

NEEDED = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
OUT_OF_USE = ("down", "drain", "fail", "inval", "maint", "unk")


def here(commands: Commands, settings: SlurmSettings) -> list[Problem]:
    """What this machine and the controller can tell at once."""
    missing = [name for name in NEEDED if commands.find(name) is None]
    if missing:
        hint = "Install Slurm's client commands (Debian: slurm-client), or set `commands`."
        return [Problem(f"Commands of Slurm are missing: {', '.join(missing)}.", hint)]
    try:
        return [*_controller(commands), *_partition(commands, settings)]
    except Unreachable as error:
        return [_unreachable(str(error))]


def _controller(commands: Commands) -> Iterator[Problem]:
    answer = commands.ask("scontrol", "ping")
    if " UP" not in answer:  # Some releases end with exit code 0 also then.
        yield _unreachable(answer.strip())


def _partition(commands: Commands, settings: SlurmSettings) -> Iterator[Problem]:
    words = [f"--partition={settings.partition}"] if settings.partition else []
    lines = commands.ask("sinfo", "--noheader", "--format=%R|%a|%D|%T", *words).splitlines()
    rows = [line.split("|") for line in lines]
    for name in (settings.partition or "").split(","):
        if name and name not in {row[0] for row in rows}:
            known = commands.ask("sinfo", "--noheader", "--format=%R").split()
            yield Problem(
                f"Slurm has no partition {name!r}, or it has no nodes.",
                f"Set `partition` to one of: {', '.join(sorted(set(known)))}.",
            )
            return
    if not any(available == "up" for _, available, _, _ in rows):
        yield Problem("No partition takes jobs.", "`sinfo` shows them; ask the site's staff.")
    elif all(state.startswith(OUT_OF_USE) for _, _, _, state in rows):
        states = ", ".join(f"{count} {state}" for _, _, count, state in rows)
        yield Problem(
            f"No node takes jobs: {states}.", "`sinfo --list-reasons` says why they are out of use."
        )


def _unreachable(said: str) -> Problem:
    if "munge" in said.lower() or "authentication" in said.lower():
        hint = "Start munge on this machine, with the key that the cluster has."
    else:
        hint = "Is slurmctld running, and does `config` name the cluster's slurm.conf?"
    return Problem(f"Slurm does not answer: {said}", hint)
