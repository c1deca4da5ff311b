"""A real browser at a real JupyterLab, whose kernels and jobs are real too."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Error, Page, expect, sync_playwright

from ml_workspace_lab import Workspace
from tests.browser.pages import wait_until_started
from tests.conftest import (
    end_agents,
    end_server,
    end_work,
    eventually,
    of_workspace,
    server_info,
)

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
NO_NEWS = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false"}}
PATIENCE_MS = 30_000

expect.set_options(timeout=PATIENCE_MS)

OpenLab = Callable[..., Page]


@dataclass
class Lab:
    """A JupyterLab of its own process, in a folder of its own."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    url: str
    token: str
    port: int

    @property
    def workspace(self) -> Workspace:
        return Workspace.from_config(self.folder)

    def address(self, notebook: str | None = None) -> str:
        """A page with nothing open in it (but one notebook) that no other test has seen."""
        where = f"/tree/{notebook}" if notebook else ""
        return f"{self.url}lab/workspaces/{uuid4().hex}{where}?token={self.token}"

    def stop(self) -> None:
        end_server(self.process)


def start_lab(folder: Path, port: int = 0, token: str | None = None) -> Lab:
    """A JupyterLab with `folder` as its root, answering; its own files lie beside it."""
    own = folder.with_name(f"{folder.name}-lab")
    for name, content in NO_NEWS.items():
        path = own / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
    }
    words = [
        sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True", f"--ServerApp.port={port}",
        # Looking for language servers starts Node and R, which all tests would wait for.
        "--LanguageServerManager.autodetect=False",
        *([f"--IdentityProvider.token={token}"] if token else []),
    ]  # fmt: skip
    log = (own / "server.log").open("ab")
    process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, cwd=folder)
    info = server_info(process, own / "runtime", own / "server.log")
    return Lab(folder, process, info["url"], info["token"], info["port"])


def serve(folder: Path) -> Iterator[Lab]:
    """A JupyterLab for as long as it is needed, and nothing left of it afterwards."""
    running = start_lab(folder)
    yield running
    running.stop()
    clean_up(folder)


def clean_up(folder: Path) -> None:
    """End what the workspace in `folder` still has going on."""
    if not (folder / ".mlworkspace").exists():
        return
    workspace = Workspace.from_config(folder)
    root = Path(workspace.location)
    try:
        end_work(workspace)
        eventually(lambda: not of_workspace(root), what="all processes end")
    finally:
        end_agents(root)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab on a workspace that was started in its folder."""
    folder = tmp_path_factory.mktemp("lab")
    store = folder / ".mlworkspace" / "store"
    Workspace.create("lab", store).write_config(folder)
    yield from serve(folder)


@pytest.fixture(scope="package")
def browser() -> Iterator[BrowserContext]:
    """One browser for all of these tests; the loop that drives it must not outlive them."""
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        # One context, too: JupyterLab's scripts are then loaded and compiled once.
        context = running.new_context(viewport={"width": 1400, "height": 860})
        context.set_default_timeout(PATIENCE_MS)
        yield context
        running.close()


@pytest.fixture
def open_lab(browser: BrowserContext) -> Iterator[OpenLab]:
    """Opens JupyterLab in a page; a script's error in any of them fails the test."""
    errors: list[str] = []

    def note(error: Error) -> None:
        # JupyterLab does not await all that it asks: a page that is left cuts some of it off.
        if error.message != "Failed to fetch":
            errors.append(error.stack or error.message)

    def open_(lab: Lab, notebook: str | None = None) -> Page:
        page = browser.new_page()
        page.on("pageerror", note)
        page.goto(lab.address(notebook))
        wait_until_started(page)
        return page

    yield open_
    for page in browser.pages:
        page.close()
    assert errors == []
