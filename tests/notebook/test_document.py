"""Which document `%ws_run` runs: what is on the screen, else what was saved, else what was
executed; and what it says where it can't know."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.notebook import document
from ml_workspace_lab.notebook.live import live_path
from ml_workspace_lab.storage.files import write_atomic
from tests.conftest import Server
from tests.notebook.kernels import end_workspace, kernel_in
from tests.notebooks import write_notebook

KERNEL_ID = "00000000-test-test-test-document0001"


def shell(kernel_id: str | None = None, **names: Any) -> SimpleNamespace:
    """What a document is asked of: a shell's variables and its kernel's connection file."""
    made = SimpleNamespace(user_ns=names)
    if kernel_id is not None:
        app = SimpleNamespace(connection_file=f"/somewhere/kernel-{kernel_id}.json")
        made.kernel = SimpleNamespace(parent=app)
    return made


def sources(found: document.Document) -> list[str]:
    return ["".join(cell["source"]) for cell in found.content["cells"]]


@pytest.fixture
def pushed(tmp_path: Path) -> Any:
    """A notebook that a front end has sent for the kernel."""
    path = live_path(KERNEL_ID)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    cell = {"cell_type": "code", "source": "on screen"}
    content = {"path": str(tmp_path / "screen.ipynb"), "cell_id": "a", "content": {"cells": [cell]}}
    path.write_text(json.dumps(content))
    yield path
    path.unlink(missing_ok=True)


def test_what_is_on_the_screen_is_trusted_most_then_what_was_saved_then_what_was_executed(
    pushed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("told", "code", "session"):
        write_notebook(tmp_path / f"{name}.ipynb", name)
    monkeypatch.setenv(document.VARIABLE, str(tmp_path / "told.ipynb"))
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "session.ipynb"))
    asking = shell(KERNEL_ID, In=["", "executed"], __vsc_ipynb_file__=str(tmp_path / "code.ipynb"))
    found = document.current(asking)
    assert (found.name, found.folder, found.notes) == ("screen.ipynb", tmp_path, ())
    assert sources(found) == ["on screen"]
    pushed.unlink()
    names = []
    for forget in (
        lambda: monkeypatch.delenv(document.VARIABLE),
        lambda: asking.user_ns.pop("__vsc_ipynb_file__"),
        lambda: monkeypatch.delenv("JPY_SESSION_NAME"),
    ):
        found = document.current(asking)
        names.append(found.name)
        assert "as it was saved" in found.notes[0]
        forget()
    assert names == ["told.ipynb", "code.ipynb", "session.ipynb"]
    found = document.current(asking)
    assert sources(found) == ["executed"]
    assert "could not be found out" in found.notes[0]


@pytest.mark.parametrize(
    "name", ["missing.ipynb", "x.py", "", "x" * 10_000 + ".ipynb", "a\0.ipynb"]
)
def test_a_name_that_leads_to_no_notebook_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    found = document.current(shell(In=["", "executed", "  "], __vsc_ipynb_file__=name))
    assert sources(found) == ["executed"]


def test_an_older_word_of_the_front_end_is_taken_after_a_moment(pushed: Path) -> None:
    os.utime(pushed, (1, 1))
    assert sources(document.current(shell(KERNEL_ID))) == ["on screen"]


def test_the_word_on_this_very_execution_is_awaited(
    pushed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit's document may lack later edits; the one that comes with the execution does not."""
    monkeypatch.setattr(document, "PATIENCE_SECONDS", 60)
    told = json.loads(pushed.read_text())
    edit = {"cell_type": "code", "source": "an edit before"}
    pushed.write_text(json.dumps({**told, "cell_id": None, "content": {"cells": [edit]}}))
    reads = []

    def read(path: Path, **options: Any) -> str:
        text = original(path, **options)
        if path == pushed and not reads:
            # Only when it has been looked at once does the word arrive.
            write_atomic(pushed, json.dumps(told).encode())
        reads.append(path)
        return text

    original = Path.read_text
    monkeypatch.setattr(Path, "read_text", read)
    assert sources(document.current(shell(KERNEL_ID))) == ["on screen"]
    assert len(reads) > 1


