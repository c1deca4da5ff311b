"""The main job from end to end: a notebook becomes a run, a model and an answering endpoint.

    python scripts/demo.py          make the trip in a new workspace, and print what it did
    python scripts/demo.py --lab    open JupyterLab on the workspace that the trip left

Every process is a real one: JupyterLab with the extension, the notebook's kernel in it, the job's
own kernel, the scoring process.
"""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_core.paths import jupyter_runtime_dir

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.experiments.model import RunState

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / ".demo"
STORE = FOLDER / ".mlworkspace" / "demo"
NOTEBOOK = "quickstart.ipynb"
TOKEN = "demo"
PATIENCE = 60


class Steps:
    """Prints each step as it ends, with its time."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._count = 0

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """The block adds what the step found to the list."""
        self._count += 1
        found: list[str] = []
        began = time.monotonic()
        yield found
        took = time.monotonic() - began
        print(f"{self._count}. {title:<64}{took:6.1f} s")
        for line in found:
            print(f"   {line}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lab", action="store_true", help="open JupyterLab on the workspace")
    if parser.parse_args().lab:
        return lab()
    steps = Steps()
    with steps.step("Create a workspace") as found:
        workspace = create()
        found.append(f"{workspace.name}: SQLite and files in {STORE.relative_to(REPOSITORY)}")
    with jupyter_lab(steps) as url, Kernel(url) as kernel:
        trip(steps, workspace, kernel)
        print(f"The trip took {time.monotonic() - steps.began:.1f} s.")
    print("The endpoint goes on answering; `make lab` shows all of it. This ends the endpoint:")
    print(f"(cd {FOLDER.name} && ../.venv/bin/ml-workspace endpoint delete wine)")
    return 0


def create() -> Workspace:
    """A new workspace; one of an earlier demo goes, with its endpoint."""
    if STORE.exists():
        earlier = Workspace.open(STORE)
        for endpoint in earlier.endpoints.values():
            endpoint.delete()
        earlier.delete()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    os.chdir(FOLDER)
    shutil.copy(REPOSITORY / "binder" / NOTEBOOK, FOLDER)
    workspace = Workspace.create("demo", STORE)
    workspace.write_config(FOLDER)
    return workspace


def trip(steps: Steps, workspace: Workspace, kernel: "Kernel") -> None:
    cells = kernel.cells()
    submit = next(index for index, source in enumerate(cells) if "= %ws_run" in source)
    with steps.step(f"Run {NOTEBOOK} in its own kernel, up to `%ws_run`"):
        for source in cells[:submit]:
            kernel.execute(source)
    with steps.step("%ws_run: the notebook as a job in another process") as found:
        # Without --wait: the demo watches from outside what the notebook would show.
        kernel.execute(cells[submit].replace("--wait", ""))
        run = workspace.runs()[0]
        found += watch(run)
        metrics = run.get_metrics()
        found.append(
            f"run {run.number} of {run.experiment.name}: {run.get_status()},"
            f" accuracy {last(metrics['accuracy']):.3f}, parameters {run.params}"
        )
        found.append(f"kept: {', '.join(run.get_file_names())}")
    with steps.step("%ws_register: the run's model") as found:
        kernel.execute(cells[submit + 1])
        model = workspace.models["wine"]
        found.append(f"{model.name}:{model.version}, from run {run.number} and its snapshot")
    with steps.step("%ws_deploy: tried here first, then served behind a key") as found:
        kernel.execute(cells[submit + 2])
        uri, key = kernel.value("(endpoint.scoring_uri, endpoint.keys.primary)")
        found.append(uri)
    with steps.step("Score rows over HTTP") as found:
        rows = kernel.value("test_x[:5].tolist()")
        answer = post(uri, key, {"data": rows})
        found.append(f"POST 5 rows -> {json.dumps(answer)}")
        found.append(f"what they are  {json.dumps(kernel.value('test_y[:5].tolist()'))}")


def watch(run: Any) -> list[str]:
    """What came out of the run while it went on: log lines, metric values, cells."""
    seen: list[str] = []
    while True:
        info = run.info()
        lines = run.get_log().count("\n")
        values = sum(metric.count for metric in info.metrics.values())
        done = f"{info.progress.done}/{info.progress.total} cells" if info.progress else ""
        line = f"{info.state.value:<11} {lines:>3} log lines {values:>4} metric values  {done}"
        if not seen or seen[-1] != line:
            seen.append(line)
        if info.state.is_terminal:
            if info.state is not RunState.COMPLETED:
                raise SystemExit(f"The run ended as {info.state}: {info.reason}\n{run.get_log()}")
            return seen
        time.sleep(0.3)


def last(series: Any) -> float:
    return float(series[-1] if isinstance(series, list) else series)


def post(url: str, key: str, body: Any) -> Any:
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


@contextmanager
def jupyter_lab(steps: Steps) -> Iterator[str]:
    """JupyterLab on a free port with the demo's folder as its root; its address."""
    with steps.step("Start JupyterLab with the extension") as found:
        words = [
            *lab_command(),
            "--no-browser",
            "--ServerApp.port=0",
            f"--IdentityProvider.token={TOKEN}",
        ]
        with (FOLDER / "jupyterlab.log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, cwd=FOLDER)
        info = Path(jupyter_runtime_dir(), f"jpserver-{process.pid}.json")
        wait(lambda: process.poll() is not None or (info.exists() and info.stat().st_size > 0))
        if process.poll() is not None:
            raise SystemExit((FOLDER / "jupyterlab.log").read_text())
        url = json.loads(info.read_text())["url"]
        served = get(f"{url}ml-workspace-lab/api/v1/workspace")
        found.append(f"{url}lab serves the workspace {served['name']}")
    try:
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()  # It has shut down, and waits for a thread that nobody ends.


class Kernel:
    """The kernel of the notebook, started in the server as JupyterLab does it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> "Kernel":
        kernel = {"name": "python3"}
        body = {"path": NOTEBOOK, "name": NOTEBOOK, "type": "notebook", "kernel": kernel}
        self._session = get(f"{self._url}api/sessions", body)
        name = f"kernel-{self._session['kernel']['id']}.json"
        connection = Path(jupyter_runtime_dir(), name)
        self._client = BlockingKernelClient(connection_file=str(connection))
        self._client.load_connection_file()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(PATIENCE)
        except RuntimeError:
            # It takes a kernel for dead that has no heartbeat after a second; one that is still
            # starting has none. From now on it waits for the first one.
            self._client.wait_for_ready(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        get(f"{self._url}api/sessions/{self._session['id']}", method="DELETE")

    def cells(self) -> list[str]:
        content = json.loads((FOLDER / NOTEBOOK).read_text(encoding="utf-8"))
        return ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "code"]

    def execute(self, source: str, expressions: dict[str, str] | None = None) -> Any:
        """Execute a cell; ends the demo with the traceback where it fails."""
        reply = self._client.execute_interactive(
            source,
            timeout=PATIENCE,
            user_expressions=expressions or {},
            output_hook=lambda _: None,
            allow_stdin=False,
        )["content"]
        if reply["status"] != "ok":
            raise SystemExit("\n".join([f"This cell failed:\n{source}", *reply["traceback"]]))
        return reply["user_expressions"]

    def value(self, expression: str) -> Any:
        """The value of an expression there, by way of JSON."""
        code = f"__import__('json').dumps({expression})"
        found = self.execute("", {"value": code})["value"]
        if found["status"] != "ok":
            raise SystemExit(f"{expression}: {found['evalue']}")
        return json.loads(ast.literal_eval(found["data"]["text/plain"]))


def get(url: str, body: Any = None, method: str | None = None) -> Any:
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {TOKEN}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read() or b"null")


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("JupyterLab did not start; its log is in .demo/jupyterlab.log")
        time.sleep(0.05)


def lab_command() -> list[str]:
    command = [sys.executable, "-m", "jupyterlab"]
    return [*command, "--allow-root"] if os.geteuid() == 0 else command


def lab() -> int:
    """JupyterLab on the demo's workspace, in the foreground."""
    if not STORE.exists():
        raise SystemExit("There is no demo workspace yet: `make demo` makes it.")
    os.chdir(FOLDER)
    os.execv(sys.executable, [*lab_command(), NOTEBOOK])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WorkspaceError as error:
        sys.exit(f"The demo failed: {error}")
