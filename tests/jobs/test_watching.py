"""What a job shows while it goes on: bars as progress, what it uses, and its log by lines."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_workspace_lab import NotebookRunConfig, Run, ScriptRunConfig, Workspace
from ml_workspace_lab.cli.main import run as command
from ml_workspace_lab.experiments.model import Bar, Progress
from ml_workspace_lab.jobs.runner.progress import bar_in
from tests.conftest import eventually
from tests.notebooks import write_notebook

UNTIL = """
import time
from pathlib import Path
def until_enough():
    while not Path(FOLDER, "enough").exists():
        time.sleep(0.02)
"""
BAR = """
import sys
from tqdm import tqdm
bar = tqdm(total=1_000_000, desc="training", mininterval=0)
for step in range(20_000):
    bar.update(25)
sys.stderr.flush()
until_enough()
bar.update(500_000)
bar.close()
print("done")
"""
WIDGET = """
from tqdm.notebook import tqdm
bar = tqdm(total=200, desc="epochs")
bar.update(50)
bar.refresh()
until_enough()
bar.close()
"""


@pytest.fixture
def until(tmp_path: Path) -> str:
    return UNTIL.replace("FOLDER", repr(str(tmp_path)))


def await_bar(run: Run, done: float) -> Progress:
    def shown() -> Progress | None:
        progress = run.info().progress
        return progress if progress and progress.bar and progress.bar.done == done else None

    return eventually(shown, 120, "the bar is shown")


def test_a_bar_of_a_cell_is_its_progress_and_one_line(
    ws: Workspace, tmp_path: Path, until: str
) -> None:
    write_notebook(tmp_path / "nb.ipynb", until, BAR)
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    progress = await_bar(run, 500_000)
    assert progress.bar is not None
    assert (progress.done, progress.total) == (1, 2)
    assert (progress.bar.label, progress.bar.total) == ("training", 1_000_000)
    (tmp_path / "enough").touch()
    run.wait_for_completion(timeout_seconds=60)
    first, second = run.log_lines()
    assert "1000000/1000000" in first.text
    assert second.text == "done"
    assert len(run.get_log()) < 20_000
    cells = json.loads(run.read_artifact("output.ipynb"))["cells"]
    bar, text, *_ = ["".join(output["text"]) for output in cells[2]["outputs"]]
    assert bar.count("training") == 1
    assert text == "done\n"
    progress = run.info().progress
    assert progress is not None
    assert progress.bar is None


def test_a_bar_that_is_a_widget_is_progress_too(ws: Workspace, tmp_path: Path, until: str) -> None:
    write_notebook(tmp_path / "nb.ipynb", until, WIDGET)
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    progress = await_bar(run, 50)
    assert progress.bar == Bar("epochs", 50, 200)
    (tmp_path / "enough").touch()
    run.wait_for_completion(timeout_seconds=60)


def test_a_bar_of_a_script_is_its_progress(ws: Workspace, tmp_path: Path, until: str) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "train.py").write_text(until + BAR)
    run = ws.experiment("e").submit(ScriptRunConfig(tmp_path / "work", "train.py"))
    progress = await_bar(run, 500_000)
    assert (progress.done, progress.total) == (0, 0)
    (tmp_path / "enough").touch()
    run.wait_for_completion(timeout_seconds=60)
    assert [line.text for line in run.log_lines()][-1] == "done"


@pytest.mark.parametrize(
    ("line", "bar"),
    [
        (" 45%|####5     | 45/100 [00:04<00:05, 10.0it/s]", Bar("", 45, 100, 5)),
        ("ep 3:  10%|█ | 1.2k/12k [1:00:00<9:00:00, 3s/it]", Bar("ep 3", 1200, 12000, 32400)),
        ("\x1b[32mx:   0%|\x1b[0m          | 0/7 [00:00<?, ?it/s]", Bar("x", 0, 7)),
        ("12it [00:01, 10it/s]", None),
        ("100% of it | is good", None),
        ("", None),
    ],
)  # fmt: skip
def test_bars_are_read_as_tqdm_writes_them(line: str, bar: Bar | None) -> None:
    assert bar_in(line) == bar


def test_a_job_logs_what_it_uses(ws: Workspace, tmp_path: Path, until: str) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "s.py").write_text(f"{until}\nuntil_enough()")
    variables = {"ML_WORKSPACE_SYSTEM_METRICS_SECONDS": "1"}
    config = ScriptRunConfig(tmp_path / "work", "s.py", environment_variables=variables)
    run = ws.experiment("e").submit(config)
    metrics = eventually(lambda: run.get_metrics(), 60, "a reading is there")
    assert metrics["system/process_memory_mb"]
    assert set(metrics) >= {"system/cpu_percent", "system/memory_percent"}
    (tmp_path / "enough").touch()
    run.wait_for_completion(timeout_seconds=60)


def test_a_job_that_is_over_at_once_has_no_readings(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("")
    variables = {"ML_WORKSPACE_SYSTEM_METRICS_SECONDS": "1000"}
    config = ScriptRunConfig(tmp_path, "s.py", environment_variables=variables)
    run = ws.experiment("e").submit(config)
    run.wait_for_completion(timeout_seconds=60)
    assert run.get_metrics() == {}


@pytest.fixture
def printed(ws: Workspace, tmp_path: Path) -> Run:
    (tmp_path / "s.py").write_text("for n in range(5000): print('line', n, 'Äb'[n % 2])")
    run = ws.experiment("e").submit(ScriptRunConfig(tmp_path, "s.py"))
    run.wait_for_completion(timeout_seconds=60)
    return run


@pytest.mark.parametrize(
    ("options", "out"),
    [
        (["--tail", "2"], "line 4998 Ä\nline 4999 b\n"),
        (["--grep", "e 499 "], "line 499 b\n"),
        (["--grep", "LINE 12 ", "-i", "-n"], "13:line 12 Ä\n"),
        (["--grep", "line 12", "--tail", "1"], "line 1299 b\n"),
        (["--grep", "nowhere"], ""),
        (["--follow", "--tail", "1"], "line 4999 b\n"),
    ],
)
def test_the_command_prints_some_lines(
    printed: Run, capsys: pytest.CaptureFixture[str], options: list[str], out: str
) -> None:
    words = ["-w", printed.workspace.location, "runs", "log", printed.id, *options]
    assert command(words) == 0
    assert capsys.readouterr().out == out


def test_the_command_prints_all_lines(printed: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["-w", printed.workspace.location, "runs", "log", printed.id]) == 0
    assert capsys.readouterr().out == printed.get_log()


def test_a_log_is_followed_to_its_end(
    ws: Workspace, tmp_path: Path, until: str, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "work").mkdir()
    source = f"{until}\nprint('a', flush=True)\nuntil_enough()\nprint('b')"
    (tmp_path / "work" / "s.py").write_text(source)
    run = ws.experiment("e").submit(ScriptRunConfig(tmp_path / "work", "s.py"))
    following = run.log_lines(follow=True)
    assert next(following).text == "a"
    (tmp_path / "enough").touch()
    assert [line.text for line in following] == ["b"]


def test_lines_are_the_same_through_the_folder_and_the_server(
    either: Workspace, tmp_path: Path
) -> None:
    pytest.importorskip("re2", reason="patterns need google-re2")
    (tmp_path / "s.py").write_text("for n in range(300): print('line', n)")
    run = either.experiment("logs").submit(ScriptRunConfig(tmp_path, "s.py", python=sys.executable))
    run.wait_for_completion(timeout_seconds=60)
    search: Callable[..., list[int]] = lambda *a, **k: [x.number for x in run.search_log(*a, **k)]  # noqa: E731
    assert [line.text for line in run.log_lines(-2)] == ["line 298", "line 299"]
    assert search("line 29", regex=False) == [29, *range(290, 300)]
    assert search(r"e \d$", regex=True) == list(range(10))
    page = either.connection.logs.search(run.id, "line", limit=7)
    assert (len(page.items), page.next) == (7, 7)
