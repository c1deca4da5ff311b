"""The contract of a driver alone: what it starts, finds, tells and ends."""

import os
import shlex
import sys
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab.compute.driver import Driver, Handle, Launch, Phase, Probe
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.experiments.ids import new_id
from tests.compute.conformance.target import Target
from tests.conftest import eventually

MANY = 20
# Drivers begin Python, as a runner is begun, and may put in another one than ours.
BECOME = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"


def launch(code: str, run_id: str | None = None, attempt: int = 1, **variables: str) -> Launch:
    """An attempt that is a shell's one line."""
    return Launch(
        run_id=run_id or new_id(),
        attempt=attempt,
        argv=begin("/bin/sh", "-c", code),
        environment=variables,
        resources=Resources(cores=0.1),
        walltime_s=None,
        grace_s=5.0,
        labels={"user": "anna"},
    )


def begin(*command: str) -> list[str]:
    """A Python that becomes this command."""
    return [sys.executable, "-c", BECOME, *command]


def words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


class DriverContract:
    """Tests of `Target.driver()`."""

    @pytest.fixture
    def target(self) -> Target:
        raise NotImplementedError

    @pytest.fixture
    def driver(self, target: Target) -> Driver:
        return target.driver()

    def over(self, target: Target, handle: Handle, driver: Driver | None = None) -> Probe:
        asked = driver or target.driver()
        probe = asked.probe([handle])[handle]

        def ended() -> bool:
            nonlocal probe
            probe = asked.probe([handle])[handle]
            return probe.is_over

        eventually(ended, target.seconds, "the attempt ends")
        return probe

    @pytest.mark.parametrize("code", [0, 3])
    def test_an_attempt_runs_and_its_exit_code_is_told(
        self, target: Target, driver: Driver, tmp_path: Path, code: int
    ) -> None:
        done = tmp_path / "done"
        handle = driver.submit(launch(f"echo $X >{shlex.quote(str(done))}; exit {code}", X="a b"))
        probe = self.over(target, handle, driver)
        assert (probe.phase, probe.exit_code, probe.signal) == (Phase.ENDED, code, None)
        assert done.read_text() == "a b\n"

    def test_the_signal_that_ended_it_is_told(self, target: Target, driver: Driver) -> None:
        probe = self.over(target, driver.submit(launch("kill -9 $$")), driver)
        assert (probe.phase, probe.signal) == (Phase.ENDED, 9)
        assert probe.reason

    def test_arguments_and_variables_arrive_as_they_are(
        self, target: Target, driver: Driver, tmp_path: Path
    ) -> None:
        odd = "a  'b' \"c\" $HOME `id` \\ ; é\n*"
        written = tmp_path / "written"
        begun = Launch(
            new_id(), 1,
            begin("/bin/sh", "-c", 'printf "%s|%s" "$1" "$ODD" >"$0"', str(written), odd),
            {"ODD": odd}, Resources(cores=0.1), None, 5.0,
        )  # fmt: skip
        self.over(target, driver.submit(begun), driver)
        assert written.read_text() == f"{odd}|{odd}"

    def test_it_is_running_while_it_runs(self, target: Target, driver: Driver) -> None:
        handle = driver.submit(launch("sleep 1000"))
        phases = {Phase.PENDING}
        eventually(
            lambda: phases.add(driver.probe([handle])[handle].phase) or Phase.RUNNING in phases,
            target.seconds,
        )
        assert phases <= {Phase.PENDING, Phase.RUNNING}
        driver.cancel(handle, grace_s=0, force=True)
        self.over(target, handle)

    def test_a_second_submission_starts_nothing(
        self, target: Target, driver: Driver, tmp_path: Path
    ) -> None:
        begun = tmp_path / "begun"
        wanted = launch(f"echo once >>{begun}; sleep 1000")
        first = driver.submit(wanted)
        assert driver.submit(wanted) == first
        eventually(begun.exists, target.seconds)
        assert target.driver().submit(wanted) == first
        driver.cancel(first, grace_s=0, force=True)
        self.over(target, first)
        assert words(begun) == ["once"]

    def test_an_attempt_is_found_by_run_and_number(self, target: Target, driver: Driver) -> None:
        run_id = new_id()
        handles = [driver.submit(launch("sleep 1000", run_id, attempt)) for attempt in (1, 2)]
        other = target.driver()
        assert [other.find(run_id, attempt) for attempt in (1, 2)] == handles
        assert other.find(run_id, 3) is None
        assert other.find(new_id(), 1) is None
        for handle in handles:
            other.cancel(handle, grace_s=0, force=True)
            self.over(target, handle)

    def test_many_are_probed_at_once(self, target: Target, driver: Driver) -> None:
        many = min(MANY, target.crowd)
        handles = [driver.submit(launch(f"exit {n}")) for n in range(many)]
        eventually(
            lambda: all(probe.is_over for probe in driver.probe(handles).values()),
            target.seconds * 2,
        )
        assert [driver.probe(handles)[handle].exit_code for handle in handles] == list(range(many))
        assert driver.probe([]) == {}

    def test_what_the_engine_does_not_know_is_absent(self, target: Target, driver: Driver) -> None:
        unknown = Handle(target.name, target.unknown, new_id(), 1)
        assert driver.probe([unknown])[unknown].phase is Phase.ABSENT
        driver.cancel(unknown, grace_s=1)
        driver.cancel(unknown, grace_s=0, force=True)
        driver.sweep(unknown)
        assert driver.engine_log(unknown) == b""

    def test_a_gentle_cancel_lets_it_end_its_work(
        self, target: Target, driver: Driver, tmp_path: Path
    ) -> None:
        ready, asked = tmp_path / "ready", tmp_path / "asked"
        code = (
            f"trap 'echo asked >{asked}; exit 0' TERM; touch {ready}; while :; do sleep 0.1; done"
        )
        handle = driver.submit(launch(code))
        eventually(ready.exists, target.seconds)
        driver.cancel(handle, grace_s=30)
        driver.cancel(handle, grace_s=30)
        self.over(target, handle)
        assert words(asked)

    def test_a_cancel_by_force_ends_what_will_not_listen_and_all_it_started(
        self, target: Target, driver: Driver, tmp_path: Path
    ) -> None:
        pids = tmp_path / "pids"
        if not target.ends_strays:
            pytest.skip("this engine ends the session of an attempt, and its runner the rest")
        code = (
            f"trap '' TERM INT; echo $$ >>{pids}; (setsid sh -c 'trap \"\" TERM;"
            f" echo $$ >>{pids}; while :; do sleep 1; done' &); while :; do sleep 1; done"
        )
        handle = driver.submit(launch(code))
        eventually(lambda: len(words(pids)) == 2, target.seconds)
        driver.cancel(handle, grace_s=0, force=True)
        self.over(target, handle)
        driver.sweep(handle)
        driver.cancel(handle, grace_s=0, force=True)
        for pid in map(int, words(pids)):
            eventually(lambda pid=pid: not alive(pid), target.seconds, "no process is left")

    def test_what_it_wrote_is_in_the_engines_log(self, target: Target, driver: Driver) -> None:
        if "engine_logs" not in driver.capabilities:
            pytest.skip("this kind of target keeps no log of its own")
        handle = driver.submit(launch("echo from the start; echo trouble >&2; exit 1"))
        self.over(target, handle, driver)
        eventually(lambda: b"trouble" in driver.engine_log(handle), target.seconds)
        assert len(driver.engine_log(handle, tail_bytes=4)) == 4

    def test_it_is_usable_and_says_what_it_has(self, driver: Driver) -> None:
        assert driver.check() == []
        nodes = driver.capacity().nodes
        assert nodes
        assert all(node.name and node.cores > 0 for node in nodes)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
