"""The driver `slurm` keeps the contracts."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.driver import Driver
from tests.compute.conformance import CrashContract, DriverContract, RunContract, Target
from tests.compute.conformance.runs import runner_of
from tests.engines.slurm import configuration
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.conftest import TARGET


@dataclass
class Checked(Target):
    """A target whose drivers know what the cluster is configured to do, as after a check."""

    def driver(self) -> Driver:
        made: Any = super().driver()
        made._queue.configuration()
        return cast("Driver", made)


class TestSlurm(DriverContract, RunContract, CrashContract):
    @pytest.fixture
    def target(self, lab: Workspace, slurm: Cluster) -> Target:
        def kill_node(run_id: str) -> None:
            slurm.kill_node(slurm.node_of(runner_of(lab.run(run_id)).pid))

        return Checked(
            lab,
            TARGET,
            unknown="999999",
            kill_node=kill_node,
            ends_strays=configuration.limits_memory(),
        )
