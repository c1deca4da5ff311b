"""The other workers of a deployment: who is less busy answers, and what each counts is summed."""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic, process_time
from typing import TYPE_CHECKING

from ml_workspace_lab.endpoints.board import Board, Post
from ml_workspace_lab.endpoints.folder import WorkerFolder
from ml_workspace_lab.endpoints.scoring.connection import GONE
from ml_workspace_lab.endpoints.scoring.gathering import OF_WORKER, counters, merged
from ml_workspace_lab.endpoints.scoring.guardian import Guardian
from ml_workspace_lab.endpoints.scoring.passing import as_sent, lines_of
from ml_workspace_lab.endpoints.scoring.peers import Answer, Missing, Peers
from ml_workspace_lab.endpoints.scoring.request import Request
from ml_workspace_lab.endpoints.scoring.taking import Taking
from ml_workspace_lab.endpoints.scoring.wards import Wards
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.trouble import kept_apart

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.site import Site
    from ml_workspace_lab.endpoints.scoring.turns import Turns

FRESH_SECONDS = 5.0
"""One that has said nothing for longer is dead, or stuck."""
BUSIER = 0.1
"""The part of its time that a worker is at work more than the others before it lets clients go."""
LENT = ""
"""What a request is bound for that another worker answers."""


class Fellows:
    """One worker's view of the others. Requests that would wait here are handed over to one that
    has fewer; clients that are too many here are told to come anew, to whichever takes them."""

    def __init__(
        self,
        folder: WorkerFolder,
        port: int,
        guardian: Guardian,
        site: "Site",
        turns: "Turns",
    ) -> None:
        self.lent: Counter[tuple[str, str]] = Counter()
        """How many requests were answered by another worker, and what came of them."""
        self._generation = folder.generation
        self._own = folder.worker
        self._port = port
        self._site = site
        self._turns = turns
        self._board = Board(folder.generation.board)
        self._peers = Peers()
        self._others: dict[int, int] = {}
        self._given: Counter[int] = Counter()
        self._busy, self._worked, self._used = 0.0, turns.worked(), process_time()
        self._looked = monotonic()
        self._before: dict[int, Post] = {}
        self._rates: dict[int, float] = {}
        self._wards = Wards(folder)
        self.taking = Taking(site, self._wards)
        self._guardian = guardian
        guardian.open(self.taking)
        self._counted = self._read(self._own) or ""
        """What those have counted that had this number before."""

    def look(self) -> None:
        """Say how busy this one is, and see how the others are."""
        now, worked, used = monotonic(), self._turns.worked(), process_time()
        # Of a model that is asked in the event loop it is the whole loop that is at work.
        at_work = max(worked - self._worked, used - self._used)
        self._busy += min(now - self._looked, at_work)
        self._looked, self._worked, self._used = now, worked, used
        clients = sum(not connection.is_inner for connection in self._site.connections)
        self._board.post(self._own, Post(self._port, self._turns.load(), clients, self._busy, now))
        there = self._see(now)
        self._peers.keep_only(self._others.values())
        self._peers.sweep(now)
        self._site.let_go(self._surplus(there))
        self._wards.look([self._generation.of_worker(number) for number in self._others])
        if self._wards.has_room:
            for connection in self._site.connections:
                connection.hold(self._wards)

    def lend(self, request: Request) -> bool:
        """Have a request answered by the one with the fewest; False where that is this one."""
        least = self._turns.load()
        if not least or request.is_inner or self._turns.pace.is_quick:
            return False
        chosen = self._less_busy(least)
        if chosen is None:
            self._see(monotonic())  # One may have come since.
            chosen = self._less_busy(least)
        if chosen is None:
            return False
        request.bound_for = LENT
        self._given[chosen] += 1
        then = partial(self._answered, request, chosen)
        self._peers.ask(self._others[chosen], as_sent(request), then)
        return True

    def _see(self, now: float) -> dict[int, Post]:
        """Those who are there, this one too."""
        rows = self._board.rows()
        there = {n: post for n, post in rows.items() if now - post.moment < FRESH_SECONDS}
        self._others = {n: post.port for n, post in there.items() if n != self._own}
        return there

    def _less_busy(self, least: int) -> int | None:
        """Which of the others has the fewest requests, less than so many."""
        chosen = None
        for number in self._others:
            load = self._board.load(number) + self._given[number]
            if load < least and self._board.takes(number):
                chosen, least = number, load
        return chosen

    def tell(self, load: int) -> None:
        """Say how many requests wait here or are worked on."""
        self._board.set_load(self._own, load)

    def counted(self, text: str) -> str:
        """What this one counts, with what those before it did. It is kept, too: who comes after it
        goes on from there, so that no sum that was ever told becomes less."""
        whole = merged([text, self._counted]) if self._counted else text
        with kept_apart("what workers count"):  # A full disk, or a folder that is being removed.
            write_atomic(self._generation.counts(self._own), counters(whole).encode())
        return whole

    def gather(self, request: Request, then: Callable[[str | None], None]) -> int:
        """Have `then` called, later, with what each of the others counts, and with what those did
        that are no more; how often."""
        asked = set(self._others)
        sent = as_sent(request, OF_WORKER)
        for number, port in self._others.items():
            self._peers.ask(port, sent, partial(self._told, number, then))
        gone = [n for n in self._generation.counted() if n != self._own and n not in asked]
        for number in gone:
            self._site.loop.call_soon(then, self._read(number))
        return len(asked) + len(gone)

    def leave(self) -> None:
        """Tell the others that this one takes no more."""
        self._board.clear(self._own)
        self._guardian.close()

    def pass_on(self) -> None:
        """Leave the clients that are still there to another worker."""
        self._wards.pass_on()

    def close(self) -> None:
        self._peers.keep_only(())

    def _surplus(self, there: dict[int, Post]) -> int:
        """How many clients should rather be with others: more than its share, where they keep this
        one busier than those."""
        for number, post in there.items():
            before = self._before.get(number)
            if before is not None and post.moment > before.moment:
                self._rates[number] = (post.busy - before.busy) / (post.moment - before.moment)
        self._before = there
        rates = [self._rates.get(number, 0.0) for number in there]
        fair = math.ceil(sum(post.connections for post in there.values()) / len(there))
        surplus = there[self._own].connections - fair
        is_busier = self._rates.get(self._own, 0.0) > sum(rates) / len(rates) + BUSIER
        return surplus if surplus > 0 and is_busier else 0

    def _answered(self, request: Request, number: int, outcome: Answer | Missing) -> None:
        self._given[number] -= 1
        said = "answered" if isinstance(outcome, Answer) else outcome.value
        self.lent[str(number), said] += 1
        if isinstance(outcome, Answer):
            request.pass_on(outcome.status, lines_of(outcome), outcome.body)
            return
        self._others.pop(number, None)
        self._board.clear(number)  # One that lives says at its next look that it does.
        request.bound_for = None
        if outcome is Missing.UNREACHED:
            self._site.serve(request)
        else:
            request.page.refuse(request, *GONE)

    def _told(
        self, number: int, then: Callable[[str | None], None], outcome: Answer | Missing
    ) -> None:
        if isinstance(outcome, Answer) and outcome.status == 200:
            then(outcome.body.decode())
        else:
            then(self._read(number))

    def _read(self, number: int) -> str | None:
        try:
            return self._generation.counts(number).read_text()
        except FileNotFoundError:
            return None
