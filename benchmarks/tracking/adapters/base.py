"""What a peer has to be able to do to be measured."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from data import Row, Series


class Run(Protocol):
    """A run that is being logged to."""

    id: str

    def log(self, name: str, value: float, step: int) -> None:
        """Log one value by the call that a training loop would make."""

    def log_series(self, series: "Mapping[str, Series]") -> None:
        """Log many values of many metrics by the fastest way that users have."""

    def finish(self) -> None:
        """End the run; when this returns, all of it is on disk."""


class Adapter:
    """An open store of a peer. What one can't do raises NotImplementedError."""

    name: ClassVar[str]
    venv: ClassVar[str]
    """The folder below build/peers whose Python runs it; empty for this Python."""
    most: ClassVar[Mapping[str, int]] = {}
    """By task: the largest N at full scale, where the whole would take many minutes; 0 leaves the
    task out."""

    @classmethod
    def missing(cls) -> str:
        """What is not there that it needs, beyond its venv."""
        return ""

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        """Make an empty store and its server, if it needs one; what `__init__` takes."""
        yield str(folder)

    def __init__(self, location: str) -> None:
        """Import the peer and open the store."""
        raise NotImplementedError

    def start_run(self) -> Run:
        raise NotImplementedError

    def publish(self) -> None:
        """Let other processes see the runs that have ended, where that takes a step of its own."""

    def bytes_elsewhere(self) -> int:
        """What the store takes up outside its folder."""
        return 0

    def history(self, run_id: str, name: str) -> "tuple[Sequence[int], Sequence[float]]":
        """All steps and values of a metric, in order, as far as a stranger to the run sees them."""
        raise NotImplementedError

    def sample(
        self, run_id: str, name: str, points: int
    ) -> "tuple[Sequence[int], Sequence[float]]":
        """About `points` of a metric for a chart."""
        raise NotImplementedError

    def load_runs(self, rows: "Sequence[Row]") -> None:
        """Make ended runs of one experiment, in this order."""
        raise NotImplementedError

    def pages(self, size: int) -> Iterator[Sequence[Any]]:
        """All runs, the newest first, page by page."""
        raise NotImplementedError

    def best(self, limit: int) -> Sequence[Any]:
        """The runs that `data.matches`, ordered by metric m01, the highest first."""
        raise NotImplementedError

    def count(self) -> int:
        """The number of runs that `data.matches`."""
        raise NotImplementedError

    def frame(self) -> Any:
        """All runs with parameters and metrics as a pandas DataFrame."""
        raise NotImplementedError

    def state(self, run_id: str) -> str:
        """The state of a run, in lower case: `running`, `failed`, ..."""
        raise NotImplementedError

    def neighbour(self) -> str:
        """The address of something cheap that the same server answers meanwhile."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of files and connections."""


def warm_up(store: Adapter) -> None:
    """A short run, so that what is imported and connected once is not measured."""
    run = store.start_run()
    run.log("warm", 0.0, 0)
    run.finish()
