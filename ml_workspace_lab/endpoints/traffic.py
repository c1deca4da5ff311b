"""How the requests of an endpoint are split among its deployments, and when that is undone."""

from collections.abc import Collection, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from ml_workspace_lab.api.types import Millis, text_like
from ml_workspace_lab.errors import InvalidInput

DEFAULT = "default"
"""The deployment of those who name none."""
MAX_MIRRORED = 50

DeploymentName = Annotated[
    str,
    text_like(
        r"^[a-z][a-z0-9-]*[a-z0-9]$(?!\n)",
        "must be small letters (a-z), digits and -, the first a letter and the last not -",
        min_length=3,
        max_length=32,
    ),
]
"""Named as endpoints are: `blue`, `green`."""

Percent = Annotated[int, Meta(ge=0, le=100)]
Shares = dict[DeploymentName, Percent]
"""Whole percent of the requests by deployment."""


class SetTraffic(Struct, frozen=True, forbid_unknown_fields=True):
    """`traffic` is the whole of it, in percent: what it doesn't name gets nothing; the sum is 100,
    or 0 to answer only those who name a deployment. `mirror_traffic` is how much of it one
    deployment without traffic gets a copy of, 50 % at most. None: as it is."""

    traffic: Shares | None = None
    mirror_traffic: Shares | None = None


class RollbackRule(Struct, frozen=True, forbid_unknown_fields=True):
    """When traffic is put back to what it was: where, of the last `window_seconds` and of at least
    `min_requests` to the deployment that got more of it, over `error_rate` (0.05 is 5 %) failed, or
    the slowest percent took longer than `p99_ms`. None: that is no reason."""

    error_rate: Annotated[float, Meta(ge=0, lt=1)] | None = None
    p99_ms: Annotated[float, Meta(gt=0, le=86_400_000)] | None = None
    window_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60
    min_requests: Annotated[int, Meta(ge=1, le=1_000_000)] = 20


class RolledBack(Struct, frozen=True):
    """Traffic that was put back: from `was` to what it is since, because of a deployment."""

    deployment: str
    reason: str
    time: Millis
    was: Shares


class Rollout(Struct, frozen=True):
    """A change of traffic that can be undone: what it was `before`, and the deployments that got
    more of it, which are `watched`. `began` tells it from others."""

    began: Millis
    before: Shares
    watched: list[str]


def check(traffic: Mapping[str, int], mirrored: Mapping[str, int], names: Collection[str]) -> None:
    """Raise InvalidInput where requests can't be split so among deployments of these names."""
    for field, shares in (("traffic", traffic), ("mirror_traffic", mirrored)):
        if unknown := sorted(set(shares) - set(names)):
            raise InvalidInput(
                f"{field}: there is no deployment {unknown[0]!r}.",
                field=field,
                hint=f"There {'is' if len(names) == 1 else 'are'} {', '.join(sorted(names))}.",
            )
    total = sum(traffic.values())
    if total not in (0, 100):
        raise InvalidInput(
            f"traffic: it adds up to {total} %.",
            field="traffic",
            hint="Make it 100, or 0 to answer only those who name a deployment.",
        )
    _check_mirrored(traffic, {name: share for name, share in mirrored.items() if share})


def _check_mirrored(traffic: Mapping[str, int], mirrored: Mapping[str, int]) -> None:
    if len(mirrored) > 1:
        raise InvalidInput(
            f"mirror_traffic: only one deployment can get copies, not {len(mirrored)}.",
            field="mirror_traffic",
        )
    for name, share in mirrored.items():
        if share > MAX_MIRRORED:
            raise InvalidInput(
                f"mirror_traffic: {share} % is more than {MAX_MIRRORED} %.", field="mirror_traffic"
            )
        if traffic.get(name):
            raise InvalidInput(
                f"mirror_traffic: {name} answers {traffic[name]} % of the requests itself.",
                field="mirror_traffic",
                hint="A deployment gets copies of requests or answers them, not both.",
            )


def with_share(traffic: Mapping[str, int], name: str, share: int) -> dict[str, int]:
    """The traffic where one deployment has that share of it, and the others what is left, in the
    proportion that they had. Raises InvalidInput where there is nobody to have the rest."""
    others = {other: had for other, had in traffic.items() if other != name and had}
    total, rest = sum(others.values()), 100 - share
    if not total and share not in (0, 100):
        raise InvalidInput(
            f"traffic: no other deployment has any of it to answer the other {rest} %.",
            field="traffic",
            hint="Give it 100 %.",
        )
    if not others:
        return {name: share}
    found = {other: had * rest // total for other, had in others.items()}
    # Whole percent: those who lose most by rounding get what is left.
    by_loss = sorted(others, key=lambda other: -(others[other] * rest % total))
    for other in by_loss[: rest - sum(found.values())]:
        found[other] += 1
    return {**found, name: share}


def rollout(
    present: Rollout | None, before: Mapping[str, int], after: Mapping[str, int], moment: Millis
) -> Rollout | None:
    """What is watched once the traffic is changed. Steps of one roll-out can be undone as a whole:
    they go back to what it was before the first; a step back begins no roll-out of its own."""
    more = [name for name, share in after.items() if share > before.get(name, 0)]
    if present is not None and any(after.get(name) for name in present.watched):
        goes_on = all(name in present.watched for name in more)
        goes_back = all(after[name] <= present.before.get(name, 0) for name in more)
        if goes_on or goes_back:
            return present
    elif present is not None and _same(after, present.before):
        return None
    if not more or sum(before.values()) != 100:
        return None
    return Rollout(moment, {name: share for name, share in before.items() if share}, more)


def _same(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return all(one.get(name, 0) == other.get(name, 0) for name in {*one, *other})
