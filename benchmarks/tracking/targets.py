"""What the project promises of these figures, and whether it is so."""

from typing import NamedTuple

from adapters import adapter
from results import Results
from tasks import size, task


class Target(NamedTuple):
    """A bound for a figure of ours: the most it may be, or the least where more is better. With
    `than`, how many times better than that peer it has to be."""

    task: str
    figure: str
    peer: str
    bound: float
    than: str = ""

    def at_least(self) -> bool:
        return bool(self.than) or task(self.task).FIGURES[self.figure].more_is_better

    def measured(self, results: Results) -> float | None:
        if self.than:
            return results.ratio(self.task, self.figure, self.peer, self.than)
        found = results.find(self.task, self.figure, self.peer)
        return None if found is None else found.value

    def met(self, value: float | None) -> bool:
        """Not where there is no figure."""
        if value is None:
            return False
        return value >= self.bound if self.at_least() else value <= self.bound

    def asked(self, results: Results) -> bool:
        """Whether its peers and its task were to be measured."""
        peers = {self.peer, self.than or self.peer}
        return all(results.size(self.task, peer) is not None for peer in peers)

    def full(self, results: Results) -> bool:
        """Whether N was what the bound is meant for."""
        return results.size(self.task, self.peer) == size(self.task, adapter(self.peer), 1.0)


SEARCHES = {"newest_ms": 5, "late": 1.1, "best_ms": 40, "count_ms": 5, "frame_ms": 500}

TARGETS = [
    Target("start", "whole_ms", "ours", 150),
    Target("start", "heavy", "ours", 0),
    Target("log", "p50_us", "ours", 2),
    Target("log", "p999_us", "ours", 20),
    Target("log", "p50_us", "ours", 2_000, "mlflow"),
    Target("kill", "lost", "ours", 0),
    Target("kill", "closed_s", "ours", 30),
    Target("writers", "calls", "ours", 100_000),
    Target("writers", "errors", "ours", 0),
    Target("writers", "lost", "ours", 0),
    Target("bulk", "points", "ours", 1_000_000),
    Target("bulk", "bytes", "ours", 6),
    Target("bulk", "points", "ours", 100, "mlflow"),
    Target("history", "warm_ms", "ours", 1),
    Target("history", "warm_ms", "ours", 100, "mlflow"),
    Target("long", "sample_ms", "ours", 10),
    Target("long", "sample_ms", "ours", 100, "mlflow"),
    Target("long", "whole_ms", "ours", 60),
    Target("long", "whole_ms", "ours", 100, "mlflow"),
    *(
        Target("search_large", figure, peer, bound)
        for peer in ("ours", "ours-postgresql")
        for figure, bound in SEARCHES.items()
    ),
    # What a server takes; the client's own time, which is most of a call's, is in the table.
    Target("wire", "log_ms", "ours-mlflow", 10, "mlflow-rest"),
    Target("wire", "batch", "ours-mlflow", 20, "mlflow-rest"),
    Target("wire", "newest_ms", "ours-mlflow", 20, "mlflow-rest"),
    Target("wire", "best_ms", "ours-mlflow", 20, "mlflow-rest"),
    Target("wire", "history_ms", "ours-mlflow", 10, "mlflow-rest"),
    Target("neighbour", "p99_ms", "ours-jupyter", 20),
]
