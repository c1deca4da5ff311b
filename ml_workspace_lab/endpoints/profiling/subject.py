"""The scoring processes that are measured: each as an endpoint has it, with a port and a key of its
own."""

import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import psutil

from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.endpoints.folder import Deployment, EndpointFolder, Keys
from ml_workspace_lab.endpoints.model import Engine
from ml_workspace_lab.endpoints.traffic import DEFAULT
from ml_workspace_lab.errors import ScoringFailed

START_SECONDS = 120.0
LOOK_SECONDS = 0.01
LAST_LINES = 20
MIB = 1024 * 1024


class Subject:
    """Scoring processes of one version: none at first. Its end is the end of them all."""

    def __init__(
        self, place: Path, model: Path, name: str, version: int, script: Path | None, engine: Engine
    ) -> None:
        self._place = place
        self._model = model
        self._script = script
        self._deployment = Deployment(
            endpoint="profile",
            model=name,
            version=version,
            port=0,
            has_script=script is not None,
            python=sys.executable,
            engine=engine,
        )
        self.processes: list[ScoringProcess] = []

    @property
    def has_script(self) -> bool:
        return self._script is not None

    def start(self) -> "ScoringProcess":
        """One more process, which answers. Raises ScoringFailed with what it printed."""
        process = ScoringProcess(self._lay_out(len(self.processes)), self._key)
        self.processes.append(process)
        process.wait_until_ready()
        return process

    def restart(self) -> "ScoringProcess":
        """The only process once more, with what it has left in its folder."""
        [process] = self.processes
        process.end()
        self.processes = [ScoringProcess(process.folder, self._key)]
        self.processes[0].wait_until_ready()
        return self.processes[0]

    def __enter__(self) -> Self:
        self._key = secrets.token_urlsafe(16)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.processes:
            process.end()

    def _lay_out(self, number: int) -> EndpointFolder:
        folder = EndpointFolder(self._place / f"process-{number}")
        generation = folder.generation(1)
        generation.path.mkdir(mode=0o700, parents=True)
        generation.model.symlink_to(self._model.absolute(), target_is_directory=True)
        if self._script is not None:
            shutil.copy(self._script, generation.script)
        if number:
            first = EndpointFolder(self._place / "process-0").generation(1)
            if first.compiled.exists():
                shutil.copytree(first.compiled, generation.compiled)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        deployment = msgspec.structs.replace(self._deployment, port=port)
        generation.deployment.write_bytes(msgspec.json.encode(deployment))
        hashed = hashlib.sha256(self._key.encode()).hexdigest()
        folder.write_keys(Keys(hashed, hashed, hashed))
        return folder


class ScoringProcess:
    """A process that scores; `port` is where it answers to `key`."""

    def __init__(self, folder: EndpointFolder, key: str) -> None:
        self.folder = folder
        self.key = key
        self._log = folder.log(DEFAULT)
        self._generation = folder.generation(1)
        told = msgspec.json.decode(self._generation.deployment.read_bytes(), type=Deployment)
        self.port = told.port
        self._generation.ready.unlink(missing_ok=True)
        self._generation.error.unlink(missing_ok=True)
        words = [sys.executable, "-m", "ml_workspace_lab.endpoints.profiling", str(os.getpid())]
        environment = clean_environment() | {self._generation.variable: self._generation.mark}
        self._began = time.monotonic()
        self.start_seconds = 0.0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*words, str(self._generation.path)],
                env=environment,
                cwd=self._generation.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for who measures, who then ends it
            )
        self._known = psutil.Process(self._process.pid)

    @property
    def engine(self) -> str:
        found = self._generation.served_by()
        return "" if found is None else str(found)

    @property
    def has_compiled(self) -> bool:
        return self._generation.compiled.exists()

    @property
    def resident_mib(self) -> float:
        return float(self._known.memory_info().rss) / MIB

    @property
    def cpu_seconds(self) -> float:
        times = self._known.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)

    @property
    def waited_seconds(self) -> float:
        """How long its threads were ready to go on and had no processor. (Linux; 0 elsewhere.)"""
        waited = 0
        for file in Path(f"/proc/{self._process.pid}/task").glob("*/schedstat"):
            with suppress(OSError, ValueError, IndexError):  # a thread that has ended
                waited += int(file.read_text().split()[1])
        return waited / 1e9

    def wait_until_ready(self) -> None:
        until = self._began + START_SECONDS
        while not self._generation.ready.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                raise ScoringFailed(self._why())
            time.sleep(LOOK_SECONDS)
        self.start_seconds = time.monotonic() - self._began

    def log(self) -> str:
        """The last lines that it printed."""
        try:
            text = self._log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-LAST_LINES:])

    def end(self) -> None:
        """End it and all that it started."""
        self._process.kill()
        self._process.wait()
        self._generation.end()

    def _why(self) -> str:
        code = self._process.poll()
        if code is None:
            return f"The scoring process did not answer within {START_SECONDS:.0f} s.\n{self.log()}"
        reason = self._generation.read_error() or f"The scoring process ended with {code}."
        return f"{reason}\n{self.log()}"
