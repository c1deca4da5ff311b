"""A server that goes away, or a network: the panel says so, and goes on when it is back."""

import re
from itertools import count
from pathlib import Path
from secrets import token_hex

import pytest
from playwright.sync_api import Route, expect

from ml_workspace_lab import CommandConfig, Workspace
from tests.browser.conftest import Lab, OpenLab, clean_up, start_lab
from tests.browser.pages import Panel, RunView


@pytest.mark.parametrize(
    ("part", "cuts"),
    [
        pytest.param("", 1, id="shorter than what is tried again at once"),
        pytest.param("", 4, id="longer"),
        pytest.param("/log/lines", 4, id="longer, for a part of a view"),
    ],
)
def test_what_the_network_cuts_off_is_asked_for_again(
    lab: Lab, open_lab: OpenLab, tmp_path: Path, part: str, cuts: int
) -> None:
    run = lab.workspace.experiment("cut").submit(CommandConfig(tmp_path, ["echo", "hi"]))
    run.wait_for_completion()
    page = open_lab(lab)
    line = Panel(page).show().line(f"cut #{run.number}")
    expect(line).to_be_visible()
    asked = count(1)

    def cut(route: Route) -> None:
        if next(asked) <= cuts:
            route.abort("internetdisconnected")
        else:
            route.continue_()

    page.route(re.compile(rf"/api/v1/runs/{run.id}{part}(\?|$)"), cut)
    line.click()
    view = RunView(page)
    view.expect_state("Completed")
    view.show("Log")
    expect(view.log).to_contain_text("hi")
    expect(Panel(page).node.get_by_role("status")).to_have_count(0)
    assert next(asked) > cuts + 1


def test_a_server_that_can_not_answer_now_hides_nothing(
    lab: Lab, open_lab: OpenLab, tmp_path: Path
) -> None:
    experiment = lab.workspace.experiment("passing")
    first = experiment.submit(CommandConfig(tmp_path, ["echo", "hi"]))
    first.wait_for_completion()
    page = open_lab(lab)
    panel = Panel(page).show()
    panel.line(f"passing #{first.number}").click()
    view = RunView(page)
    view.expect_state("Completed")
    ours = re.compile(r"/api/v1/(?!events)")
    page.route(ours, lambda route: route.fulfill(status=503, json={"error_code": "Unavailable"}))
    second = experiment.submit(CommandConfig(tmp_path, ["echo", "hi"]))
    expect(panel.node.get_by_role("status")).to_have_text("offline, trying again")
    expect(panel.line(f"passing #{first.number}")).to_be_visible()
    view.expect_state("Completed")
    page.unroute(ours)
    expect(panel.line(f"passing #{second.number}")).to_be_visible()
    expect(panel.node.get_by_role("status")).to_have_count(0)
    expect(panel.node.get_by_role("alert")).to_have_count(0)


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
