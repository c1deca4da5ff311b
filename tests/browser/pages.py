"""What users see of the workspace, by the names that they and screen readers know it by."""

import re

from playwright.sync_api import Locator, Page, expect


def wait_until_started(page: Page) -> None:
    """JupyterLab has restored its layout, and put something of its own in front: what was opened
    before that would be behind it."""
    page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget !== null")
    page.wait_for_selector("#jupyterlab-splash", state="detached")


class Panel:
    """The workspace in the left sidebar."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.node = page.locator("#ml-workspace-lab-panel")
        self.tree = self.node.get_by_role("tree", name="Workspace")
        self.tab = page.locator('[data-id="ml-workspace-lab-panel"]')

    def show(self) -> "Panel":
        if not self.node.is_visible():
            self.tab.click()
        expect(self.node).to_be_visible()
        return self

    def line(self, text: str | re.Pattern[str]) -> Locator:
        return self.tree.get_by_role("treeitem").filter(has_text=text)


class RunView:
    """A run in the main area."""

    def __init__(self, page: Page) -> None:
        self.node = page.locator(".jp-mlws-Run:visible")
        self.summary = self.node.locator(".jp-mlws-Run-summary")
        self.tabs = self.node.get_by_role("tab")
        self.body = self.node.get_by_role("tabpanel")
        self.log = self.node.get_by_role("log")

    def show(self, tab: str) -> Locator:
        self.node.get_by_role("tab", name=tab, exact=True).click()
        return self.body

    def expect_state(self, state: str) -> None:
        expect(self.summary.locator(".jp-mlws-State")).to_have_text(re.compile(f"{state}$"))


class Notebook:
    """A notebook whose kernel is ready."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.node = page.locator(".jp-NotebookPanel:visible")
        self.card = self.node.locator(".jp-mlws-Card-body")
        expect(page.get_by_role("contentinfo")).to_contain_text("| Idle")

    def cell(self, index: int) -> Locator:
        return self.node.locator(".jp-Cell").nth(index)

    def type(self, index: int, text: str) -> None:
        """Replace the text of a cell, without saving."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)

    def run(self, index: int) -> None:
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run_all(self) -> None:
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
