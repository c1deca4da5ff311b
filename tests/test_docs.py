"""What the documents promise is what happens."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from tests.conftest import end_agents, end_work

ROOT = Path(__file__).parent.parent


def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    try:
        words = [sys.executable, "-c", code]
        ended = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        end_work(Workspace.open(tmp_path / "store"))
        end_agents(tmp_path / "store")
    assert ended.returncode == 0, ended.stderr
    for line in (
        "Completed 0.1",
        "trained on 150 flowers",
        "'outputs/model.joblib'",
        "[0, 1]",
        "[0]",
    ):
        assert line in ended.stdout


def test_every_command_of_the_tutorial_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    commands = re.findall(r"^ml-workspace (\w+)(?: (\w+))?", text, re.MULTILINE)
    assert len(commands) >= 5
    program = shutil.which("ml-workspace") or str(Path(sys.executable).with_name("ml-workspace"))
    for noun, verb in commands:
        words = [program, noun, verb] if (noun, verb) == ("runs", "list") else [program, noun]
        ended = subprocess.run([*words, "--help"], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, words


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for target in re.findall(r"`((?:ml_workspace_lab|src|docs|binder)/[\w./]*)`", text):
        assert (ROOT / target).exists(), target