def test_a_single_cell_lies_beside_its_notebook_with_its_kernel(tmp_path: Path) -> None:
    write_notebook(tmp_path / "nb.ipynb", "1", "2", kernel="other")
    like = document.named(tmp_path / "nb.ipynb")
    cell = document.single_cell("x = 1", like)
    assert (cell.folder, cell.name) == (tmp_path, "nb-cell.ipynb")
    assert sources(cell) == ["x = 1"]
    assert cell.content["metadata"]["kernelspec"]["name"] == "other"


@pytest.mark.parametrize(
    "name", ["missing.ipynb", "../up.ipynb", "x" * 10_000, "a\0b", "list.ipynb"]
)
def test_a_notebook_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "list.ipynb").write_text("[]")
    with pytest.raises(InvalidInput, match="no notebook") as refusal:
        document.named(tmp_path / name)
    assert refusal.value.field == "notebook"
    assert len(str(refusal.value)) < 200


def test_a_kernel_finds_what_the_server_was_told_about_it(server: Server, tmp_path: Path) -> None:
    folder = server.root.parent
    server.local.write_config(folder)
    remote = server.connect()
    (folder / "unsaved").mkdir(exist_ok=True)
    content = json.loads(write_notebook(tmp_path / "x.ipynb", "print('unsaved edit')").read_text())
    with kernel_in(folder) as kernel:
        body = {"kernel_id": kernel.id, "path": "unsaved/nb.ipynb", "content": content}
        token = remote.connection.token  # type: ignore[attr-defined]
        told = urllib.request.Request(
            server.url.rstrip("/") + "/ml-workspace-lab/api/v1/notebooks/live",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(told) as answer:
            assert answer.status == 200
        shown = kernel("run = %ws_run --wait")
        assert "unsaved edit" in shown.text
        assert "Note:" not in shown.text
        assert "nb" in kernel("print(run.info().notebook, run.experiment.name)").text
        live_path(kernel.id).unlink()
    remote.close()


IPYTHON = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor"]


@pytest.fixture
def project(tmp_path: Path) -> Any:
    folder = tmp_path / "project"
    folder.mkdir()
    workspace = Workspace.create("lab", tmp_path / "store")
    workspace.write_config(folder)
    yield folder
    end_workspace(tmp_path / "store")


def test_plain_ipython_says_what_it_could_not_capture(project: Path) -> None:
    lines = "print('first')\n%load_ext ml_workspace_lab\n%ws_run --wait\n%ws_run missing.ipynb\n"
    done = subprocess.run(
        [*IPYTHON, "--simple-prompt"],
        input=lines, cwd=project, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Note: Where this notebook is saved could not be found out" in done.stdout
    assert "[Completed]" in done.stdout
    assert "%ws_run does nothing inside a job." in done.stdout, "the cells so far were the job"
    assert "UsageError: There is no notebook 'missing.ipynb'." in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_ipython_without_a_history_runs_what_is_named_or_given(project: Path) -> None:
    write_notebook(project / "nb.ipynb", "print('named')")
    code = """
shell = get_ipython()
shell.run_line_magic("load_ext", "ml_workspace_lab")
run = shell.run_line_magic("ws_run", "nb.ipynb --wait")
print(type(run).__name__)
shell.run_cell_magic("ws_run", "--wait", "print('given')")
try:
    shell.run_line_magic("ws_run", "")
except Exception as error:
    print(f"{type(error).__name__} {error}")  # as one: followers of runs print, too
"""
    done = subprocess.run(
        [*IPYTHON, "-c", code], cwd=project, capture_output=True, text=True, timeout=240
    )
    # Each may stand behind a line whose end the follower of the run has yet to print.
    assert "named\n" in done.stdout
    assert "Run\n" in done.stdout
    assert "given\n" in done.stdout
    assert "UsageError There are no cells to run." in done.stdout
