"""The built wheel in an environment of its own, with no Node anywhere."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.pages import Panel
from tests.conftest import end_server, server_info

DIST = Path(__file__).parents[2] / "dist"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of an environment that has JupyterLab and the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    [wheel] = DIST.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    variables = {
        **kept,
        "PATH": str(folder / "env" / "bin"),
        "HOME": str(folder),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
    }
    pip = [folder / "env" / "bin" / "python", "-m", "pip", "install", "--quiet"]
    # pip keeps the settings of whoever runs the tests, which may lie in their home.
    subprocess.run([*pip, f"{wheel}[lab]"], env=kept, check=True)
    assert shutil.which("node", path=variables["PATH"]) is None
    return variables


def output(environment: dict[str, str], *words: str) -> str:
    """All that a program of the environment prints, colours left out."""
    program = Path(environment["PATH"], words[0])
    ended = subprocess.run(
        [program, *words[1:]], env=environment, capture_output=True, text=True, check=True
    )
    return re.sub(r"\x1b\[\d*m", "", ended.stdout + ended.stderr)


@pytest.fixture
def lab(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab of that environment."""
    python = Path(environment["PATH"], "python")
    words = [python, "-m", "jupyterlab", "--allow-root", "--no-browser", "--ServerApp.port=0"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, cwd=tmp_path, stdout=log, stderr=log)
    try:
        runtime = Path(output(environment, "jupyter", "--runtime-dir").strip())
        found = server_info(process, runtime, tmp_path / "log")
        yield f"{found['url']}lab?token={found['token']}"
    finally:
        end_server(process)


def test_it_installs_without_node_and_shows_its_panel(
    environment: dict[str, str], lab: str, browser: BrowserContext
) -> None:
    extensions = output(environment, "jupyter", "labextension", "list")
    assert re.search(r"ml-workspace-lab v[\d.]+ enabled +OK", extensions)
    extensions = output(environment, "jupyter", "server", "extension", "list")
    assert re.search(r"ml_workspace_lab [\d.]+ .*OK", extensions)
    assert "usage: ml-workspace" in output(environment, "ml-workspace", "--help")
    page = browser.new_page()
    page.goto(lab)
    Panel(page).show()
    expect(page.get_by_role("button", name="Start a workspace here")).to_be_visible()
    page.close()
