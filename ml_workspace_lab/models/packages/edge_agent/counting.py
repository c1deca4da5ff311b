"""What happened to a module between two lines of telemetry."""

import json
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.models.packages.edge_agent import launching, probing
from ml_workspace_lab.models.packages.edge_agent.place import Place
from ml_workspace_lab.models.packages.edge_agent.probing import Counts
from ml_workspace_lab.storage.files import write_atomic


class Counting:
    """Counts of one module. Up to where they were told is kept on the disk, so that an agent that
    takes up a process tells nothing a second time."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._path = place.folder / "counted.json"
        self._told = self._now = self._read()

    def line(self) -> dict[str, Any] | None:
        """What happened since the last line that was `told`; None where nothing answers."""
        record = self._place.record
        trial = record.trial
        release, serving = record.current, record.serving
        if trial is not None and trial.is_taking:
            release, serving = trial.release, trial.serving
        if release is None or serving is None or not serving.is_ready:
            return None
        image = self._place.installed(release)
        if image is None:
            return None
        port = release.work.port if release.work.port is not None else serving.own_port
        try:
            key = launching.key(image, release.work, self._place.folder)
        except (WorkspaceError, OSError):
            return None
        counts = probing.counts(port, key)
        if counts is None:
            return None
        native, before = self._told
        self._now = serving.native, counts
        between = probing.between(before if native == serving.native else Counts(), counts)
        return {"module": self._place.name, "digest": release.digest, **between}

    def told(self) -> None:
        """The last line is where it can't be lost."""
        self._told = self._now
        native, counts = self._told
        kept = {"native": native, **asdict(counts), "buckets": list(counts.buckets.items())}
        with suppress(OSError, WorkspaceError):
            write_atomic(self._path, json.dumps(kept).encode())

    def _read(self) -> tuple[str, Counts]:
        try:
            kept = json.loads(self._path.read_bytes())
            native = kept.pop("native")
            return native, Counts(**{**kept, "buckets": dict(kept["buckets"])})
        except (OSError, ValueError, TypeError, KeyError):
            return "", Counts()
