"""What Slurm prints, read: the lines are those of a real one."""

import pytest

from ml_workspace_lab.compute.driver import Phase
from ml_workspace_lab.compute.slurm.nodes import WIDTHS as NODE_WIDTHS
from ml_workspace_lab.compute.slurm.nodes import of_nodes
from ml_workspace_lab.compute.slurm.states import WIDTHS, Job, of_accounting, of_queue


def line(widths: dict[str, int], **cells: str) -> str:
    return (
        "".join(cells.get(name, "")[:width].ljust(width) for name, width in widths.items()) + "\n"
    )


def job(state: str, exit_code: str = "0", reason: str = "None") -> Job:
    text = line(WIDTHS, jobid="7", name="ws-x-a1", state=state, exit_code=exit_code, reason=reason)
    (found,) = of_queue(text)
    return found


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("PENDING", Phase.PENDING),
        ("REQUEUE_HOLD", Phase.PENDING),
        ("SPECIAL_EXIT", Phase.PENDING),
        ("CONFIGURING", Phase.PENDING),
        ("RUNNING", Phase.RUNNING),
        ("SUSPENDED", Phase.RUNNING),
        ("COMPLETING", Phase.RUNNING),
        ("A_STATE_OF_A_LATER_RELEASE", Phase.RUNNING),
        ("COMPLETED", Phase.ENDED),
        ("CANCELLED", Phase.ENDED),
        ("TIMEOUT", Phase.ENDED),
        ("PREEMPTED", Phase.ENDED),
        ("BOOT_FAIL", Phase.ENDED),
        ("DEADLINE", Phase.ENDED),
    ],
)
def test_a_state_is_a_phase(state: str, phase: Phase) -> None:
    assert job(state).phase is phase


@pytest.mark.parametrize(
    ("state", "exit_code", "reason", "code", "signal", "said"),
    [
        ("PENDING", "0", "PartitionTimeLimit", 0, None, "PENDING (PartitionTimeLimit)"),
        ("COMPLETED", "0", "None", 0, None, "COMPLETED"),
        ("FAILED", "768", "NonZeroExitCode", 3, None, "FAILED (NonZeroExitCode)"),
        ("FAILED", "3:0", "NonZeroExitCode", 3, None, "FAILED (NonZeroExitCode)"),
        ("FAILED", "9", "JobLaunchFailure", None, 9, "FAILED: killed by signal 9 (SIGKILL)"),
        ("FAILED", "0:15", "JobLaunchFailure", None, 15, "FAILED: killed by signal 15 (SIGTERM)"),
        ("FAILED", "0:53", "JobLaunchFailure", None, None, "FAILED (JobLaunchFailure)"),
        ("OUT_OF_MEMORY", "253", "OutOfMemory", None, None, "OUT_OF_MEMORY (OutOfMemory)"),
        ("NODE_FAIL", "0", "None", None, None, "NODE_FAIL"),
    ],
)
def test_the_end_is_told_in_slurms_words_and_with_its_code(
    state: str, exit_code: str, reason: str, code: int | None, signal: int | None, said: str
) -> None:
    probe = job(state, exit_code, reason).probe
    assert probe.reason == said
    if probe.phase is Phase.ENDED:
        assert (probe.exit_code, probe.signal) == (code, signal)
    assert probe.native["state"] == state


def test_lines_of_accounting_are_jobs_too() -> None:
    text = "7|ws-x-a1|CANCELLED by 1000|0:15|n1\n8|ws-x-a2|COMPLETED|0:0|n[1-2]\n"
    assert of_accounting(text) == [
        Job("7", "ws-x-a1", "CANCELLED", None, 15, nodes="n1"),
        Job("8", "ws-x-a2", "COMPLETED", 0, None, nodes="n[1-2]"),
    ]


def test_a_node_of_two_partitions_is_one_and_its_gpus_are_added_up() -> None:
    cells = {"nodelist": "n1", "statelong": "idle~", "cpus": "64", "memory": "1024"}
    text = line(NODE_WIDTHS, **cells, gres="gpu:a100:4(S:0-1),gpu:v100:2,mps:400") * 2
    (node,) = of_nodes(text)
    assert (node.name, node.state, node.cores, node.gpus) == ("n1", "idle~", 64, 6)
    assert node.memory_bytes == 1 << 30
