"""A model's card, and what differs between two versions, to be read in a notebook or a terminal.

What people wrote (names, tags, a description) is shown as text, and never as HTML."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape

from ml_workspace_lab.client.profile_view import facts
from ml_workspace_lab.client.run_diff import Row, table
from ml_workspace_lab.errors import one_line
from ml_workspace_lab.models.report_model import Change
from ml_workspace_lab.models.report_model import ModelCard as CardFound
from ml_workspace_lab.models.report_model import ModelDiff as DiffFound

_LEFT = "text-align:left;vertical-align:top"
_PLAIN = "white-space:pre-wrap;margin:4px 0"


class ModelCard:
    """What is known of a version; `found` has it as fields."""

    def __init__(self, found: CardFound) -> None:
        self.found = found

    @property
    def title(self) -> str:
        return f"Model {self.found.version.name}:{self.found.version.version}"

    def __str__(self) -> str:
        lines = [self.title]
        lines += [f"  {line}" for text in self._texts() for line in text.splitlines()]
        for title, group in self._tables():
            lines += ["", title, *(f"  {name}: {text}" for name, text in group.items())]
        return "".join(f"{one_line(line)}\n" for line in lines)

    def __repr__(self) -> str:
        return f"ModelCard({self.title!r})"

    def _repr_html_(self) -> str:
        parts = [f"<div><strong>{escape(self.title)}</strong></div>"]
        parts += [f"<div style='{_PLAIN}'>{escape(text)}</div>" for text in self._texts()]
        parts += [_facts(title, group) for title, group in self._tables()]
        return f"<div>{''.join(parts)}</div>"

    def _texts(self) -> list[str]:
        found = self.found
        return [text for text in (found.version.description, found.model_description) if text]

    def _tables(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        found = self.found
        groups: dict[str, Mapping[str, str]] = {
            "Record": self._record(),
            "Tags": found.version.tags,
            "Properties": found.version.properties,
            "Lineage": self._lineage(),
            "Parameters": {name: json.dumps(value) for name, value in found.params.items()},
            "Metrics": found.metrics,
            "Signature": {part: ", ".join(names) for part, names in found.signature.items()},
            "Profile": facts(found.profile) if found.profile else {},
            "Files": {f.path: f"{f.size:,} bytes, SHA-256 {f.digest}" for f in found.version.files},
            "Not known": {str(at): note for at, note in enumerate(found.notes, 1)},
        }
        return (group for group in groups.items() if group[1])

    def _record(self) -> dict[str, str]:
        version = self.found.version
        made = datetime.fromtimestamp(version.created / 1000, UTC)
        told = {
            "framework": version.framework,
            "stage": version.stage if version.stage != "None" else "",
            "aliases": ", ".join(version.aliases),
            "registered": f"{made:%Y-%m-%d %H:%M:%S} UTC by {version.user}",
            "size": f"{version.size:,} bytes",
            "served by": ", ".join(self.found.endpoints),
            "executes code": "when it is loaded: only a scoring process does"
            if version.executes_code
            else "",
        }
        return {name: text for name, text in told.items() if text}

    def _lineage(self) -> dict[str, str]:
        version, found = self.found.version, self.found
        told = {
            "experiment": version.experiment or "",
            "run": version.run_id or "",
            "run's name": f"#{found.run_number} {found.run_name}" if found.run_name else "",
            "snapshot": version.snapshot_id or "",
            "logged model": version.model_id or "",
            "source": version.source or "",
        }
        for one in found.datasets:
            words = " ".join(filter(None, (one.context, one.digest)))
            told[f"{one.kind} {one.name}"] = words or "without a digest"
        return {name: text for name, text in told.items() if text}


class ModelDiff:
    """From one version to another: `facts`, `params`, `metrics`, `signature` and `files`, and
    `notes` on what is not known. True where anything differs or may."""

    def __init__(self, found: DiffFound) -> None:
        self.found = found
        self.facts = found.facts
        self.params = found.params
        self.metrics = found.metrics
        self.signature = found.signature
        self.files = found.files
        self.notes = found.notes

    def __bool__(self) -> bool:
        return bool(self.notes or any(rows for _, rows in self._tables()))

    def __str__(self) -> str:
        parts = [
            f"{title}\n"
            + "".join(f"  {one_line(n)}: {one_line(o)} -> {one_line(t)}\n" for n, o, t in rows)
            for title, rows in self._tables()
        ]
        parts += [f"{one_line(note)}\n" for note in self.notes]
        return "".join(parts) or "Nothing differs.\n"

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(rows)} {title.lower()}" for title, rows in self._tables())
        differs = counts or "nothing differs"
        return f"ModelDiff({self.found.before} -> {self.found.after}: {differs})"

    def _repr_html_(self) -> str:
        parts = [table(title, rows) for title, rows in self._tables()]
        parts += [f"<div><em>{escape(note)}</em></div>" for note in self.notes]
        before, after = escape(self.found.before), escape(self.found.after)
        head = f"<div>from <code>{before}</code> to <code>{after}</code></div>"
        return f"<div>{head}{''.join(parts) or '<div>Nothing differs.</div>'}</div>"

    def _tables(self) -> Iterator[tuple[str, list[Row]]]:
        groups = [
            ("Facts", self.facts),
            ("Parameters", self.params),
            ("Metrics", self.metrics),
            ("Signature", self.signature),
            ("Files", self.files),
        ]
        return ((title, [_row(one) for one in changes]) for title, changes in groups if changes)


def _row(one: Change) -> Row:
    old, new = ("(none)" if text is None else text for text in (one.before, one.after))
    return one.name, old, new


def _facts(title: str, group: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><th style='{_LEFT}'>{escape(name)}</th><td style='{_LEFT}'>{escape(text)}</td></tr>"
        for name, text in group.items()
    )
    return f"<details open><summary>{title}</summary><table>{rows}</table></details>"
