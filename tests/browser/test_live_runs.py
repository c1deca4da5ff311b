"""Runs while they go on: state, log and metrics arrive by themselves, and Cancel cancels."""

import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ml_workspace_lab import CommandConfig, NotebookRunConfig, Run
from tests.browser.conftest import Lab, OpenLab
from tests.browser.pages import Panel, RunView
from tests.conftest import eventually
from tests.notebooks import write_notebook

# Takes one step for each file that is put into the folder, then goes on to the next.
STEPWISE = """
import sys, time
from pathlib import Path
from ml_workspace_lab import Run
run = Run.get_context()
for step in range(3):
    while not Path(sys.argv[1], str(step)).exists():
        time.sleep(0.02)
    run.log("loss", 1 / 2**step)
    print("line", step, flush=True)
"""


class Steps:
    """A run that goes on when it is told to."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.folder = folder / "steps"
        self.folder.mkdir()
        command = [sys.executable, "-c", STEPWISE, str(self.folder)]
        work = folder / "work"
        work.mkdir()
        experiment = lab.workspace.experiment("stepwise")
        self.run: Run = experiment.submit(CommandConfig(work, command))

    def go(self, step: int) -> None:
        (self.folder / str(step)).touch()


@pytest.fixture
def steps(lab: Lab, tmp_path: Path) -> Steps:
    return Steps(lab, tmp_path)


def test_log_lines_and_metric_points_arrive_without_a_reload(
    lab: Lab, open_lab: OpenLab, steps: Steps
) -> None:
    page = open_lab(lab)
    page.evaluate("window.notReloaded = true")
    line = Panel(page).show().line(f"stepwise #{steps.run.number}")
    expect(line.get_by_title("Running")).to_be_visible()
    line.click()
    run = RunView(page)
    run.expect_state("Running")
    run.show("Log")
    expect(run.body).to_have_text("Nothing printed yet.")
    steps.go(0)
    expect(run.log).to_have_text("line 0")
    steps.go(1)
    expect(run.log).to_contain_text("line 1")
    run.show("Metrics")
    expect(run.body).to_contain_text("is 0.5 at step 1, between 0.5 and 1 over 2 values")
    steps.go(2)
    expect(run.body).to_contain_text("is 0.25 at step 2")
    run.expect_state("Completed")
    expect(line.get_by_title("Completed")).to_be_visible()
    expect(run.node.get_by_role("button", name="Cancel run")).to_have_count(0)
    assert page.evaluate("window.notReloaded")


def test_cancel_asks_once_and_ends_the_run(lab: Lab, open_lab: OpenLab, steps: Steps) -> None:
    page = open_lab(lab)
    Panel(page).show().line(f"stepwise #{steps.run.number}").click()
    run = RunView(page)
    run.expect_state("Running")
    steps.go(0)
    cancel = run.node.get_by_role("button", name="Cancel run")
    dialog = page.get_by_role("dialog")
    cancel.click()
    dialog.get_by_role("button", name="Let it go on").click()
    run.expect_state("Running")
    cancel.click()
    dialog.get_by_role("button", name="Cancel run").click()
    run.expect_state("Canceled")
    assert steps.run.wait_for_completion(raise_on_error=False).state == "Canceled"
    expect(run.show("Log")).to_contain_text("line 0")


def test_a_failed_run_shows_its_reason(lab: Lab, open_lab: OpenLab, tmp_path: Path) -> None:
    write_notebook(tmp_path / "nb.ipynb", "x = 1", "raise ValueError('no good')")
    failed = lab.workspace.experiment("failing").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    page = open_lab(lab)
    line = Panel(page).show().line("failing #1")
    expect(line.get_by_title("Failed")).to_be_visible()
    line.click()
    run = RunView(page)
    run.expect_state("Failed")
    reason = "Cell 2 of 2: ValueError: no good"
    expect(run.summary.get_by_role("alert")).to_contain_text(reason)
    expect(run.show("History").get_by_role("row").last).to_contain_text(reason)
    assert failed.info().reason.startswith(reason)


def test_closing_the_page_in_the_middle_loses_nothing(
    lab: Lab, open_lab: OpenLab, steps: Steps
) -> None:
    page = open_lab(lab)
    Panel(page).show().line(f"stepwise #{steps.run.number}").click()
    run = RunView(page)
    run.show("Log")
    steps.go(0)
    expect(run.log).to_have_text("line 0")
    page.close()
    steps.go(1)
    eventually(lambda: "line 1" in steps.run.get_log())

    page = open_lab(lab)
    Panel(page).show().line(f"stepwise #{steps.run.number}").click()
    run = RunView(page)
    run.expect_state("Running")
    expect(run.body).to_contain_text("over 2 values")
    run.show("Log")
    lines = run.log.locator("pre > div").filter(has_text="line")
    expect(lines).to_have_text(["line 0", "line 1"])
    steps.go(2)
    expect(lines).to_have_text(["line 0", "line 1", "line 2"])
    run.expect_state("Completed")
    run.show("Metrics")
    expect(run.body).to_contain_text("over 3 values")
