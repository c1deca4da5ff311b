"""The first visit: no workspace yet, and one click to have one."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Lab, OpenLab, serve
from tests.browser.pages import Panel, wait_until_started


@pytest.fixture(scope="module")
def empty_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab in a folder without a workspace."""
    yield from serve(tmp_path_factory.mktemp("empty"))


def test_a_refused_name_is_said_beside_the_field_that_keeps_it(
    empty_lab: Lab, open_lab: OpenLab
) -> None:
    panel = Panel(open_lab(empty_lab)).show()
    name = panel.node.get_by_label("Name")
    name.fill("not a name!")
    panel.node.get_by_role("button", name="Start a workspace here").click()
    expect(panel.node.get_by_role("alert")).to_contain_text("name")
    expect(name).to_have_value("not a name!")
    assert not (empty_lab.folder / ".mlworkspace").exists()


def test_one_click_starts_a_workspace_and_shows_what_can_be_in_it(
    empty_lab: Lab, open_lab: OpenLab
) -> None:
    page = open_lab(empty_lab)
    panel = Panel(page).show()
    panel.node.get_by_role("button", name="Start a workspace here").click()
    expect(panel.node.get_by_role("heading")).to_have_text("my-workspace")
    for section in ("Experiments", "Recent runs", "Models", "Endpoints"):
        expect(panel.line(section)).to_contain_text("0")
    expect(panel.line("local")).to_contain_text("0 of")
    expect(panel.line("%ws_register")).to_contain_text("none yet")
    expect(panel.line("%ws_deploy")).to_contain_text("none yet")
    expect(panel.node).to_contain_text("No runs yet.")
    expect(panel.node).to_contain_text("%load_ext ml_workspace_lab\n%ws_run")
    assert empty_lab.workspace.name == "my-workspace"

    page.reload()
    wait_until_started(page)
    expect(panel.show().node.get_by_role("heading")).to_have_text("my-workspace")
