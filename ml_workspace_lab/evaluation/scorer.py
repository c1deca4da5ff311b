"""What a scorer is: how an application's answers are judged, as its client has written it down."""

from typing import Annotated

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import Limit, Millis, Name, Text, text_like

ScorerId = Annotated[
    str,
    text_like(
        r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$(?!\n)",
        "is not the id of a scorer: a UUID in lower case",
    ),
]
ScorerNumber = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Share = Annotated[float, Meta(ge=0, le=1)]


class ScorerVersion(Struct, frozen=True):
    """One version of a scorer; `content` is JSON, as its client reads it."""

    scorer_id: str
    name: str
    version: int
    experiment: str
    experiment_number: int
    content: str
    created: Millis


class ScorerVersionList(Struct, frozen=True):
    """Versions of scorers; `next` is the `after` that asks for the part that follows."""

    items: list[ScorerVersion]
    next: str | None = None


class RegisterScorer(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    content: Text


class ListScorers(Struct, frozen=True, forbid_unknown_fields=True):
    """Which experiments to ask; without any, all that are not in the trash."""

    experiments: list[Name] | None = None
    limit: Limit = 100
    after: Text | None = None


class SetScorerSampling(Struct, frozen=True, forbid_unknown_fields=True):
    """Which share of the traces that `filter` matches is scored as they come."""

    share: Share
    filter: Text | None = None


class ScorerSampling(Struct, frozen=True):
    """What is scored as it comes; `sampling_id` is another one after every change."""

    sampling_id: str
    scorer_id: str
    experiment: str
    experiment_number: int
    share: float
    filter: str | None = None


class GetScorerSamplings(Struct, frozen=True, forbid_unknown_fields=True):
    scorer_ids: list[ScorerId] = field(default_factory=list)


class ScorerSamplingList(Struct, frozen=True):
    items: list[ScorerSampling]
