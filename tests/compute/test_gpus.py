"""Runs get the GPUs that they ask for, each for itself alone. Here is none: a setting says how many
there are."""

from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Run, Workspace
from ml_workspace_lab.compute import gpus
from ml_workspace_lab.compute.gpus import Assignments, devices
from ml_workspace_lab.compute.model import Resources, UpdateCompute
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import end_agents, eventually

SHOW = "echo $CUDA_VISIBLE_DEVICES; while [ ! -e {go} ]; do sleep 0.05; done"


def test_no_device_is_given_twice_and_one_that_is_left_is_given_again(tmp_path: Path) -> None:
    taken = Assignments(tmp_path / "gpus")
    there = ["0", "1", "GPU-8a/1"]
    assert taken.take(("a", 1), 2, there, lambda _: False) == ["0", "1"]
    assert taken.take(("b", 1), 2, there, lambda _: False) is None
    assert taken.take(("a", 1), 2, there, lambda _: False) == ["0", "1"], "a repeat"
    again = Assignments(tmp_path / "gpus")  # another process
    assert again.take(("b", 1), 1, there, lambda _: False) == ["GPU-8a/1"]
    again.release(("a", 1))
    assert again.take(("c", 1), 2, there, lambda _: False) == ["0", "1"]


def test_a_device_of_an_attempt_that_is_over_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Assignments(tmp_path / "gpus")
    assert taken.take(("a", 1), 1, ["0"], lambda _: True) == ["0"]
    assert taken.take(("b", 1), 1, ["0"], lambda _: True) is None, "it may just be starting"
    monkeypatch.setattr(gpus, "STARTING_SECONDS", -1.0)
    assert taken.take(("b", 1), 1, ["0"], lambda _: False) is None
    assert taken.take(("b", 1), 1, ["0"], lambda owner: owner == ("a", 1)) == ["0"]


def test_devices_are_those_that_this_process_may_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-8a")
    assert devices() == ["2", "GPU-8a"]
    assert devices(1) == ["2"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert devices(2) == ["0", "1"]


def test_nvidia_smi_says_how_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 0\necho 1\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    gpus._found.cache_clear()
    assert devices() == ["0", "1"]
    monkeypatch.setenv("PATH", "/nowhere")
    gpus._found.cache_clear()
    assert devices() == []


def test_runs_have_devices_of_their_own_also_after_a_restart(ws: Workspace, tmp_path: Path) -> None:
    ws.connection.computes.update("local", UpdateCompute(settings={"gpus": 2, "slots": 4}))
    (tmp_path / "code").mkdir()

    def submit(name: str, count: int) -> Run:
        command = ["sh", "-c", SHOW.format(go=tmp_path / name)]
        config = CommandConfig(tmp_path / "code", command, resources=Resources(0.1, gpus=count))
        return ws.experiment("e").submit(config)

    with pytest.raises(InvalidInput, match="gpus: 3 are asked for, and local has 2") as refused:
        submit("none", 3)
    assert refused.value.field == "resources.gpus"
    first, second, third = submit("a", 1), submit("b", 1), submit("c", 1)
    eventually(lambda: first.get_log() and second.get_log())
    assert {first.get_log(), second.get_log()} == {"0\n", "1\n"}
    end_agents(Path(ws.location))
    (tmp_path / "a").touch()
    first_device = first.get_log()
    plain = submit("d", 0)  # wakes another one
    eventually(lambda: third.get_log() and plain.get_log())
    assert third.get_log() == first_device
    assert second.get_status() is RunState.RUNNING
    for name in "bcd":
        (tmp_path / name).touch()
    for run in (second, third, plain):
        run.wait_for_completion(timeout_seconds=30)
    eventually(
        lambda: not [link for link in (Path(ws.location) / "gpus").iterdir() if link.is_symlink()]
    )
