"""Processes that are started ahead, as tests find them."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from ml_workspace_lab.compute.wake import wake
from tests.conftest import agents, eventually


@dataclass(frozen=True)
class Spare:
    """A zygote and the pair that it keeps: a runner and its kernel."""

    zygote: psutil.Process
    runner: psutil.Process
    kernel: psutil.Process

    @property
    def processes(self) -> list[psutil.Process]:
        return [self.zygote, self.runner, self.kernel]


def zygotes(root: Path) -> list[psutil.Process]:
    return [
        child
        for agent in agents(root)
        for child in agent.children()
        if is_at_work(child) and "ml_workspace_lab.jobs.prewarmed" in child.cmdline()
    ]


def find_spare(root: Path) -> Spare | None:
    try:
        for zygote in zygotes(root):
            for runner in zygote.children():
                if "ml_workspace_lab.jobs.prewarmed" in runner.cmdline():
                    for kernel in runner.children():
                        if "ipykernel_launcher" in kernel.cmdline():
                            return Spare(zygote, runner, kernel)
    except psutil.Error:
        pass  # One of them ended meanwhile.
    return None


def await_spare(root: Path) -> Spare:
    """The spare of the workspace's background process, which is started where there is none."""
    wake(root)
    return eventually(lambda: find_spare(root), 120, "a spare is there")


def await_end(processes: list[psutil.Process]) -> None:
    def over() -> bool:
        return not any(is_at_work(process) for process in processes)

    eventually(over, 30, f"{processes} end")


def is_at_work(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
