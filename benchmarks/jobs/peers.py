"""Those that are measured: each executes the notebook of a folder and says how long its first cell
took to be reached."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import notebooks

HERE = Path(__file__).parent
VENVS = Path(os.environ.get("BENCHMARK_PEERS", HERE.parents[1] / "build" / "job-peers"))
PAUSE_SECONDS = 2.0
"""Between two runs, as when somebody works: a pair of processes is there again by then."""


PATIENCE_SECONDS = 120.0


class Peer(Protocol):
    def first_cell(self) -> float: ...

    def close(self) -> None: ...


def interpreter(name: str) -> Path:
    return VENVS / name / "bin" / "python"


class Bare:
    """`python -c pass`: the least that any process takes."""

    def __init__(self, _: Path) -> None:
        pass

    def first_cell(self) -> float:
        began = time.time()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        return time.time() - began

    def close(self) -> None:
        pass


class InProcess:
    """nbclient or papermill in a process that has imported it and executed the notebook before."""

    def __init__(self, name: str, python: Path, folder: Path) -> None:
        notebook, self._mark = notebooks.first(folder)
        self._process = subprocess.Popen(
            [str(python), str(HERE / "child.py"), name, str(notebook)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first_cell()

    def first_cell(self) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        began = float(self._process.stdout.readline())
        return float(self._mark.read_text()) - began

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Ours:
    """`%ws_run` in this process, with the background process there; `cold` uses none of what was
    started ahead."""

    def __init__(self, folder: Path, *, cold: bool = False) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        from ml_workspace_lab import Workspace

        self._folder = folder
        self._arguments = "nb.ipynb --cold" if cold else "nb.ipynb"
        _, self._mark = notebooks.first(folder)
        self.workspace = Workspace.create("bench", folder / "store")
        self._shell = InteractiveShell.instance()
        os.environ["ML_WORKSPACE"] = str(folder / "store")
        self._shell.run_line_magic("load_ext", "ml_workspace_lab")
        time.sleep(3 * PAUSE_SECONDS)
        self.first_cell()

    def first_cell(self) -> float:
        os.environ["ML_WORKSPACE"] = str(self._folder / "store")
        os.chdir(self._folder)
        time.sleep(PAUSE_SECONDS)
        with redirect_stdout(StringIO()):  # the card is printed anew at every change
            began = time.time()
            run = self._shell.run_line_magic("ws_run", self._arguments)
            run.wait_for_completion()
        return float(self._mark.read_text()) - began

    def close(self) -> None:
        os.chdir("/")
        end_agent(self._folder / "store")


class Scheduler:
    """jupyter-scheduler: a POST to its server, until the cell is executed."""

    def __init__(self, folder: Path) -> None:
        _, self._mark = notebooks.first(folder)
        home = folder / "home"
        for part in ("data", "runtime", "config"):
            (home / part).mkdir(parents=True)
        self._log = folder / "server.log"
        self._process = subprocess.Popen(
            [
                str(interpreter("scheduler")), "-m", "jupyter", "server", "--allow-root",
                "--no-browser", "--ServerApp.port=0", "--ServerApp.ip=127.0.0.1",
                f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=bench",
                "--ServerApp.jpserver_extensions={'jupyter_scheduler': True, 'jupyterlab': True}",
            ],
            stdout=self._log.open("wb"),
            stderr=subprocess.STDOUT,
            env=os.environ
            | {
                "JUPYTER_DATA_DIR": str(home / "data"),
                "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
                "JUPYTER_CONFIG_DIR": str(home / "config"),
                "PATH": f"{interpreter('scheduler').parent}:{os.environ['PATH']}",
            },
            start_new_session=True,
        )  # fmt: skip
        self._url = self._await_url(home / "runtime")
        self._environment = self._ask("GET", "/scheduler/runtime_environments")[0]["name"]
        self.first_cell()

    def first_cell(self) -> float:
        self._mark.unlink(missing_ok=True)
        began = time.time()
        job = {
            "input_uri": "nb.ipynb",
            "name": "bench",
            "runtime_environment_name": self._environment,
            "output_formats": ["ipynb"],
        }
        number = self._ask("POST", "/scheduler/jobs", job)["job_id"]
        # Not its status: on a busy machine that is STOPPED while the job goes on.
        until = time.monotonic() + PATIENCE_SECONDS
        while not (self._mark.exists() and self._mark.read_text()):
            if time.monotonic() > until:
                raise RuntimeError(str(self._ask("GET", f"/scheduler/jobs/{number}")))
            time.sleep(0.05)
        time.sleep(PAUSE_SECONDS)
        return float(self._mark.read_text()) - began

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _await_url(self, runtime: Path) -> str:
        """What the server writes down when it answers: its address has the port that it got."""
        file = runtime / f"jpserver-{self._process.pid}.json"
        until = time.monotonic() + 90
        while time.monotonic() < until and self._process.poll() is None:
            if file.exists() and (text := file.read_text()):
                return str(json.loads(text)["url"]).rstrip("/")
            time.sleep(0.1)
        raise RuntimeError(self._log.read_text()[-2000:])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": "token bench", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def end_agent(store: Path) -> None:
    import psutil

    for process in psutil.process_iter():
        try:
            if process.cmdline()[1:4] == ["-m", "ml_workspace_lab.agent", str(store)]:
                process.terminate()  # who is killed comes back
                process.wait(5)
        except psutil.Error:
            continue
