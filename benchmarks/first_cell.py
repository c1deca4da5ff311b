"""From `%ws_run` to the first cell executing in the job, beside bare nbclient on the same notebook.

    python benchmarks/first_cell.py [repetitions]

nbclient is measured in this process, its imports done: the least that any executor can take. The
job's time is measured twice: with the workspace's background process there, as it is in JupyterLab
and after `%load_ext`, and with nothing running. The two take turns, so that a busy machine is
busy for both.
"""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from timing import HEADER, row

from ml_workspace_lab import Run, Workspace

TARGET = 0.5
CELL = "import time; print(repr(time.time()))"
PARTS = [
    ("Queued", "  submit: snapshot, run and job in one transaction"),
    ("Starting", "  background process sees it"),
    ("Preparing", "  runner process starts and takes the run"),
    ("Running", "  files laid out, kernel started and connected"),
]


def main(repetitions: int) -> int:
    bare, warm, cold, parts = [], [], [], {name: [] for name, _ in PARTS}
    # The card prints itself anew at every change where it can't be redrawn.
    with scratch_folder() as folder, contextlib.redirect_stdout(io.StringIO()):
        store = folder / "store"
        Workspace.create("bench", store).write_config()
        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "ml_workspace_lab")
        notebook = write_notebook(folder)
        nbclient_run(notebook)
        magic_run(shell)
        for _ in range(repetitions):
            bare.append(nbclient_run(notebook))
            took, run, began = magic_run(shell)
            warm.append(took)
            for name, seconds in durations(run, began).items():
                parts[name].append(seconds)
            end_agent(store)
            cold.append(magic_run(shell)[0])
        end_agent(store)
    print(HEADER)
    print(row("nbclient, imported, in this process", bare))
    print(row("%ws_run in JupyterLab or after %load_ext", warm, bare))
    for name, title in PARTS:
        print(row(title, parts[name]))
    print(row("%ws_run with nothing running", cold, bare))
    more = sorted(warm)[len(warm) // 2] - sorted(bare)[len(bare) // 2]
    print(f"target: at most {TARGET:g} s more than nbclient; measured {more:.2f} s")
    return 0 if more <= TARGET else 1


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def write_notebook(folder: Path) -> Path:
    spec = {"name": "python3", "display_name": "Python", "language": "python"}
    cells = [nbformat.v4.new_code_cell(CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
    nbformat.write(notebook, folder / "nb.ipynb")
    return folder / "nb.ipynb"


def nbclient_run(notebook: Path) -> float:
    """Seconds from the call to the first cell."""
    content = nbformat.read(notebook, 4)
    began = time.time()
    NotebookClient(content).execute(stderr=subprocess.DEVNULL)
    return float(content.cells[0].outputs[0].text) - began


def magic_run(shell: InteractiveShell) -> tuple[float, Run, float]:
    """Seconds from the magic to the first cell; the run; when the magic was called."""
    began = time.time()
    run = shell.run_line_magic("ws_run", "nb.ipynb")
    run.wait_for_completion()
    return float(json.loads(run.get_log())) - began, run, began


def durations(run: Run, began: float) -> dict[str, float]:
    times = {change.state.value: change.time / 1000 for change in run.status_history}
    found, before = {}, began
    for name, _ in PARTS:
        found[name], before = times[name] - before, times[name]
    return found


def end_agent(store: Path) -> None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[1:4] == ["-m", "ml_workspace_lab.agent", str(store)]:
                process.send_signal(signal.SIGKILL)
                process.wait(5)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
