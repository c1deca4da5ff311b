"""A Python kernel forked from this process, which becomes the kernel of a run later."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_workspace_lab import brand, prctl, processes
from ml_workspace_lab.jobs.prewarmed import identity
from ml_workspace_lab.jobs.prewarmed.freshness import differing

LAUNCHER = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
HARMLESS = "-Xfrozen_modules=off"
"""Asked for by kernel specs that have a debugger; it changes nothing but what that sees."""
_spare: "SpareKernel | None" = None
_environment_before: dict[str, str] = {}


class ForkedProcess:
    """A child as a provisioner of jupyter_client holds one: what it uses of `Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        pause = 0.0005
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class SpareKernel:
    """A kernel that waits. `manager` drives it as if it had been started by it."""

    def __init__(self, sockets: Path) -> None:
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_client.provisioning.local_provisioner import LocalProvisioner

        self._environment = dict(os.environ)
        self.manager = AsyncKernelManager(
            transport="ipc", connection_file=str(sockets / "kernel.json")
        )
        self.manager.write_connection_file()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _be_kernel(self.manager.connection_file, parent)
        self.process = ForkedProcess(pid)
        provisioner: Any = LocalProvisioner(
            parent=self.manager,
            kernel_id=self.manager.kernel_id,
            kernel_spec=self.manager.kernel_spec,
        )
        provisioner.process = self.process
        provisioner.pid = provisioner.pgid = pid
        self.manager.provisioner = provisioner

    def fits(self, environment: Mapping[str, str]) -> bool:
        return self.process.poll() is None and not differing(environment, self._environment)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def hold(sockets: Path) -> SpareKernel:
    """Fork a kernel and keep it for `take`."""
    global _spare
    _spare = SpareKernel(sockets)
    return _spare


def take(kernel_name: str) -> Any:
    """The manager of the kernel that waits, if it is what the spec of that name would start with
    this process's environment; else None. It is given away once."""
    global _spare
    spare, _spare = _spare, None
    if spare is None:
        return None
    if spare.fits(os.environ) and _is_ours(kernel_name):
        return spare.manager
    spare.end()
    return None


def become_code(folder: Path, log: Path) -> str:
    """What the kernel executes, silently, to become the kernel of this process's run."""
    told = {
        "environment": dict(os.environ) | {"JPY_PARENT_PID": str(os.getpid())},
        "folder": str(folder),
        "log": str(log),
    }
    return f"__import__({__name__!r}, fromlist=['become']).become({json.dumps(told)!r})"


def become(told: str) -> None:
    """In the kernel: be in the run's folder, with the run's environment and mark."""
    from IPython.core.getipython import get_ipython

    wanted = json.loads(told)
    environment: dict[str, str] = wanted["environment"]
    # What the kernel itself has set since stays, but a backend that the user chose.
    own = {k: v for k, v in os.environ.items() if _environment_before.get(k) != v}
    if "MPLBACKEND" in environment:
        own.pop("MPLBACKEND", None)
    os.environ.clear()
    os.environ.update(environment | own)
    os.chdir(wanted["folder"])
    if shell := get_ipython():
        shell.user_ns["_dh"][:] = [Path.cwd()]
    _complain_to(wanted["log"])
    show_mark(environment)
    brand.put_on(processes.MARK, environment.get(processes.MARK, ""))


def show_mark(environment: Mapping[str, str], arguments: list[str] | None = None) -> None:
    identity.show(arguments or _arguments, processes.MARK, environment.get(processes.MARK, ""))


def _is_ours(kernel_name: str) -> bool:
    """Whether the kernel spec of that name starts a plain kernel of this interpreter."""
    from jupyter_client.kernelspec import NoSuchKernel
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name=kernel_name)
    try:
        spec = manager.kernel_spec
    except NoSuchKernel:
        return False
    if spec is None or spec.env or spec.metadata.get("kernel_provisioner"):
        return False
    program, *arguments = spec.argv
    own = program == sys.executable or program in _NAMES
    return own and [word for word in arguments if word != HARMLESS] == LAUNCHER


_NAMES = {
    "python",
    f"python{sys.version_info.major}",
    f"python{sys.version_info.major}.{sys.version_info.minor}",
}
"""What jupyter_client takes for its own interpreter."""
_arguments: list[str] = []


def _be_kernel(connection_file: str, parent: int) -> None:
    """In the forked child: never returns."""
    try:
        os.setsid()
        prctl.die_with_parent(parent)
        _arguments[:] = [sys.executable, "-m", "ipykernel_launcher", "-f", connection_file]
        sys.argv[:] = ["ipykernel_launcher", "-f", connection_file]
        show_mark({})
        _environment_before.update(os.environ)
        if "numpy.random" in sys.modules:  # else each fork draws the same numbers
            sys.modules["numpy.random"].seed()
        from ipykernel.kernelapp import IPKernelApp

        app: Any = IPKernelApp.instance(parent_handle=parent)
        app.initialize(sys.argv[1:])
        app.start()
    finally:
        os._exit(1)


def _complain_to(path: str) -> None:
    """Let the run's own file have what the kernel says beside its outputs, when it crashes."""
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        for stream in (sys.stdout, sys.stderr):
            original = getattr(stream, "_original_stdstream_copy", None)
            if original is not None:
                os.dup2(log, original)
    finally:
        os.close(log)


def remove(sockets: Path) -> None:
    shutil.rmtree(sockets, ignore_errors=True)
