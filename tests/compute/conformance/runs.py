"""The contract of a target from a user's side: runs that are submitted to it."""

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from ml_workspace_lab import CommandConfig, Run
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import After, CommandJob, Retry, SubmitRun
from tests.compute.conformance.drivers import alive, words
from tests.compute.conformance.target import Target
from tests.compute.conformance.work import Work
from tests.conftest import end_agents, eventually

HOG = "import time\nhog = bytearray(300_000_000)\nfor i in range(0, len(hog), 4096): hog[i] = 1\n"


class RunContract:
    """Tests of runs on `Target`."""

    @pytest.fixture
    def target(self) -> Target:
        raise NotImplementedError

    def submit(self, target: Target, folder: Path, code: str, **more: Any) -> Run:
        """A run of one line of a shell, in a copy of an empty folder."""
        (folder / "code").mkdir(exist_ok=True)
        command = CommandConfig(
            folder / "code", ["sh", "-c", code], compute_target=target.name, **more
        )
        return target.ws.experiment("conformance").submit(command)

    def submit_plain(self, target: Target, folder: Path, code: str, **more: Any) -> Run:
        """The same by the bare operation."""
        first = self.submit(target, folder, "true")
        snapshot = first.info().snapshot_id
        assert snapshot is not None
        body = SubmitRun(
            CommandJob(["sh", "-c", code]), snapshot, compute_target=target.name, **more
        )
        return Run(target.ws, target.ws.connection.jobs.submit("conformance", body))

    def end_of(self, target: Target, run: Run, seconds: float | None = None) -> Any:
        wait = seconds or 3 * target.seconds
        return run.wait_for_completion(raise_on_error=False, timeout_seconds=wait)

    def running(self, target: Target, run: Run, sign: Path) -> None:
        """Wait until the run's own code has begun, for which it makes the file `sign`."""
        eventually(sign.exists, 2 * target.seconds, f"the code begins: {run.info()}")

    def nothing_left(self, target: Target) -> None:
        """No run's job is anything but over, and no process of the workspace is there."""
        eventually(target.is_idle, target.seconds, "all jobs are over")

    def test_a_run_completes_with_its_log_and_outputs(self, target: Target, tmp_path: Path) -> None:
        go = tmp_path / "go"
        code = f"echo first; while [ ! -e {go} ]; do sleep 0.05; done; echo last; echo x >outputs/f"
        run = self.submit(target, tmp_path, code)
        eventually(lambda: run.get_log() == "first\n", 2 * target.seconds, "the log is live")
        assert run.get_status() is RunState.RUNNING
        go.touch()
        assert self.end_of(target, run).state is RunState.COMPLETED
        assert run.get_log() == "first\nlast\n"
        assert run.read_artifact("outputs/f") == b"x\n"
        states = [change.state for change in run.status_history]
        assert states[0] == "NotStarted"
        assert states[-3:] == ["Running", "Finalizing", "Completed"]
        self.nothing_left(target)

    def test_the_exit_code_is_the_reason(self, target: Target, tmp_path: Path) -> None:
        info = self.end_of(target, self.submit(target, tmp_path, "echo why; exit 3"))
        assert info.state is RunState.FAILED
        assert "exit code 3" in info.reason

    def test_a_run_that_waits_is_canceled_at_once(self, target: Target, tmp_path: Path) -> None:
        first = self.submit(target, tmp_path, f"touch {tmp_path}/a; sleep 1000")
        held = self.submit_plain(target, tmp_path, "true", after=[After(first.id)])
        held.cancel()
        assert held.get_status() is RunState.CANCELED
        with pytest.raises(Conflict, match="has ended already"):
            held.cancel()
        first.cancel()
        assert self.end_of(target, first).state is RunState.CANCELED
        self.nothing_left(target)

    def test_a_run_is_canceled_whenever_that_is(self, target: Target, tmp_path: Path) -> None:
        runs = [self.submit(target, tmp_path, "sleep 1000") for _ in range(6)]
        for number, run in enumerate(runs):
            if number % 2:
                eventually(
                    lambda run=run: run.get_status() is not RunState.QUEUED, 2 * target.seconds
                )
            run.cancel()
            if run.get_status() is RunState.CANCEL_REQUESTED:
                run.cancel()
        for run in runs:
            assert self.end_of(target, run).state is RunState.CANCELED
        self.nothing_left(target)

    def test_a_cancel_is_gentle_first_and_ends_in_any_case(
        self, target: Target, tmp_path: Path
    ) -> None:
        gentle, deaf, pids = tmp_path / "gentle", tmp_path / "deaf", tmp_path / "pids"
        listening = f"trap 'echo bye; exit 0' TERM; touch {gentle}; while :; do sleep 0.1; done"
        stubborn = (
            f"trap '' TERM INT HUP; echo $$ >>{pids}; (setsid sh -c 'trap \"\" TERM;"
            f" echo $$ >>{pids}; while :; do sleep 1; done' &) ; touch {deaf};"
            " while :; do sleep 1; done"
        )
        first = self.submit(target, tmp_path, listening)
        second = self.submit(target, tmp_path, stubborn)
        self.running(target, first, gentle)
        first.cancel()
        assert self.end_of(target, first).state is RunState.CANCELED
        assert "bye" in first.get_log()
        self.running(target, second, deaf)
        eventually(lambda: len(words(pids)) == 2, target.seconds)
        second.cancel()
        assert self.end_of(target, second).state is RunState.CANCELED
        self.nothing_left(target)
        for pid in map(int, words(pids)):
            eventually(lambda pid=pid: not alive(pid), target.seconds, "no process is left")

    def test_a_run_over_its_time_limit_fails(self, target: Target, tmp_path: Path) -> None:
        run = self.submit(target, tmp_path, "sleep 1000", timeout_seconds=1.0)
        info = self.end_of(target, run)
        assert info.state is RunState.FAILED
        assert "time limit of 1 s" in info.reason

    def test_a_run_over_its_memory_limit_fails_and_says_so(
        self, target: Target, tmp_path: Path
    ) -> None:
        if "memory_limit" not in target.driver().capabilities:
            pytest.skip("this target can't hold a run to its memory")
        (tmp_path / "hog.py").write_text(HOG)
        limit = Resources(memory_bytes=200_000_000)
        run = self.submit_plain(
            target, tmp_path, f"exec python3 {tmp_path}/hog.py", resources=limit
        )
        info = self.end_of(target, run)
        assert info.state is RunState.FAILED
        assert "memory" in info.reason.lower()

    def test_a_run_whose_node_dies_fails_or_is_tried_again(
        self, target: Target, tmp_path: Path
    ) -> None:
        if target.kill_node is None:
            pytest.skip("the death of this target's node would be ours")
        lines = tmp_path / "lines"
        code = f"echo a >>{lines}; [ $(wc -l <{lines}) -gt 1 ] || sleep 1000"
        run = self.submit_plain(target, tmp_path, code, retry=Retry(2, ["lost"], 0.0))
        self.running(target, run, lines)
        target.kill_node(run.id)
        assert self.end_of(target, run, 5 * target.seconds).state is RunState.COMPLETED
        assert words(lines) == ["a", "a"]

    def test_a_killed_runner_is_found_out_and_the_run_tried_again(
        self, target: Target, tmp_path: Path
    ) -> None:
        lines = tmp_path / "lines"
        code = f"echo a >>{lines}; [ $(wc -l <{lines}) -gt 1 ] || sleep 1000"
        run = self.submit_plain(target, tmp_path, code, retry=Retry(2, ["lost"], 0.0))
        self.running(target, run, lines)
        runner_of(run).send_signal(signal.SIGKILL)
        assert self.end_of(target, run, 5 * target.seconds).state is RunState.COMPLETED
        assert words(lines) == ["a", "a"]
        reasons = [change.reason for change in run.status_history if change.state == "Queued"]
        assert any("Attempt 1 failed" in reason for reason in reasons)
        self.nothing_left(target)

    def test_a_run_that_is_submitted_twice_is_executed_once(
        self, target: Target, tmp_path: Path
    ) -> None:
        lines = tmp_path / "lines"
        first = self.submit(target, tmp_path, "true")
        snapshot = first.info().snapshot_id
        assert snapshot is not None
        job = CommandJob(["sh", "-c", f"echo a >>{lines}"])
        body = SubmitRun(job, snapshot, run_id="ab" * 16, compute_target=target.name)
        submit = target.ws.connection.jobs.submit
        infos = [submit("conformance", body) for _ in range(3)]
        assert {info.run_id for info in infos} == {"ab" * 16}
        assert self.end_of(target, Run(target.ws, infos[0])).state is RunState.COMPLETED
        submit("conformance", body)
        self.nothing_left(target)
        assert words(lines) == ["a"]

    def test_a_cut_network_loses_nothing(self, target: Target, tmp_path: Path) -> None:
        if target.cut_network is None:
            pytest.skip("between this target and the workspace there is no network")
        work = Work(tmp_path)
        run = work.submit(target.ws, target.name)
        with target.cut_network():
            work.wait_for_more(20, target.seconds)
            work.wait_for_its_end(target.seconds)
        assert self.end_of(target, run, 5 * target.seconds).state is RunState.COMPLETED
        work.check(run)
        self.nothing_left(target)

    def test_killing_the_runner_fails_the_run_and_loses_nothing_that_was_acknowledged(
        self, target: Target, tmp_path: Path
    ) -> None:
        work = Work(tmp_path)
        run = work.submit(target.ws, target.name)
        runner_of(run).kill()
        info = self.end_of(target, run, 5 * target.seconds)
        assert info.state is RunState.FAILED
        assert "killed by signal 9" in info.reason
        eventually(lambda: not work.processes(), target.seconds, "its program is gone, too")
        # What lay on its machine, and not in the workspace's folder, comes with the next runner.
        go = tmp_path / "go"
        next_one = self.submit(target, tmp_path, f"while [ ! -e {go} ]; do sleep 0.1; done")
        eventually(
            lambda: (
                len(run.get_metrics().get("step", ())) > work.last
                and f"line {work.last}\n" in run.get_log()
            ),
            2 * target.seconds,
            "all that was acknowledged is there",
        )
        go.touch()
        assert self.end_of(target, next_one).state is RunState.COMPLETED
        work.check(run)
        self.nothing_left(target)

    def test_a_dispatcher_that_is_killed_leaves_the_work_alone(
        self, target: Target, tmp_path: Path
    ) -> None:
        work = Work(tmp_path)
        run = work.submit(target.ws, target.name)
        end_agents(target.root)
        work.wait_for_more(seconds=target.seconds)
        wake(target.root)
        work.end()
        assert self.end_of(target, run).state is RunState.COMPLETED
        work.check(run)
        self.nothing_left(target)

    def test_many_at_once_each_end_as_they_should(self, target: Target, tmp_path: Path) -> None:
        lines = tmp_path / "lines"
        runs = [
            self.submit(target, tmp_path, f"echo {n} >>{lines}; exit {n % 2}")
            for n in range(target.crowd)
        ]
        for number, run in enumerate(runs):
            wanted = RunState.FAILED if number % 2 else RunState.COMPLETED
            assert self.end_of(target, run, 20 * target.seconds).state is wanted, run.info()
        assert sorted(map(int, words(lines))) == list(range(target.crowd))
        self.nothing_left(target)


def runner_of(run: Run) -> psutil.Process:
    """The runner of a run, wherever on this machine."""
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if run.id in (process.info["cmdline"] or ())
        and "ml_workspace_lab.jobs.runner" in (process.info["cmdline"] or ())
    ]
    # An engine may wrap it: the innermost is it.
    return max(found, key=lambda process: process.create_time())
