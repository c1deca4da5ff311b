"""A real Slurm of three nodes, in a folder and a network of its own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.engines.lan import Lan
from tests.engines.slurm import configuration
from tests.waiting import eventually

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in PROGRAMS if find(name) is None]


def find(program: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return shutil.which(program, path=path)


class Cluster:
    """Its daemons are children of this process, and end with it."""

    network = "slu"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)
        self.private = self.folder / "private"
        """What is there can't be seen on the nodes; all other folders can."""
        self.private.mkdir()
        self._lan = Lan(self.network)
        self.host = self._lan.host()
        """Where all of its daemons are, which know its nodes by their ports."""
        # Their control groups bear their names, beside those of another cluster on this machine.
        self.nodes = [f"{self._lan.name}n{number}" for number in (1, 2, 3)]
        self.conf = configuration.write(
            self.folder, socket.gethostname(), self.host.address, self.nodes
        )
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._mounts: dict[str, int] = {}
        self._starts = 0

    def start(self) -> None:
        """Start every daemon; returns when the three nodes take jobs."""
        self._start_munge()
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.wait_until_idle()

    def stop(self) -> None:
        """End everything that runs in the cluster, and remove what it leaves."""
        for daemon in self._daemons.values():
            daemon.kill()
            daemon.wait()
        self._lan.remove()
        self._remove_groups()
        shutil.rmtree(self.folder)

    def start_controller(self) -> None:
        """One that was killed before it saved its state would give numbers again, and nodes refuse
        a job whose number they have seen."""
        self._starts += 1
        configuration.count_from(self.conf, 1000 * self._starts)
        self._start("controller", "slurmctld", "-D", "-f", str(self.conf))

    def kill_controller(self) -> None:
        self._end("controller")

    @contextmanager
    def hanging_controller(self) -> Iterator[None]:
        """It takes what is asked, and answers nothing."""
        daemon = self._daemons["controller"]
        daemon.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            daemon.send_signal(signal.SIGCONT)
            self.wait_until_answers()

    def start_node(self, node: str, *options: str) -> None:
        (self.folder / f"spool-{node}").mkdir(exist_ok=True)
        hide = f'mount -t tmpfs none "{self.private}" && exec "$0" "$@"'
        before = ["unshare", "--mount", "sh", "-c", hide]
        words = ["slurmd", "-D", "-f", str(self.conf), "-N", node, *options]
        self._start(node, *words, before=before)

    def wait_until_saved(self, job: str) -> None:
        """The controller has written down that a job runs: it saves its state seconds after a
        change, and one that is killed before knows nothing of it."""
        saved = self.folder / "state/job_state"
        before = time.time_ns()
        self.ask("scontrol", "update", f"jobid={job}", "comment=to be saved")
        eventually(
            lambda: saved.exists() and saved.stat().st_mtime_ns > before, 30, "its state is saved"
        )

    def kill_daemon(self, node: str) -> None:
        """The node's daemon dies; its jobs go on."""
        self._end(node)

    def kill_node(self, node: str) -> None:
        """The whole node is gone, as by a power cut: its daemon and all that it had started, before
        one could tell of the other's end."""
        eventually(lambda: self._stopped(self.processes_of(node)), what="the node stands still")
        self._kill(self.processes_of(node))
        self._end(node)
        eventually(lambda: not self.processes_of(node), what="the node's processes end")

    def restore(self) -> None:
        """All daemons run again, no job is left, and the nodes take jobs."""
        self.start_what_is_missing()
        self.ask("scancel", "--user=root", check=False)
        eventually(lambda: not self.ask("squeue", "--noheader"), 60, "no job is left")
        self.wait_until_idle()

    def start_what_is_missing(self) -> None:
        """Start the daemons that a test has killed."""
        for name in ("controller", *self.nodes):
            if self._daemons[name].poll() is not None:
                self.start_controller() if name == "controller" else self.start_node(name)
        self.wait_until_answers()

    def wait_until_answers(self) -> None:
        eventually(lambda: " UP" in self.ask("scontrol", "ping", check=False), 30, "controller")

    def wait_until_idle(self) -> None:
        def idle() -> bool:
            states = self.ask("sinfo", "-hN", "-pmain", "-o%N %t", check=False)
            for line in states.splitlines():
                if line.split()[1].startswith(("down", "drain", "drng")):
                    words = f"nodename={line.split()[0]}", "state=resume"
                    self.ask("scontrol", "update", *words, check=False)
            return states.count(" idle\n") == len(self.nodes)

        eventually(idle, 60, "three idle nodes")

    def ask(self, *command: str, check: bool = True) -> str:
        """What a command of Slurm prints."""
        environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def processes_of(self, node: str) -> list[int]:
        """The node's daemon, the keepers of its jobs, their processes: all that see its mounts."""
        if self._daemons[node].poll() is None:
            seen = _mounts(self._daemons[node].pid)
            if seen not in (0, _mounts(os.getpid())):  # it is there, and has its own already
                self._mounts[node] = seen
        return [pid for pid in self.host.processes() if _mounts(pid) == self._mounts.get(node)]

    def node_of(self, pid: int) -> str:
        """The node that a process is on."""
        return next(node for node in self.nodes if pid in self.processes_of(node))

    def jobs_processes(self) -> list[int]:
        """The processes of jobs, and those that keep them."""
        found = []
        for pid in self.host.processes():
            with suppress(OSError):
                process = Path("/proc", str(pid))
                of_a_job = b"\0SLURM_JOB_ID=" in b"\0" + (process / "environ").read_bytes()
                if of_a_job or (process / "comm").read_text().startswith("slurmstepd"):
                    found.append(pid)
        return found

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        folder.mkdir(mode=0o755)
        key = folder / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
        options = [f"--{option}={folder / name}" for option, name in names.items()]
        self._start("munge", "munged", "--foreground", "--force", *options)
        eventually((folder / "socket").exists, what="munge listens")

    def _start(self, name: str, program: str, *options: str, before: Sequence[str] = ()) -> None:
        path = find(program)
        assert path is not None
        words = [*self.host.enter, *before, path, *options]
        environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                words, env=environment, cwd=self.folder, stdout=log, stderr=log
            )

    def _end(self, name: str) -> None:
        if name in self.nodes:
            self.processes_of(name)  # What of it goes on is known by what its daemon saw.
        self._daemons[name].kill()
        self._daemons[name].wait()

    def _kill(self, pids: list[int]) -> list[int]:
        return _signal(pids, signal.SIGKILL)

    def _stopped(self, pids: list[int]) -> bool:
        """Whether all of them stand still, having been told to."""
        _signal(pids, signal.SIGSTOP)
        return all(_status(pid) in (psutil.STATUS_STOPPED, None) for pid in pids)

    def _remove_groups(self) -> None:
        """The control groups of the nodes. One whose last process has just ended may still be
        busy."""
        for node in self.nodes:
            for top in Path("/sys/fs/cgroup").glob(f"*/slurm_{node}"):
                eventually(lambda top=top: _is_removed(top), what=f"{top} can be removed")


def _is_removed(group: Path) -> bool:
    """Remove a control group, those in it first; whether it is gone."""
    for folder, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):
            Path(folder).rmdir()
    return not group.exists()


def _mounts(pid: int) -> int:
    """Which file systems a process sees; 0 where it is gone."""
    try:
        return Path(f"/proc/{pid}/ns/mnt").stat().st_ino
    except OSError:
        return 0


def _status(pid: int) -> str | None:
    """None of a process that is gone."""
    with suppress(psutil.NoSuchProcess):
        return str(psutil.Process(pid).status())
    return None


def _signal(pids: list[int], number: int) -> list[int]:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return pids
