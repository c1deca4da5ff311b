"""A profile of a version, to be read in a notebook or a terminal."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape

from ml_workspace_lab.errors import one_line
from ml_workspace_lab.models.profiles.model import Profile

_LEFT = "text-align:left;vertical-align:top"


class ModelProfile:
    """What was measured of a version; `found` has it as fields, `measured` the figures."""

    def __init__(self, found: Profile) -> None:
        self.found = found
        self.measured = found.measured

    @property
    def title(self) -> str:
        return f"Profile of {self.found.name}:{self.found.version}"

    def __str__(self) -> str:
        lines = [f"  {name}: {text}" for name, text in facts(self.found).items()]
        return "".join(f"{one_line(line)}\n" for line in (self.title, *lines))

    def __repr__(self) -> str:
        return f"ModelProfile({self.title!r}, {self.measured.recommended_workers} workers)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='{_LEFT}'>{escape(name)}</th>"
            f"<td style='{_LEFT}'>{escape(text)}</td></tr>"
            for name, text in facts(self.found).items()
        )
        return f"<div><strong>{escape(self.title)}</strong><table>{rows}</table></div>"


def facts(profile: Profile) -> Mapping[str, str]:
    """A profile line by line."""
    return dict(_facts(profile))


def _facts(profile: Profile) -> Iterator[tuple[str, str]]:
    found = profile.measured
    when = datetime.fromtimestamp(profile.created / 1000, UTC)
    yield "measured", f"{when:%Y-%m-%d %H:%M:%S} UTC by {profile.user}"
    machine = found.machine
    yield (
        "on",
        f"{machine.system}, {machine.cores} cores, {machine.memory_bytes / 2**30:.1f} GiB, Python"
        f" {machine.python}; other programs took {machine.busy_cores:.1f} cores",
    )
    yield "served by", found.engine
    yield "start", f"{found.start_seconds:.2f} s"
    yield "memory", f"{found.resident_mib:.0f} MiB at the start, {found.peak_mib:.0f} MiB at most"
    for level in found.levels:
        yield (
            f"{level.concurrency} at once",
            f"{level.requests_per_second:,.0f} requests/s, p50 {level.p50_ms:.2f} ms,"
            f" p95 {level.p95_ms:.2f} ms, p99 {level.p99_ms:.2f} ms, {level.cores:.2f} cores",
        )
    for one in found.workers:
        plural = "" if one.workers == 1 else "es"
        yield (
            f"{one.workers} process{plural}",
            f"{one.requests_per_second:,.0f} requests/s, {one.cores:.2f} cores",
        )
    yield "recommended workers", f"{found.recommended_workers}. {found.reason}"
