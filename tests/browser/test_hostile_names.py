"""Names, logs and documents that try to be code are text, everywhere."""

import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import Page, expect

from ml_workspace_lab import CommandConfig, NotebookRunConfig
from tests.browser.conftest import Lab, OpenLab
from tests.browser.pages import Notebook, Panel, RunView
from tests.notebooks import write_notebook

ATTACK = "<img src=x onerror=window.__pwned=1>"
RUN_TYPE = "application/vnd.ml-workspace-lab.run+json"

LOG = f"""
import sys
from ml_workspace_lab import Run
run = Run.get_context()
run.log({ATTACK!r}, 1.0)
run.log_params({{{ATTACK!r}: {ATTACK!r}}})
print({ATTACK!r})
print("\\x1b[31m{ATTACK}\\x1b[0m plain")
print("\\x1b]8;;javascript:window.__pwned=1\\x07link\\x1b]8;;\\x07")
sys.exit({ATTACK!r})
"""

# What a notebook may print: each is run by a trusting page.
OUTPUTS = f"""
from IPython.display import HTML, Javascript, Markdown, display
display(HTML({ATTACK!r} + "<script>window.__pwned=1</script>"))
display(Javascript("window.__pwned=1"))
display(Markdown({ATTACK!r}))
print("the end")
"""


def expect_unharmed(page: Page) -> None:
    """Whatever was drawn has been loaded, or failed to, and has acted on that."""
    page.wait_for_function("() => [...document.images].every(image => image.complete)")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert page.evaluate("window.__pwned") is None


def test_hostile_names_and_logs_are_shown_as_they_are(
    lab: Lab, open_lab: OpenLab, tmp_path: Path
) -> None:
    config = CommandConfig(
        tmp_path, [sys.executable, "-c", LOG], display_name=ATTACK, tags={ATTACK: ATTACK}
    )
    lab.workspace.experiment(ATTACK).submit(config).wait_for_completion(raise_on_error=False)
    page = open_lab(lab)
    panel = Panel(page).show()
    panel.line(f"{ATTACK} #1").click()
    panel.line(f"{ATTACK}1 run").click()
    expect(panel.line(f"#1 {ATTACK}")).to_be_visible()
    run = RunView(page)
    run.expect_state("Failed")
    expect(run.summary.get_by_role("heading")).to_have_text(f"{ATTACK} #1 {ATTACK}")
    expect(run.node.get_by_role("figure", name=ATTACK)).to_be_visible()
    expect(run.show("Parameters").get_by_role("row").filter(has_text=ATTACK)).to_have_count(2)
    run.show("Log")
    expect(run.log).to_contain_text(f"{ATTACK} plain")
    expect(run.log.locator("span").get_by_text(ATTACK, exact=True).first).to_be_visible()
    expect(run.log.locator("a, img")).to_have_count(0)
    expect(run.log).not_to_contain_text("\x1b")
    run.show("History")
    expect_unharmed(page)


def test_an_executed_notebook_is_shown_without_its_scripts(
    lab: Lab, open_lab: OpenLab, tmp_path: Path
) -> None:
    write_notebook(tmp_path / "nb.ipynb", OUTPUTS)
    config = NotebookRunConfig(tmp_path, "nb.ipynb")
    lab.workspace.experiment("outputs").submit(config).wait_for_completion()
    page = open_lab(lab)
    Panel(page).show().line("outputs #1").click()
    run = RunView(page)
    expect(run.show("Notebook")).to_contain_text("the end")
    expect_unharmed(page)


def test_a_card_of_an_unknown_run_shows_its_saved_html_sanitized(
    lab: Lab, open_lab: OpenLab
) -> None:
    data = {RUN_TYPE: {"run_id": "f" * 32}, "text/html": f"<b>of another place</b>{ATTACK}"}
    cell = new_code_cell("run", outputs=[new_output("display_data", data=data)])
    path = write_notebook(lab.folder / "foreign.ipynb", "1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(cell)
    nbformat.write(notebook, path)
    page = open_lab(lab, "foreign.ipynb")
    expect(Notebook(page).node.locator(".jp-mlws-Card")).to_have_text("of another place")
    expect_unharmed(page)
