"""The driver `ray` keeps the contracts. Its worker reaches this machine, and by that the workspace,
over a network alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from tests.compute.conformance import CrashContract, DriverContract, RunContract, Target
from tests.engines.commands import walk
from tests.engines.ray.cluster import Cluster
from tests.engines.ray.conftest import CROWD, SECONDS, TARGET, UNKNOWN, attach


class TestDriver(DriverContract):
    @pytest.fixture
    def target(self, ws: Workspace, cluster: Cluster, token_file: Path) -> Iterator[Target]:
        attach(ws, cluster, token_file)
        yield Target(ws, TARGET, UNKNOWN, seconds=SECONDS, crowd=CROWD, ends_strays=False)
        cluster.wait_until_idle()


class TestRuns(RunContract, CrashContract):
    @pytest.fixture
    def target(self, runs_target: Target) -> Target:
        return runs_target


def test_the_command_line_is_enough(
    ws: Workspace, cluster: Cluster, token_file: Path, tmp_path: Path
) -> None:
    settings = ["--set", f"address={cluster.url}", "--set", f"token_file={token_file}"]
    walk(ws, tmp_path / "project", ["ray", *settings, "--workspace-url", "auto"])
    cluster.wait_until_idle()
