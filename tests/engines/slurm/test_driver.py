"""The driver against a real Slurm of three nodes."""

import json
from pathlib import Path

import pytest

from ml_workspace_lab.compute.driver import Handle, Phase, Probe, Refused
from ml_workspace_lab.compute.slurm.driver import SlurmDriver
from ml_workspace_lab.storage import engine, one_machine
from tests.engines.slurm import configuration
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.support import Recorded, driver_of, launch, python
from tests.waiting import eventually

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(1000)
"""
POLITE = """
import signal, sys, time
def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(5)
signal.signal(signal.SIGTERM, end)
print("begun", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def driver(slurm: Cluster, tmp_path: Path) -> SlurmDriver:
    return driver_of(slurm, tmp_path)


def probe(driver: SlurmDriver, handle: Handle) -> Probe:
    return driver.probe([handle])[handle]


def ended(driver: SlurmDriver, handle: Handle) -> Probe:
    def look() -> Probe | None:
        found = probe(driver, handle)
        return found if found.phase is Phase.ENDED else None

    found: Probe | None = eventually(look, what="the job ends")
    assert found is not None
    return found


def begun(driver: SlurmDriver, handle: Handle) -> str:
    """The first line that the job prints, whole."""

    def line() -> bytes:
        first, end, _ = driver.engine_log(handle).partition(b"\n")
        return first if end else b""

    return eventually(line, what="it prints").decode()


def test_a_job_ends_with_its_code_and_its_words_are_kept(driver: SlurmDriver) -> None:
    handle = driver.submit(python("print('some words'); raise SystemExit(3)"))
    assert ended(driver, handle).exit_code == 3
    assert driver.engine_log(handle) == b"some words\n"
    assert driver.engine_log(handle, tail_bytes=6) == b"words\n"


def test_a_job_killed_by_a_signal_says_so(driver: SlurmDriver) -> None:
    handle = driver.submit(python("import os; os.kill(os.getpid(), 9)"))
    found = ended(driver, handle)
    assert (found.exit_code, found.signal) == (None, 9)
    assert found.reason == "FAILED: killed by signal 9 (SIGKILL)"


def test_a_repeated_submission_starts_nothing(
    driver: SlurmDriver, slurm: Cluster, tmp_path: Path
) -> None:
    attempt = launch("/bin/sh", "-c", "echo once")
    first = driver.submit(attempt)
    assert driver.submit(attempt) == first
    another = driver_of(slurm, tmp_path)
    assert another.find(attempt.run_id, 1) == first
    assert another.submit(attempt) == first
    ended(driver, first)
    assert driver_of(slurm, tmp_path).submit(attempt) == first, "also when it has ended"
    assert driver.engine_log(first) == b"once\n"
    assert driver.find(attempt.run_id, 2) is None


def test_of_two_jobs_with_one_name_the_eldest_is_meant_and_both_are_swept(
    driver: SlurmDriver, slurm: Cluster
) -> None:
    attempt = launch("sleep", "1000")
    for _ in range(2):
        words = ["--wrap=sleep 1000", "--mem=10", "--output=/dev/null", "--parsable"]
        slurm.ask("sbatch", f"--job-name={attempt.name}", *words)
    found = driver.find(attempt.run_id, 1)
    assert found is not None
    numbers = slurm.ask("squeue", "--noheader", f"--name={attempt.name}", "--format=%A").split()
    assert found.native_id == min(numbers, key=int)
    driver.sweep(found)
    eventually(lambda: not slurm.ask("squeue", "--noheader", f"--name={attempt.name}"))


def test_all_attempts_are_probed_by_one_call_and_not_again_at_once(
    slurm: Cluster, tmp_path: Path
) -> None:
    calls = Recorded(tmp_path)
    driver = driver_of(slurm, tmp_path, commands=str(calls.folder), poll_seconds=60)
    handles = [driver.submit(launch("sleep", "1000")) for _ in range(4)]
    assert calls.taken() == ["squeue", *["sbatch"] * 4]
    assert {found.phase for found in driver.probe(handles).values()} == {Phase.PENDING}
    assert calls.taken() == []
    driver.cancel(handles[0], grace_s=0, force=True)
    calls.taken()
    driver.probe(handles)
    driver.probe(handles)
    assert calls.taken() == ["squeue"], "what was asked for is looked at, once"
    for handle in handles:
        driver.sweep(handle)


def test_a_pending_job_is_cancelled_before_it_begins(driver: SlurmDriver) -> None:
    handle = driver.submit(launch("sleep", "1000", cores=64))
    found = eventually(lambda: probe(driver, handle), what="Slurm says why it waits")
    assert found.phase is Phase.PENDING
    driver.cancel(handle, grace_s=5)
    assert ended(driver, handle).reason.startswith("CANCELLED")
    assert driver.engine_log(handle) == b""


def test_a_running_job_is_asked_to_end(driver: SlurmDriver) -> None:
    handle = driver.submit(python(POLITE))
    begun(driver, handle)
    driver.cancel(handle, grace_s=5)
    driver.cancel(handle, grace_s=5)
    assert ended(driver, handle).exit_code == 5


@pytest.mark.skipif(
    not configuration.limits_memory(), reason="control groups (v1) can't be written here"
)
def test_a_job_that_does_not_listen_is_ended_by_force_with_all_that_it_started(
    driver: SlurmDriver, slurm: Cluster
) -> None:
    handle = driver.submit(python(STUBBORN))
    child = int(begun(driver, handle))
    driver.cancel(handle, grace_s=0)
    assert probe(driver, handle).phase is Phase.RUNNING
    driver.cancel(handle, grace_s=0, force=True)
    eventually(lambda: not Path(f"/proc/{child}").exists(), what="its child is gone")
    ended(driver, handle)


def test_what_has_ended_or_never_was_can_be_cancelled(driver: SlurmDriver) -> None:
    attempt = launch("true")
    handle = driver.submit(attempt)
    ended(driver, handle)
    never = Handle("cluster", "999999", attempt.run_id, 7)
    for of in (handle, never):
        driver.cancel(of, grace_s=0)
        driver.cancel(of, grace_s=0, force=True)
        driver.sweep(of)
    assert probe(driver, never).phase is Phase.ABSENT


def test_a_number_that_was_given_to_another_job_is_no_evidence(driver: SlurmDriver) -> None:
    handle = driver.submit(launch("true"))
    other = Handle("cluster", handle.native_id, launch("true").run_id, 1)
    assert probe(driver, other).phase is Phase.ABSENT
    driver.cancel(other, grace_s=0, force=True)
    assert ended(driver, handle).exit_code == 0, "and not a job to cancel"


def test_resources_are_given(driver: SlurmDriver, slurm: Cluster) -> None:
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    handle = driver.submit(python(code, memory_mb=123, cores=2, gpus=1))
    seen = json.loads(begun(driver, handle))
    assert seen["SLURM_CPUS_PER_TASK"] == "2"
    assert seen["SLURM_MEM_PER_NODE"] == "123"
    assert seen["SLURMD_NODENAME"] == slurm.nodes[-1], "the one that has a GPU"
    several = driver.submit(python(code, nodes=2))
    assert json.loads(begun(driver, several))["SLURM_JOB_NUM_NODES"] == "2"


def test_nothing_of_this_process_reaches_a_job(
    driver: SlurmDriver, slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUPYTER_TOKEN", "SBATCH_HOLD", "A_SECRET"):
        monkeypatch.setenv(name, "1")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    handle = driver_of(slurm, tmp_path).submit(python(code))
    assert not {"JUPYTER_TOKEN", "SBATCH_HOLD", "A_SECRET"} & set(json.loads(begun(driver, handle)))


def test_a_folder_with_slurms_own_signs_in_its_name_is_that_folder(
    slurm: Cluster, tmp_path: Path
) -> None:
    driver = driver_of(slurm, tmp_path / "50%j of it, 'quoted'")
    handle = driver.submit(launch("/bin/sh", "-c", "pwd"))
    assert begun(driver, handle) == str(driver.root / "runs" / handle.run_id)


@pytest.mark.skipif(
    not configuration.limits_memory(), reason="control groups (v1) can't be written here"
)
def test_a_job_over_its_memory_is_ended_as_out_of_memory(driver: SlurmDriver) -> None:
    driver.check()
    assert "memory_limit" in driver.capabilities
    handle = driver.submit(python("x = bytearray(500 << 20)", memory_mb=200))
    found = ended(driver, handle)
    assert found.reason == "OUT_OF_MEMORY (OutOfMemory)"
    assert found.exit_code is None


def test_what_slurm_does_not_take_is_refused_in_its_words(slurm: Cluster, tmp_path: Path) -> None:
    driver = driver_of(slurm, tmp_path, partition="nowhere")
    with pytest.raises(Refused, match="nvalid partition"):
        driver.submit(launch("true"))


def test_a_time_limit_leaves_room_for_the_report(driver: SlurmDriver, slurm: Cluster) -> None:
    attempt = launch("sleep", "1000")
    handle = driver.submit(type(attempt)(**{**vars(attempt), "walltime_s": 58}))
    shown = slurm.ask("scontrol", "show", "job", handle.native_id)
    assert "TimeLimit=00:02:00" in shown
    assert "Requeue=0" in shown
    driver.sweep(handle)


def test_nodes_are_listed_once_with_what_they_have(driver: SlurmDriver, slurm: Cluster) -> None:
    found = driver.capacity()
    assert found.slots is None
    assert [node.name for node in found.nodes] == slurm.nodes
    assert [node.gpus for node in found.nodes] == [0, 0, 1]
    assert {(node.cores, node.memory_bytes >> 20) for node in found.nodes} == {(2, 4000)}


def test_a_check_finds_nothing_where_nothing_is_missing(driver: SlurmDriver) -> None:
    assert driver.check() == []


@pytest.mark.parametrize(
    ("chosen", "message", "hint"),
    [
        ({"partition": "nowhere"}, "no partition 'nowhere'", "main, short"),
        ({"python": "/nowhere/python"}, "no Python interpreter /nowhere/python", "`python`"),
        ({"python": "/bin/false"}, "does not have ml_workspace_lab", "pip install"),
        ({"modules": ["nothing"]}, "did not go through: FAILED", "settings"),
        ({"exclude": "nowhere"}, "does not take a job: ", "settings"),
    ],
)
def test_a_check_names_what_is_missing(
    slurm: Cluster, tmp_path: Path, chosen: dict[str, object], message: str, hint: str
) -> None:
    (problem,) = driver_of(slurm, tmp_path, **chosen).check()
    assert message in problem.message
    assert hint in problem.hint


def test_a_folder_that_nodes_do_not_see_is_named_by_the_check(slurm: Cluster) -> None:
    (problem,) = driver_of(slurm, slurm.private).check()
    assert f"folder {slurm.private} can't be written on node" in problem.message
    assert "shared_folder" in problem.hint
    assert driver_of(slurm, slurm.private, shared_folder=False).check() == []
    assert list(slurm.private.iterdir()) == [], "nothing is left"


def test_a_file_of_records_that_other_machines_can_not_use_is_named_by_the_check(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / engine.FILE).touch()
    assert driver_of(slurm, tmp_path).check() == []
    monkeypatch.setattr(one_machine, "_boot", ["of another machine than the nodes"])
    (problem,) = driver_of(slurm, tmp_path).check()
    assert "SQLite file, which is for one machine" in problem.message
    assert "workspace_url" in problem.hint
    assert driver_of(slurm, tmp_path, shared_folder=False).check() == []


def test_without_a_shared_folder_what_jobs_print_can_go_to_another(
    slurm: Cluster, tmp_path: Path
) -> None:
    blind = driver_of(slurm, slurm.private, shared_folder=False)
    assert not {"shared_fs", "engine_logs"} & blind.capabilities
    assert ended(blind, blind.submit(launch("/bin/sh", "-c", "echo x"))).exit_code == 0
    seeing = driver_of(slurm, slurm.private, shared_folder=False, logs=str(tmp_path))
    handle = seeing.submit(launch("/bin/sh", "-c", "echo x"))
    assert begun(seeing, handle) == "x"
    assert list(slurm.private.iterdir()) == []


def test_a_controller_that_hangs_ends_nothing(slurm: Cluster, tmp_path: Path) -> None:
    driver = driver_of(slurm, tmp_path, timeout_seconds=1.0)
    handle = driver.submit(launch("sleep", "1000"))
    eventually(lambda: probe(driver, handle).phase is Phase.RUNNING, what="it runs")
    with slurm.hanging_controller():
        eventually(lambda: probe(driver, handle).phase is Phase.UNREACHABLE, what="that is seen")
        assert "did not answer within 1 s" in probe(driver, handle).reason
    eventually(lambda: probe(driver, handle).phase is Phase.RUNNING, what="it answers again")
    driver.cancel(handle, grace_s=0, force=True)
