"""From how busy workers are to how many there should be."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from ml_workspace_lab.endpoints.board import Post
from ml_workspace_lab.endpoints.scaling import WorkerScaling

CALM_TURNS = 60
"""For how many looks fewer have to be enough before one goes."""
_SLIGHT = 0.01


@dataclass
class Scale:
    """The number of workers of one deployment. It grows at the first look at which they were busier
    than they should be, and shrinks, by one at each look, once fewer were enough at all looks for a
    while."""

    count: int
    _looked: float | None = None
    _seen: dict[int, Post] = field(default_factory=dict)
    _rates: dict[int, float] = field(default_factory=dict)
    _wishes: deque[int] = field(default_factory=lambda: deque(maxlen=CALM_TURNS))

    def look(self, settings: WorkerScaling, posts: Mapping[int, Post], moment: float) -> int:
        """How many there are to be, where those that answer say this, by their numbers."""
        due = self._looked is None or moment - self._looked >= settings.refresh_seconds
        if settings.least < settings.most and due:
            self._looked = moment
            self._change(settings, posts)
        self.count = min(max(self.count, settings.least), settings.most)
        return self.count

    def _change(self, settings: WorkerScaling, posts: Mapping[int, Post]) -> None:
        for number, post in posts.items():
            self._note(number, post)
        at_work = sum(self._rates[number] for number in posts)
        wish = math.ceil(at_work / settings.target - _SLIGHT)
        self._wishes.append(min(max(wish, settings.least), settings.most))
        if wish > self.count:
            self.count = wish
        elif len(self._wishes) == CALM_TURNS and max(self._wishes) < self.count:
            self.count -= 1

    def _note(self, number: int, post: Post) -> None:
        """The part of the time since it said something else that a worker was at work."""
        before = self._seen.get(number)
        if before is None or post.busy < before.busy:
            self._rates[number] = 0.0  # It has begun since.
        elif post.moment > before.moment:
            rate = (post.busy - before.busy) / (post.moment - before.moment)
            self._rates[number] = min(1.0, rate)
        self._seen[number] = post
