"""One mini-batch: its rows are scored together, and where that fails in halves, until the rows that
are at fault are known."""

import sys
import traceback
from typing import Any

import msgspec

from ml_workspace_lab.endpoints.batch.answers import Unlike, aligned
from ml_workspace_lab.endpoints.batch.kinds import Column, as_kind, wider
from ml_workspace_lab.endpoints.batch.model import Content, Done, Kind
from ml_workspace_lab.endpoints.batch.scorers import Answerer
from ml_workspace_lab.endpoints.batch.values import Block
from ml_workspace_lab.endpoints.scoring.call import BadInput
from ml_workspace_lab.errors import InvalidInput

TRACES = 3
"""Tracebacks that a process prints; after that the reasons have to do."""
MAX_REASON = 500


class Scoring:
    """Scores blocks of rows. `keeps_values` is False where nobody wants the predictions."""

    def __init__(self, answerer: Answerer, *, keeps_values: bool) -> None:
        self._answerer = answerer
        self._keeps_values = keeps_values
        self._traces = TRACES

    def score(self, number: int, block: Block) -> Done:
        """The mini-batch of that number. Raises InvalidInput where no row could be scored, for what
        the input is."""
        parts: list[tuple[list[int], list[Column]]] = []
        failures = list(block.bad)
        if block.rows:
            self._score(block, parts, failures)
        rows = [row for part in parts for row in part[0]]
        columns = _joined(parts) if self._keeps_values else []
        values = [column[2] for column in columns]
        content = Content(rows, values, sorted(failures))
        return Done(
            number,
            len(rows),
            len(failures),
            [(name, kind) for name, kind, _ in columns],
            msgspec.msgpack.encode(content),
        )

    def _score(
        self,
        block: Block,
        parts: list[tuple[list[int], list[Column]]],
        failures: list[tuple[int, str]],
    ) -> None:
        try:
            part = aligned(self._answerer.answer(block), block.rows)
        except InvalidInput:
            raise
        except Exception as error:  # noqa: BLE001 - a script may raise anything
            if len(block.rows) > 1:
                middle = len(block.rows) // 2
                self._score(block.part(0, middle), parts, failures)
                self._score(block.part(middle, len(block.rows)), parts, failures)
            else:
                failures.append((block.rows[0], self._reason(error)))
            return
        parts.append(part)
        unanswered = set(block.rows) - set(part[0])
        failures += [(row, "run() gave no result for it") for row in unanswered]

    def _reason(self, error: Exception) -> str:
        if isinstance(error, BadInput):
            reason = str(error)
        elif isinstance(error, Unlike):
            reason = f"The answer is not one for each row: {error}"
        else:
            reason = f"{type(error).__name__}: {error}"
            if self._traces:
                self._traces -= 1
                print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)  # noqa: T201
        reason = " ".join(reason.split())
        return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}…"


def _joined(parts: list[tuple[list[int], list[Column]]]) -> list[Column]:
    """The columns of all parts below each other, None where a part has no such column."""
    if len(parts) == 1:
        return parts[0][1]
    kinds: dict[str, Kind] = {}
    for _, columns in parts:
        for name, kind, _ in columns:
            kinds[name] = kind if name not in kinds else wider(kinds[name], kind)
    found: list[Column] = []
    for name, kind in kinds.items():
        values: list[Any] = []
        for rows, columns in parts:
            here = next((column for column in columns if column[0] == name), None)
            values += as_kind(here[2], here[1], kind) if here else [None] * len(rows)
        found.append((name, kind, values))
    return found
