"""The panel and the run view for those who use the keyboard or a screen reader."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from ml_workspace_lab import CommandConfig, NotebookRunConfig, Workspace
from tests.browser.conftest import Lab, OpenLab, serve
from tests.browser.pages import Panel, RunView
from tests.notebooks import write_notebook

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

WORK = """
from ml_workspace_lab import Run
run = Run.get_context()
run.log_params({"depth": 3})
for step in range(10):
    run.log("loss", 1 / (step + 1))
    print("\\x1b[31mred\\x1b[0m and \\x1b[33myellow\\x1b[0m", step)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A workspace that has something of everything."""
    folder = tmp_path_factory.mktemp("lab")
    workspace = Workspace.create("lab", folder / ".mlworkspace" / "store")
    workspace.write_config(folder)
    work = tmp_path_factory.mktemp("work")
    write_notebook(work / "nb.ipynb", WORK)
    good = workspace.experiment("good")
    good.submit(NotebookRunConfig(work, "nb.ipynb", tags={"a": "b"})).wait_for_completion()
    bad = workspace.experiment("bad")
    bad.submit(CommandConfig(work, ["false"])).wait_for_completion(raise_on_error=False)
    yield from serve(folder)


def violations(page: Page, node: Locator) -> list[Any]:
    """What axe finds wrong with a node: the rule, and where."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=AXE)
    found = node.evaluate("node => axe.run(node)")
    return [
        (one["id"], [(place["html"], place["failureSummary"]) for place in one["nodes"]])
        for one in found["violations"]
    ]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing(lab: Lab, open_lab: OpenLab, theme: str) -> None:
    page = open_lab(lab)
    change = "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })"
    page.evaluate(change, theme)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    panel = Panel(page).show()
    panel.line("good1 run").click()
    expect(panel.line("#1 run 1")).to_be_visible()
    assert violations(page, panel.node) == []
    for line, state in (("good #1", "Completed"), ("bad #1", "Failed")):
        panel.line(line).click()
        run = RunView(page)
        run.expect_state(state)
        for tab in run.tabs.all_text_contents():
            run.show(tab)
            expect(run.node.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
            assert violations(page, run.node) == [], tab


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def wait_for_launcher(page: Page) -> None:
    """JupyterLab gives the focus to its launcher, a moment after it has started."""
    page.wait_for_selector(".jp-Launcher:focus")


def expect_visible_focus(page: Page, name: str) -> None:
    expect(focused(page)).to_contain_text(name)
    outline = focused(page).evaluate("node => getComputedStyle(node).outline")
    assert "none" not in outline, outline
    assert not outline.endswith(" 0px"), outline


def test_a_run_is_reached_and_read_with_the_keyboard_alone(lab: Lab, open_lab: OpenLab) -> None:
    page = open_lab(lab)
    panel = Panel(page)
    press = page.keyboard.press
    wait_for_launcher(page)
    press("Alt+Shift+w")
    expect(panel.line("good #1")).to_be_visible()
    expect(focused(page)).to_have_count(1)
    if not panel.tree.locator(":focus").count():
        press("Tab")
    expect_visible_focus(page, "Experiments")
    press("r")
    expect_visible_focus(page, "Recent runs")
    press("ArrowDown")
    press("ArrowDown")
    expect_visible_focus(page, "good #1")
    press("Enter")
    run = RunView(page)
    run.expect_state("Completed")
    # Focus is in the run's view now: its tabs are the first thing in it.
    press("Tab")
    expect_visible_focus(page, "Metrics")
    press("ArrowRight")
    expect_visible_focus(page, "Parameters")
    expect(run.body).to_contain_text("depth")
    press("End")
    expect_visible_focus(page, "History")
    press("Tab")
    expect_visible_focus(page, "Completed")


def test_the_side_bar_leads_to_the_panel_by_keyboard(lab: Lab, open_lab: OpenLab) -> None:
    page = open_lab(lab)
    panel = Panel(page)
    wait_for_launcher(page)
    page.get_by_role("tablist", name="main sidebar").get_by_role("tab").first.focus()
    for _ in range(10):
        if panel.tab.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(panel.line("Experiments")).to_be_visible()
    if not panel.tree.locator(":focus").count():
        page.keyboard.press("Tab")
    expect_visible_focus(page, "Experiments")
