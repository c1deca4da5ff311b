"""How many workers a deployment is to have, as users say it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.client.profile_view import ModelProfile
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.errors import InvalidInput

if TYPE_CHECKING:
    from ml_workspace_lab.client.model import Model

PROFILED = "profiled"
"""As many as the model's profile recommends."""
Workers = int | str | tuple[int, int] | Mapping[str, Any] | ModelProfile


def scaling_of(workers: Workers, model: "Model | None" = None) -> WorkerScaling:
    """The settings: of a number, of the least and the most, of Azure's names with their values, of
    a profile, or for "profiled" of the one that the model has. Raises InvalidInput, and NotFound
    where the model has none."""
    if isinstance(workers, ModelProfile):
        return WorkerScaling(workers=workers.measured.recommended_workers)
    if workers == PROFILED and model is not None:
        profiles = model.workspace.connection.model_profiles
        return WorkerScaling(
            workers=profiles.get(model.name, model.version).measured.recommended_workers
        )
    if isinstance(workers, Mapping):
        found = convert(dict(workers), WorkerScaling)
    elif isinstance(workers, tuple) and len(workers) == 2:
        least, most = workers
        named = {"autoscale_min_replicas": least, "autoscale_max_replicas": most}
        found = convert({"autoscale_enabled": True, **named}, WorkerScaling)
    elif isinstance(workers, int):
        found = convert({"workers": workers}, WorkerScaling)
    else:
        raise InvalidInput(
            f"workers: {workers!r} is no number of workers.",
            field="workers",
            hint="Give 2, (1, 4) for from one to four, or the name and value of each setting.",
        )
    found.check()
    return found


def scaling_of_words(
    workers: str | None, most: int | None, utilization: int | None, model: "Model"
) -> WorkerScaling | None:
    """The settings that options of a command say: a number or `profiled`, the most that there may
    be, and the percent of their time that they are to be at work. None where they say nothing."""
    if workers is None and most is None and utilization is None:
        return None
    least = None
    if workers is not None:
        number = int(workers) if workers.isascii() and workers.isdecimal() else workers
        least = scaling_of(number, model)
    if most is None and utilization is None:
        return least
    named = {
        "autoscale_min_replicas": None if least is None else least.workers,
        "autoscale_max_replicas": most,
        "autoscale_target_utilization": utilization,
    }
    given = {name: value for name, value in named.items() if value is not None}
    return scaling_of({"autoscale_enabled": True, **given})
