"""Which deployment answers a request: the one that it names, else as the traffic has it."""

import asyncio
import random
import traceback
from bisect import bisect_right
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from ml_workspace_lab.endpoints.folder import Places, Rules
from ml_workspace_lab.endpoints.model import MAX_BODY
from ml_workspace_lab.endpoints.scoring.keys import Gatekeeper
from ml_workspace_lab.endpoints.scoring.mirroring import Mirror
from ml_workspace_lab.endpoints.scoring.passing import as_sent, lines_of
from ml_workspace_lab.endpoints.scoring.peers import Answer, Missing, Peers, Then
from ml_workspace_lab.endpoints.scoring.places import PlacesFile
from ml_workspace_lab.endpoints.scoring.request import Refusal, Request, too_large

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.site import Site

HEADER = b"azureml-model-deployment"
GOLDEN, SILVER = 0.6180339887498949, 0.41421356237309503
"""Steps around a circle that fall on each part of it as often as the part is long: more evenly
than chance would, and in step with no pattern of the requests, nor with each other."""
NO_TRAFFIC = Refusal(
    404,
    "There is no deployment to answer: none has traffic. Give one some, or name one in the header"
    " azureml-model-deployment",
)


class Router:
    """Directs the requests of one deployment's process, and hands over those of others."""

    def __init__(self, name: str, keys: Gatekeeper, places: PlacesFile) -> None:
        self.name = name
        self.named_line = f"{HEADER.decode()}: {name}\r\n"
        self.handed_over: dict[tuple[str, str], int] = {}
        """How many requests of which deployment, and what came of them."""
        self.mirror = Mirror(self._hand_over)
        self._keys = keys
        self._places = places
        self._peers = Peers()
        self._seen: Places | None = None
        self._doors: dict[str, list[int]] = {}
        self._turn = 0
        self._rules: Rules | None = None
        self._known: frozenset[str] = frozenset()
        self._own = 0
        self._shares: dict[str, int] = {}
        self._names: list[str] = []
        self._bounds: list[float] = []
        self._mirrored: tuple[str, float] | None = None
        self._is_alone = True
        self._at, self._mirror_at = random.random(), random.random()  # noqa: S311 - no secret

    def direct(self, request: Request) -> None:
        """Settle who is to answer a request whose head is there, and who gets a copy."""
        if self._keys.rules is not self._rules:
            self._learn(self._keys.rules)
        picked = request.named.get(HEADER)
        if picked is not None:
            self._pick(request, picked.decode("latin-1"))
        elif request.arguments and request.method in ("GET", "POST"):
            self._find(request, *request.arguments)
        elif not self._is_alone and request.page.is_split and request.method != "OPTIONS":
            self._draw(request)

    def forward(self, request: Request, site: "Site") -> None:
        """Have a request that is there as a whole answered by the deployment it is bound for."""
        assert request.bound_for is not None
        then = partial(self._answered, request, site)
        self._hand_over(request.bound_for, request, then)

    def copy(self, request: Request) -> None:
        """Send a copy of a request that has been answered; nobody waits for what comes of it."""
        self.mirror.add(request)

    def models(self) -> dict[str, list[int]]:
        """The models that take traffic, and in which versions: as the rules are now, though what
        others hand over is not directed."""
        self._refresh()
        found: dict[str, list[int]] = {}
        for deployment, (name, version) in sorted(self._places.look().models.items()):
            if self._shares.get(deployment) and version not in found.setdefault(name, []):
                found[name].append(version)
        return {name: sorted(versions) for name, versions in found.items()}

    def ask_others(self, request: Request, then: Then) -> int:
        """Put a request to every other deployment that answers; how many will."""
        asked = 0
        for name in self._places.look().doors:
            if name != self.name:
                asked += 1
                self._hand_over(name, request, then)
        return asked

    def sweep(self, now: float) -> None:
        self._peers.sweep(now)

    def close(self) -> None:
        self._peers.keep_only(())

    def _learn(self, rules: Rules) -> None:
        self._rules = rules
        shares = {self.name: 100} if rules.traffic is None else rules.traffic
        self._known = frozenset(shares) | {self.name}
        self._own = shares.get(self.name, 0)
        self._shares = shares
        live = [(name, share) for name, share in shares.items() if share]
        self._names = [name for name, _ in live]
        self._bounds = list(accumulate(share / 100 for _, share in live[:-1]))
        copies = [(name, share / 100) for name, share in rules.mirrored.items() if share]
        self._mirrored = copies[0] if copies and copies[0][0] != self.name else None
        self._is_alone = self._own == 100 and self._mirrored is None

    def _pick(self, request: Request, name: str) -> None:
        self._refresh()
        if name not in self._known:
            request.refusal = Refusal(
                404,
                f"There is no deployment {name[:100]!r} behind this endpoint: look at the header"
                " azureml-model-deployment",
            )
            return
        request.is_picked = True
        if name != self.name and request.method in ("GET", "POST"):
            self._bind(request, name)

    def _refresh(self) -> None:
        """Look at the rules now: who asks may have shown no key, for which they are looked at."""
        try:
            self._keys.refresh()
            self._learn(self._keys.rules)
        except (OSError, ValueError):
            traceback.print_exc()

    def _find(self, request: Request, name: str | None, version: str | None) -> None:
        """Settle which of those answers that take traffic and serve a model, or a version of it;
        where none does, this one says so."""
        self._refresh()
        able = [
            deployment
            for deployment, served in self._places.look().models.items()
            if self._shares.get(deployment)
            and (name, version or str(served[1])) == (served[0], str(served[1]))
        ]
        if not request.page.is_split:
            if able and self.name not in able:
                self._bind(request, able[0])
        elif able:
            bounds = list(accumulate(self._shares[deployment] for deployment in able))
            self._at = (self._at + GOLDEN) % 1.0
            drawn = able[bisect_right(bounds[:-1], self._at * bounds[-1])]
            # Another one would have another model.
            request.is_picked = self.name not in able
            self._settle(request, drawn)
        elif not self._own:
            request.refusal = NO_TRAFFIC

    def _draw(self, request: Request) -> None:
        if not self._names:
            request.refusal = NO_TRAFFIC
            return
        self._at = (self._at + GOLDEN) % 1.0
        self._settle(request, self._names[bisect_right(self._bounds, self._at)])

    def _settle(self, request: Request, name: str) -> None:
        """Have it answered by the one that was drawn, and perhaps copied to another."""
        if name != self.name:
            self._bind(request, name)
        if self._mirrored is not None:
            self._mirror_at = (self._mirror_at + SILVER) % 1.0
            if self._mirror_at < self._mirrored[1]:
                request.copied_to = self._mirrored[0]

    def _bind(self, request: Request, name: str) -> None:
        request.bound_for = name
        request.limit = MAX_BODY  # It is the other one's to say how long the body may be.

    def _hand_over(self, name: str, request: Request, then: Then) -> None:
        places = self._places.look()
        if places is not self._seen:
            self._seen, self._doors = places, places.all_doors()
            self._peers.keep_only({port for ports in self._doors.values() for port in ports})
        if (ports := self._doors.get(name)) is None:
            asyncio.get_running_loop().call_soon(then, Missing.UNREACHED)
        elif len(ports) == 1:
            self._peers.ask(ports[0], as_sent(request), then)
        else:
            self._turn += 1
            at = self._turn % len(ports)
            self._ask_in_turn([*ports[at:], *ports[:at]], as_sent(request), then)

    def _ask_in_turn(self, ports: list[int], sent: bytes, then: Then) -> None:
        """Ask one worker after the other until one is reached."""

        def or_the_next(outcome: Answer | Missing) -> None:
            if outcome is Missing.UNREACHED and len(ports) > 1:
                self._ask_in_turn(ports[1:], sent, then)
            else:
                then(outcome)

        self._peers.ask(ports[0], sent, or_the_next)

    def _answered(self, request: Request, site: "Site", outcome: Answer | Missing) -> None:
        name = request.bound_for
        assert name is not None
        said = "answered" if isinstance(outcome, Answer) else outcome.value
        self.handed_over[name, said] = self.handed_over.get((name, said), 0) + 1
        if isinstance(outcome, Answer):
            request.pass_on(outcome.status, lines_of(outcome), outcome.body)
        elif outcome is Missing.UNREACHED and self._own and not request.is_picked:
            # Who is drawn is a matter of chance: then it is this one's turn.
            request.bound_for = None
            if request.size > request.page.limit:
                request.refusal = too_large(request.page.limit)
            site.serve(request)
        else:
            request.lines = request.lines.replace(self.named_line, "")
            message = f"The deployment {name} does not answer at present"
            request.page.refuse(request, 503, message, "Retry-After: 1\r\n")

    def unreached(self) -> dict[str, int]:
        """How many requests of other deployments could not be had from them."""
        found: dict[str, int] = {}
        for (name, said), count in self.handed_over.items():
            if said != "answered":
                found[name] = found.get(name, 0) + count
        return found
