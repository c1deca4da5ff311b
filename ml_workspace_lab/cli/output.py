"""Results as text for people or JSON for programs; errors on the error stream."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from ml_workspace_lab.api.types import LogChunk
from ml_workspace_lab.errors import WorkspaceError, one_line

TIMES = (
    "archived", "claimed", "created", "deleted", "ended", "expires", "first_seen", "last_activity",
    "last_run", "last_seen", "last_time", "last_used", "next", "reported", "started", "time",
    "updated", "used",
)  # fmt: skip
WIDE = (
    "params", "tags", "properties", "metrics", "files", "description", "notes",
    "last_operation", "traceback", "schedules", "setup_scripts", "environment_variables",
)  # fmt: skip
CELL_WIDTH = 64


def print_result(result: Any, style: str) -> None:
    """Print what a command found; as text, None and an empty answer are nothing."""
    value = msgspec.to_builtins(result)
    if style == "json":
        print(json.dumps(value, indent=2, ensure_ascii=False))
    elif isinstance(result, LogChunk):
        sys.stdout.write(result.text)
        if result.next < result.size:
            print(f"More: --offset {result.next}", file=sys.stderr)
    elif value is None or value == {}:
        return
    elif isinstance(value, dict) and isinstance(value.get("items"), list):
        print_table(value["items"])
        if value.get("next"):
            print(f"More: --after {value['next']}")
    elif isinstance(value, dict):
        print_facts(value)
    else:
        print(value)


def print_error(error: WorkspaceError, style: str) -> None:
    body = {
        "error_code": error.error_code,
        "message": error.message,
        "field": error.field,
        "hint": error.hint,
        "request_id": error.request_id,
    }
    if style == "json":
        print(json.dumps(body, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"Error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)


def print_table(items: list[dict[str, Any]]) -> None:
    """One row an item; long lists and mappings are left to `-o json`."""
    if not items:
        print("None yet.")
        return
    names = [name for name in items[0] if name not in WIDE]
    rows = [names, *([_cell(name, item.get(name)) for name in names] for item in items)]
    rows = [[row[i] for i in _filled(rows)] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def print_facts(value: dict[str, Any]) -> None:
    width = max(len(name) for name in value)
    for name, item in value.items():
        if isinstance(item, list) and item and isinstance(item[0], dict):
            print(f"{name}:")
            print_table(item)
        else:
            print(f"{name.ljust(width)}  {_fact(name, item)}")


def _filled(rows: list[list[str]]) -> list[int]:
    """The columns that have something in them."""
    return [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])] or [0]


def _cell(name: str, value: Any) -> str:
    text = _fact(name, value)
    return text if len(text) <= CELL_WIDTH else text[: CELL_WIDTH - 1] + "…"


def _fact(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in TIMES and isinstance(value, int):
        moment = datetime.fromtimestamp(value / 1000, UTC).astimezone()
        return moment.strftime("%Y-%m-%d %H:%M:%S")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return one_line(text)
