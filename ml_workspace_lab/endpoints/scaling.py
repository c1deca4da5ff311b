"""How many workers a deployment has."""

import os
from typing import Annotated

from msgspec import Meta, Struct

from ml_workspace_lab.errors import InvalidInput

MOST = 64
TARGET_PERCENT = 70
REFRESH_SECONDS = 1.0

Worker = Annotated[int, Meta(ge=1, le=MOST)]
"""One of the processes of a deployment; the first is number 1."""


class WorkerScaling(Struct, frozen=True, forbid_unknown_fields=True):
    """Always `workers` of them (None: one); or, with `autoscale_enabled`, from
    `autoscale_min_replicas` (1) to `autoscale_max_replicas` (as many as the machine has cores), so
    many that they are at work for `autoscale_target_utilization` (70) percent of the time, which is
    looked at every `autoscale_refresh_seconds` (1). The names are Azure's."""

    workers: Worker | None = None
    autoscale_enabled: bool = False
    autoscale_min_replicas: Worker | None = None
    autoscale_max_replicas: Worker | None = None
    autoscale_target_utilization: Annotated[int, Meta(ge=1, le=100)] | None = None
    autoscale_refresh_seconds: Annotated[float, Meta(ge=0.1, le=3600)] | None = None

    def check(self) -> None:
        """Raise InvalidInput where one of them contradicts another."""
        if self.autoscale_enabled:
            if self.workers is not None:
                raise InvalidInput(
                    "workers: their number is fixed, and autoscale_enabled has it change.",
                    field="workers",
                    hint="Give autoscale_min_replicas in place of it.",
                )
            least, most = self.autoscale_min_replicas or 1, self.autoscale_max_replicas
            if most is not None and least > most:
                raise InvalidInput(
                    f"autoscale_max_replicas: {most} is less than the {least} that there are to be"
                    " at least.",
                    field="autoscale_max_replicas",
                )
            return
        for name in self.__struct_fields__:
            if name not in ("workers", "autoscale_enabled") and getattr(self, name) is not None:
                raise InvalidInput(
                    f"{name}: the number of workers is fixed.",
                    field=name,
                    hint="Give autoscale_enabled, too, or leave it out.",
                )

    @property
    def least(self) -> int:
        if self.autoscale_enabled:
            return self.autoscale_min_replicas or 1
        return self.workers or 1

    @property
    def most(self) -> int:
        """At most as many as this machine has cores, unless it is said otherwise."""
        if self.autoscale_enabled:
            return self.autoscale_max_replicas or max(self.least, cores())
        return self.least

    @property
    def target(self) -> float:
        """The part of the time that they are to be at work."""
        return (self.autoscale_target_utilization or TARGET_PERCENT) / 100

    @property
    def refresh_seconds(self) -> float:
        return self.autoscale_refresh_seconds or REFRESH_SECONDS

    def __str__(self) -> str:
        if self.least == self.most:
            return str(self.least)
        return f"{self.least} to {self.most}"


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
