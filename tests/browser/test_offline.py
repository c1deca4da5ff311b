"""A server that goes away: the panel says so, and goes on when it is back."""

from pathlib import Path
from secrets import token_hex

from playwright.sync_api import expect

from ml_workspace_lab import CommandConfig, Workspace
from tests.browser.conftest import OpenLab, clean_up, start_lab
from tests.browser.pages import Panel, RunView


def test_a_lost_server_is_told_and_a_returned_one_is_caught_up_with(
    tmp_path: Path, open_lab: OpenLab
) -> None:
    workspace = Workspace.create("lab", tmp_path / ".mlworkspace" / "store")
    workspace.write_config(tmp_path)
    token = token_hex()
    lab = start_lab(tmp_path, token=token)
    try:
        page = open_lab(lab)
        panel = Panel(page).show()
        expect(panel.line("local")).to_be_visible()
        lab.stop()
        expect(panel.node.get_by_role("status")).to_have_text("offline, trying again")
        expect(panel.line("local")).to_be_visible()

        run = workspace.experiment("meanwhile").submit(CommandConfig(tmp_path, ["echo", "hi"]))
        run.wait_for_completion()
        lab = start_lab(tmp_path, lab.port, token)
        line = panel.line("meanwhile #1")
        expect(line).to_be_visible()
        expect(panel.node.get_by_role("status")).to_have_count(0)
        # JupyterLab's own word on the lost connection may still lie over the page.
        page.add_locator_handler(
            page.get_by_role("dialog"), lambda _: page.keyboard.press("Escape"), no_wait_after=True
        )
        line.click()
        RunView(page).expect_state("Completed")
    finally:
        lab.stop()
        clean_up(tmp_path)
