"""Which builds there are, and the removal of those that nobody needs any more."""

from collections.abc import Mapping, Sequence

from ml_workspace_lab.environments.builds import Build, Builds, size_of
from ml_workspace_lab.environments.model import (
    CollectBuilds,
    CollectedBuilds,
    StoredBuild,
    StoredBuilds,
)
from ml_workspace_lab.storage.database import now

DAY = 24 * 60 * 60 * 1000
RECENT = 10 * 60 * 1000
"""A run that is about to begin has named its build within so many milliseconds."""


def stored(builds: Builds, names: Mapping[str, Sequence[str]]) -> StoredBuilds:
    """Every build; `names` are the versions of the workspace by their builds' keys."""
    items = [_stored(build, list(names.get(build.key, ()))) for build in builds.all()]
    return StoredBuilds(items, str(builds.folder), sum(item.bytes for item in items))


def collect(
    builds: Builds, names: Mapping[str, Sequence[str]], wanted: set[str], rule: CollectBuilds
) -> CollectedBuilds:
    """Remove what the rule lets go and nobody uses. Builds of the keys in `wanted` stay: runs that
    have not ended are to run in them."""
    removed: list[str] = []
    freed, leftovers = 0, 0
    for key in builds.known_keys():
        turn = builds.lock(key)
        if not turn.acquire():
            continue  # It is being built.
        try:
            build = builds.find(key)
            if build is not None and key not in wanted and _may_go(build, names, rule):
                size = size_of(build.path)[1]
                builds.withdraw(build)
                if build.remove():
                    removed.append(key)
                    freed += size
                else:
                    builds.link(build)
            count, size = builds.sweep(key)
            leftovers += count
            freed += size
        finally:
            turn.release()
    return CollectedBuilds(removed, leftovers, freed, len(builds.all()))


def _may_go(build: Build, names: Mapping[str, Sequence[str]], rule: CollectBuilds) -> bool:
    age = now() - build.used
    if rule.unreferenced and build.key in names:
        return False
    return age >= max(rule.unused_days * DAY, 0 if rule.unused_days == 0 else RECENT)


def _stored(build: Build, environments: list[str]) -> StoredBuild:
    facts = build.facts
    return StoredBuild(
        key=build.key,
        path=str(build.path),
        bytes=facts.bytes,
        created=facts.created,
        used=build.used,
        in_use=build.is_held(),
        environments=environments,
    )
