"""Whole clusters: each is made once, for all tests of its folder."""

from typing import Any

import pytest


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests go to workers by folders: those of one folder share a cluster, one after the other."""
    from xdist.scheduler import LoadFileScheduling

    class ByCluster(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.partition("::")[0].rpartition("/")[0]

    return ByCluster(config, log)
