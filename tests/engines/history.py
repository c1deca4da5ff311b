"""What happened, as those say who did it; and whether that may be: one check for every engine."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Attempt = tuple[str, int]


@dataclass(frozen=True)
class Event:
    """`what` is one of: claim, refused, orders, termed, ended."""

    what: str
    nonce: str


def check(history: Mapping[Attempt, Sequence[Event]]) -> None:
    """Nothing ran twice: all that was done in an attempt, one did, and it ended once at most.
    Nothing of an attempt went on after its end."""
    for attempt, events in history.items():
        doers = {event.nonce for event in events if event.what != "refused"}
        assert len(doers) <= 1, f"{attempt} ran twice"
        ended = [index for index, event in enumerate(events) if event.what == "ended"]
        assert len(ended) <= 1, f"{attempt} ended twice"
        after = {event.what for event in events[ended[0] + 1 :]} if ended else set()
        assert after <= {"refused"}, f"{attempt} went on after its end"


@dataclass
class History:
    """Each attempt belongs to who claims it first; who else comes is refused."""

    url: str
    events: dict[Attempt, list[Event]] = field(default_factory=lambda: defaultdict(list))
    orders: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    """Runs whose end is written down, so that nothing may begin any more."""
    _last: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, run_id: str, order: str) -> None:
        """What a run's worker is to do next: `exit CODE` or `kill`."""
        self.orders[run_id] = order

    def owner(self, attempt: Attempt) -> str | None:
        return next((e.nonce for e in self.events[attempt] if e.what == "claim"), None)

    def said(self, attempt: Attempt, what: str) -> int:
        return sum(event.what == what for event in list(self.events[attempt]))

    def answer(self, what: str, attempt: Attempt, nonce: str, number: int) -> tuple[int, str]:
        """The status and the words. A question that comes again, or late, is answered and no event:
        questions of one worker have rising numbers."""
        with self._lock:
            is_new = number > self._last.get(nonce, -1)
            self._last[nonce] = max(number, self._last.get(nonce, -1))
            owner = self.owner(attempt)
            if what == "claim" and owner is None and attempt[0] not in self.closed:
                self.events[attempt].append(Event("claim", nonce))
                return 200, "yours"
            if nonce != owner:
                self.events[attempt].append(Event("refused", nonce))
                return 409, ""
            if what != "claim" and is_new:
                self.events[attempt].append(Event(what, nonce))
            return 200, "yours" if what == "claim" else self.orders.get(attempt[0], "on")


@contextmanager
def recording(address: str) -> Iterator[History]:
    """A server at the address of this machine that workers of a cluster reach."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            what, run_id, attempt, nonce, number = self.path.strip("/").split("/")
            status, words = history.answer(what, (run_id, int(attempt)), nonce, int(number))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(words.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    history = History(f"http://{address}:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield history
    finally:
        server.shutdown()
        server.server_close()
        check(history.events)
