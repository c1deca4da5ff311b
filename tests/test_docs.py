"""What the documents promise is what happens."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.cli.main import parser, split_command
from tests.conftest import end_agents, end_work

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


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


def test_every_command_of_the_documents_is_one() -> None:
    """Each is taken by the parser, which would refuse an option or a verb that isn't there."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += re.findall(r"(?:^|`)ml-workspace ([^`\n]+)", text, re.MULTILINE)
    assert len(found) >= 8
    for line in found:
        words, _ = split_command(shlex.split(line))
        if "--help" not in words:
            parser().parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for target in re.findall(r"`((?:ml_workspace_lab|src|docs|binder)/[\w./]*)`", text):
        assert (ROOT / target).exists(), target
