"""What differs between two runs, to be read in a notebook or a terminal."""

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import msgspec

from ml_workspace_lab.environments.model import PackageChange, ValueChange
from ml_workspace_lab.jobs.diff_model import ParameterChange
from ml_workspace_lab.jobs.diff_model import RunDiff as Found
from ml_workspace_lab.snapshots.cells import CellChange
from ml_workspace_lab.snapshots.differing import FileChange, cell_title

if TYPE_CHECKING:
    from ml_workspace_lab.client.workspace import Workspace

_MONOSPACE = "font-family:monospace;white-space:pre-wrap;margin:0"
_COLORS = {"+": "rgba(0,158,115,.18)", "-": "rgba(213,94,0,.18)", "@": "rgba(0,114,178,.12)"}
_TABLE = "text-align:left;vertical-align:top"
_OPEN_LINES = 60
"""A file with so many lines of differences is shown open."""

Row = tuple[str, str, str]


class RunDiff:
    """From one run to another: `settings`, `parameters`, `files`, `packages`, `environment`, and
    `notes` on what is not known. True where anything differs or may."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.settings = found.settings
        self.parameters = found.parameters
        self.files = {file.path: file for file in found.files}
        self.packages = found.packages
        self.environment = found.environment
        self.notes = found.notes

    def __bool__(self) -> bool:
        return not self.found.same

    def __str__(self) -> str:
        parts = [
            f"{title}\n" + "".join(f"  {name}: {old} -> {new}\n" for name, old, new in rows)
            for title, rows in self._tables()
        ]
        parts += [str(file) for file in self.files.values()]
        parts += [f"{note}\n" for note in self.notes]
        return "".join(parts) or "Nothing differs.\n"

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(rows)} {title.lower()}" for title, rows in self._tables())
        files = f"{len(self.files)} files" if self.files else ""
        words = ", ".join(word for word in (counts, files) if word) or "nothing differs"
        return f"RunDiff({self.found.before[:8]} -> {self.found.after[:8]}: {words})"

    def _repr_html_(self) -> str:
        parts = [table(title, rows) for title, rows in self._tables()]
        parts += [_file(file) for file in self.files.values()]
        parts += [f"<div><em>{escape(note)}</em></div>" for note in self.notes]
        head = (
            f"<div>from <code>{self.found.before}</code> to <code>{self.found.after}</code></div>"
        )
        return f"<div>{head}{''.join(parts) or '<div>Nothing differs.</div>'}</div>"

    def _tables(self) -> Iterator[tuple[str, list[Row]]]:
        groups = [
            ("Settings", [_value(one) for one in self.settings]),
            ("Parameters", [_parameter(one) for one in self.parameters]),
            ("Packages", [_value(one) for one in self.packages]),
            ("Environment", [_value(one) for one in self.environment]),
        ]
        return (group for group in groups if group[1])


def diff(workspace: "Workspace", before: str, after: str) -> RunDiff:
    """Raises NotFound for a run that isn't there."""
    return RunDiff(workspace.connection.run_diffs.get(before, after))


def _parameter(one: ParameterChange) -> Row:
    values = [msgspec.json.encode(value).decode() for value in (one.before, one.after)]
    return (
        one.name,
        "(none)" if one.only == "after" else values[0],
        "(none)" if one.only == "before" else values[1],
    )


def _value(one: ValueChange | PackageChange) -> Row:
    old, new = ("(none)" if value is None else value for value in (one.before, one.after))
    return one.name, old, new


def table(title: str, rows: list[Row]) -> str:
    """HTML of what differs, each with its value before and after."""
    lines = "".join(
        f"<tr><th style='{_TABLE}'>{escape(name)}</th>"
        f"<td style='{_TABLE};background:{_COLORS['-']}'>{escape(old)}</td>"
        f"<td style='{_TABLE};background:{_COLORS['+']}'>{escape(new)}</td></tr>"
        for name, old, new in rows
    )
    return f"<details open><summary>{title} ({len(rows)})</summary><table>{lines}</table></details>"


def _file(file: FileChange) -> str:
    title = f"<code>{escape(file.path)}</code> {file.change}"
    if file.note:
        return f"<div>{title}: {escape(file.note)}</div>"
    lines = file.text.count("\n") + sum(cell.text.count("\n") for cell in file.cells)
    body = _lines(file.text) + "".join(map(_cell, file.cells))
    open_ = " open" if lines <= _OPEN_LINES else ""
    return f"<details{open_}><summary>{title}</summary>{body}</details>"


def _cell(cell: CellChange) -> str:
    return f"<div><small>{escape(cell_title(cell))}</small></div>{_lines(cell.text)}"


def _lines(text: str) -> str:
    shown = "".join(
        f"<div style='background:{_COLORS.get(line[:1], 'none')}'>{escape(line)}</div>"
        for line in text.splitlines()
    )
    return f"<div style='{_MONOSPACE}'>{shown}</div>" if text else ""
