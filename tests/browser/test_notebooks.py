"""A notebook in the browser as the source of runs: unsaved edits count, cards stay live."""

from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Lab, OpenLab
from tests.browser.pages import Notebook, RunView, wait_until_started
from tests.conftest import eventually
from tests.notebooks import write_notebook

LOAD, EDITED, SUBMIT = 1, 2, 3


def open_notebook(lab: Lab, open_lab: OpenLab, name: str, source: str) -> tuple[Page, Notebook]:
    """A notebook of three cells: one loads the magics, one is `source`, one submits."""
    write_notebook(lab.folder / name, "%load_ext ml_workspace_lab", source, "run = %ws_run")
    page = open_lab(lab, name)
    notebook = Notebook(page)
    notebook.run(LOAD)
    expect(notebook.cell(LOAD)).to_contain_text("[1]:")
    return page, notebook


def test_a_job_runs_what_is_on_the_screen_and_not_what_was_saved(
    lab: Lab, open_lab: OpenLab
) -> None:
    _, notebook = open_notebook(lab, open_lab, "edited.ipynb", "print('as it was saved')")
    notebook.type(EDITED, "print('as it is typed')")
    notebook.run(SUBMIT)
    expect(notebook.card.locator(".jp-mlws-State")).to_contain_text("Completed")
    [run] = lab.workspace.runs("edited")
    assert run.get_log().startswith("as it is typed\n")
    assert "as it is typed" not in (lab.folder / "edited.ipynb").read_text()
    expect(notebook.cell(SUBMIT)).not_to_contain_text("as it was saved")


def test_the_last_keys_before_the_run_are_in_it(
    lab: Lab, open_lab: OpenLab, tmp_path: Path
) -> None:
    """Edits are pushed a moment after they are made; a run that comes sooner waits for them."""
    page, notebook = open_notebook(lab, open_lab, "quick.ipynb", "print(1)")
    asked = tmp_path / "asked"
    # However slow this machine is: the kernel says when it begins to ask, and then has patience.
    notebook.type(
        SUBMIT,
        "from ml_workspace_lab.notebook import document\ndocument.PATIENCE_SECONDS = 60\n"
        f"open({str(asked)!r}, 'w').close()\nrun = %ws_run",
    )
    with page.expect_response(lambda answer: "print(2)" in (answer.request.post_data or "")):
        notebook.type(EDITED, "print(2)")

    def late(route: Route) -> None:
        """The front end's word on the execution comes when the kernel has begun."""
        if route.request.post_data_json["cell_id"]:
            eventually(asked.exists, what="the kernel asks")
        route.continue_()

    page.route("**/notebooks/live*", late)
    page.keyboard.insert_text("; print(3)")
    for key in ("Escape", "ArrowDown", "Control+Enter"):
        page.keyboard.press(key)
    expect(notebook.card.locator(".jp-mlws-State")).to_contain_text("Completed")
    [run] = lab.workspace.runs("quick")
    assert run.get_log().startswith("2\n3\n")


def test_a_card_is_live_again_after_a_reload(lab: Lab, open_lab: OpenLab, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    page, notebook = open_notebook(lab, open_lab, "reloaded.ipynb", wait)
    page.on("dialog", lambda dialog: dialog.accept())
    notebook.run(SUBMIT)
    state = notebook.card.locator(".jp-mlws-State")
    expect(state).to_contain_text("Running")
    page.keyboard.press("ControlOrMeta+s")
    expect(page.get_by_role("contentinfo")).to_contain_text("Saving completed")
    page.reload()
    wait_until_started(page)
    notebook = Notebook(page)
    state = notebook.card.locator(".jp-mlws-State")
    expect(state).to_contain_text("Running")
    gate.touch()
    expect(state).to_contain_text("Completed")
    notebook.card.get_by_role("button", name="Open run").click()
    run, tab = RunView(page), page.get_by_role("tab", name="reloaded #1")

    def is_in_front() -> bool:
        # JupyterLab opens the notebook that the address names once more, and it comes to the front.
        tab.click()
        return run.node.is_visible()

    eventually(is_in_front)
    run.expect_state("Completed")
