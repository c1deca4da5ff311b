"""The processes that score: each has a mini-batch or two at hand, and another takes its place where
it dies or takes too long."""

import multiprocessing
import time
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import msgspec

from ml_workspace_lab.endpoints.batch.model import Content, Done, MiniBatch
from ml_workspace_lab.endpoints.batch.worker import Task, Word, work
from ml_workspace_lab.endpoints.model import ServedBy
from ml_workspace_lab.errors import ScoringFailed
from ml_workspace_lab.processes import in_words

AT_HAND = 2
"""Mini-batches that a process has: it needn't wait for the next one."""
TICK_SECONDS = 0.5
END_SECONDS = 2.0


class _Hand:
    """One process."""

    def __init__(self, task: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process: BaseProcess = context.Process(target=work, args=(task, other))
        self.process.start()
        other.close()
        self.is_ready = False
        self.parts: deque[MiniBatch] = deque()
        self.began = time.monotonic()

    def give(self, part: MiniBatch) -> None:
        """Raises OSError where the process has ended."""
        if not self.parts:
            self.began = time.monotonic()
        self.parts.append(part)
        self.connection.send_bytes(msgspec.msgpack.encode(part))

    def end(self, until: float) -> None:
        """See it end, by force where it has not ended by then."""
        self.process.join(max(0.0, until - time.monotonic()))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Crew:
    """Scores mini-batches by `count` processes. Close it, whatever happens."""

    def __init__(self, task: Task, count: int) -> None:
        self._task = msgspec.msgpack.encode(task)
        self._settings = task.settings.retry_settings
        self._hands = [_Hand(self._task) for _ in range(count)]
        self._waiting: deque[MiniBatch] = deque()
        self._tries: dict[int, int] = {}
        self.served_by: ServedBy | None = None
        """What scores; None until a process has loaded the model."""

    def score(self, parts: Iterable[MiniBatch]) -> Iterator[Done | None]:
        """Each mini-batch when it is scored, in whatever order; None now and then, while none is.
        Raises ScoringFailed where none can be."""
        self._waiting.extend(parts)
        while self._waiting or any(hand.parts for hand in self._hands):
            for hand in list(self._hands):
                if hand.is_ready:
                    yield from self._fill(hand)
            yield None
            found = wait([hand.connection for hand in self._hands], TICK_SECONDS)
            for hand in list(self._hands):
                if hand.connection in found:
                    yield from self._hear(hand)
                elif self._is_late(hand):
                    hand.process.kill()

    def close(self) -> None:
        """End every process: those that have nothing to do end by themselves."""
        for hand in self._hands:
            hand.connection.close()
            if hand.parts:
                hand.process.terminate()
        until = time.monotonic() + END_SECONDS
        while self._hands:
            self._hands.pop().end(until)

    def _fill(self, hand: _Hand) -> Iterator[Done]:
        try:
            while self._waiting and len(hand.parts) < AT_HAND:
                hand.give(self._waiting.popleft())
        except OSError:
            yield from self._lost(hand)

    def _hear(self, hand: _Hand) -> Iterator[Done]:
        connection: Connection = hand.connection
        try:
            word = msgspec.msgpack.decode(connection.recv_bytes(), type=Word)
        except (EOFError, OSError):
            yield from self._lost(hand)
            return
        if word.kind == "failed":
            raise ScoringFailed(word.reason)
        if word.kind == "ready":
            hand.is_ready = True
            self.served_by = self.served_by or word.served_by
        if word.done is not None:
            hand.parts.popleft()
            hand.began = time.monotonic()
            yield word.done

    def _is_late(self, hand: _Hand) -> bool:
        limit = self._settings.timeout
        return bool(limit and hand.parts and time.monotonic() - hand.began > limit)

    def _lost(self, hand: _Hand) -> Iterator[Done]:
        """A process has ended: another one does what it had, but not for ever."""
        late = self._is_late(hand)
        hand.connection.close()
        hand.end(time.monotonic() + END_SECONDS)
        self._hands.remove(hand)
        how = in_words(hand.process.exitcode or 0)
        if not hand.is_ready:
            raise ScoringFailed(f"The process that loads the model ended: {how}.")
        self._hands.append(_Hand(self._task))
        if not hand.parts:
            return
        culprit, *others = hand.parts
        self._waiting.extendleft(reversed(others))
        tries = self._tries[culprit.number] = self._tries.get(culprit.number, 0) + 1
        if tries <= self._settings.max_retries:
            self._waiting.appendleft(culprit)
            return
        took = (
            f"its mini-batch took more than {self._settings.timeout:g} s"
            if late
            else (f"the process that scored its mini-batch ended: {how}")
        )
        yield _failed(culprit, f"{took} ({tries} tries)")


def _failed(part: MiniBatch, reason: str) -> Done:
    rows = range(part.first, part.first + part.rows)
    content = Content([], [], [(row, reason) for row in rows])
    return Done(part.number, 0, part.rows, [], msgspec.msgpack.encode(content))
