"""Exceptions as several processes of a deployment have seen them, put together."""

from collections.abc import Iterable

from ml_workspace_lab.endpoints.telemetry.model import ExceptionInfo, ExceptionSeen, Observed


def merged(deployment: str, observed: Iterable[Observed]) -> list[ExceptionInfo]:
    """One for each kind, with the last of all."""
    found: dict[str, ExceptionInfo] = {}
    for one in observed:
        for seen in one.exceptions:
            found[seen.kind] = _with(deployment, found.get(seen.kind), seen)
    return list(found.values())


def _with(deployment: str, before: ExceptionInfo | None, seen: ExceptionSeen) -> ExceptionInfo:
    last = seen if before is None or seen.last_seen >= before.last_seen else before
    return ExceptionInfo(
        deployment=deployment,
        kind=seen.kind,
        count=seen.count + (before.count if before is not None else 0),
        first_seen=min(seen.first_seen, before.first_seen)
        if before is not None
        else seen.first_seen,
        last_seen=last.last_seen,
        message=last.message,
        request_id=last.request_id,
        traceback=last.traceback,
    )
