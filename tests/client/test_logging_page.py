"""The page on logging promises nothing that does not happen."""

import re
import subprocess
import sys
from pathlib import Path

from ml_workspace_lab import Workspace
from tests.conftest import end_agents, end_work

PAGE = Path(__file__).parents[2] / "docs" / "logging.md"


def test_the_page_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    words = [sys.executable, "-W", "error::ResourceWarning", "-c", "\n".join(blocks)]
    try:
        ended = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.splitlines() == [
            "[0.5, 0.25]",
            "[0 1 2] [0.1 0.4 0.2] 3",
            "3",
            "[1.0, 0.5, 0.3333333333333333]",
            "[('input', 'people.csv'), ('input', 'numbers'), ('output', 'scores')]",
            "['fold 1', 'retry']",
            "3",
            "system/cpu_percent",
        ]
        names = Workspace.open(tmp_path / "store").runs("wine")[-1].get_file_names()
        assert len([name for name in names if name.startswith("charts/")]) == 12
        assert {"loss.plotly.json", "plots/loss.svg", "report.html", "config.json"} <= set(names)
    finally:
        end_work(Workspace.open(tmp_path / "store"))
        end_agents(tmp_path / "store")
