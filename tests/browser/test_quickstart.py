"""The quickstart notebook, from Run All to its run in the main area."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab, OpenLab
from tests.browser.pages import Notebook, Panel, RunView

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def page(lab: Lab, open_lab: OpenLab) -> Iterator[Page]:
    shutil.copy(REPOSITORY / "binder" / "quickstart.ipynb", lab.folder)
    return open_lab(lab, "quickstart.ipynb")


def test_run_all_makes_a_run_a_model_and_an_endpoint_in_sight(lab: Lab, page: Page) -> None:
    pytest.importorskip("sklearn")
    panel = Panel(page).show()
    notebook = Notebook(page)
    notebook.run_all()
    expect(notebook.card).to_contain_text("quickstart #1")
    expect(notebook.card.locator(".jp-mlws-State")).to_contain_text("Running")
    run_line = panel.line("quickstart #1")
    expect(run_line.get_by_title("Running")).to_be_visible()
    expect(panel.line("local")).to_contain_text("1 of")
    expect(panel.line(re.compile("quickstart.*1 run$"))).to_be_visible()

    expect(notebook.card.locator(".jp-mlws-State")).to_contain_text("Completed")
    expect(notebook.card).to_contain_text("accuracy")
    expect(run_line.get_by_title("Completed")).to_be_visible()
    expect(panel.line(re.compile("wine.*version 1"))).to_be_visible()
    expect(panel.line("wine:1").get_by_title("Healthy")).to_be_visible()
    expect(panel.line("local")).to_contain_text("0 of")
    assert [run.info().state for run in lab.workspace.runs("quickstart")] == ["Completed"]

    run_line.click()
    run = RunView(page)
    run.expect_state("Completed")
    for name in ("loss", "accuracy"):
        chart = run.node.get_by_role("figure", name=name)
        expect(chart).to_contain_text("over 60 values")
        expect(chart.locator("canvas")).to_be_visible()
    take_screenshot(page, notebook)
    expect(run.show("Parameters").get_by_role("row", name="epochs 60")).to_be_visible()
    expect(run.show("Log").get_by_role("log")).to_contain_text("epoch 60: loss")
    executed = run.show("Notebook").get_by_label("Executed notebook")
    expect(executed).to_contain_text("wines to learn from")
    expect(executed.locator("img")).to_be_visible()
    expect(run.show("Artifacts")).to_contain_text("outputs/model.joblib")
    run.body.get_by_role("button", name="Show images/confusion.png").click()
    expect(run.body.get_by_alt_text("images/confusion.png")).to_be_visible()
    expect(run.show("History").get_by_role("row")).to_contain_text(["State", "NotStarted"])


def take_screenshot(page: Page, notebook: Notebook) -> None:
    """The picture of the README, made anew where it is asked for: notebook and run side by side."""
    if not os.environ.get("ML_WORKSPACE_LAB_SCREENSHOT"):
        return
    beside = "shell => shell.add(shell.currentWidget, 'main', { mode: 'split-right' })"
    page.evaluate(f"({beside})(window.jupyterapp.shell)")
    notebook.card.scroll_into_view_if_needed()
    page.screenshot(path=REPOSITORY / "docs" / "images" / "jupyterlab.png")
