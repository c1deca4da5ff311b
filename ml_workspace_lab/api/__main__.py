"""Write `openapi.json` beside this file: `python -m ml_workspace_lab.api`."""

from pathlib import Path

from ml_workspace_lab.api.openapi import text

if __name__ == "__main__":
    Path(__file__).with_name("openapi.json").write_text(text(), encoding="utf-8")
