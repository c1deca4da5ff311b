"""A compute instance in the sidebar: it comes and changes by itself, and its buttons work."""

import re

from playwright.sync_api import expect

from ml_workspace_lab import ComputeInstance
from tests.browser.conftest import Lab, OpenLab
from tests.browser.pages import Panel
from tests.browser.test_accessibility import violations


def test_an_instance_is_followed_opened_stopped_and_deleted(lab: Lab, open_lab: OpenLab) -> None:
    page = open_lab(lab)
    panel = Panel(page).show()
    expect(panel.line("none yet: ml-workspace instance create")).to_be_visible()
    hostile = "<img src=x onerror=alert(1)>"
    made = ComputeInstance.create(
        lab.workspace, "nb1", idle_minutes_before_shutdown=90, assigned_user=hostile, wait=False
    )
    line = panel.line("nb1")
    expect(line.get_by_title("Running")).to_be_visible()
    expect(panel.line(f"Running, for {hostile}")).to_be_visible()
    expect(panel.line("Stops after 90 min without work")).to_be_visible()
    assert violations(page, panel.node) == []

    with page.context.expect_page() as opened:
        line.get_by_role("button", name="Open nb1").click()
    inside = opened.value
    expect(Panel(inside).tab).to_be_visible()
    assert inside.url.startswith(made.url.partition("?")[0])
    expect(Panel(inside).show().line("nb1").get_by_title("Running")).to_be_visible()
    inside.close()

    # By keyboard: the line, then its buttons.
    line.click()
    line.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_accessible_name("Stop nb1")
    page.keyboard.press("Enter")
    expect(line.get_by_title("Stopped")).to_be_visible()
    line.get_by_role("button", name="Start nb1").click()
    expect(line.get_by_role("button", name="Stop nb1")).to_be_visible()

    line.get_by_role("button", name="Delete nb1").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"its \d+ files? \(.*\) (is|are) removed for good"))
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(panel.line("none yet: ml-workspace instance create")).to_be_visible()
