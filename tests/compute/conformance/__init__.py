"""What every driver of a compute target has to do, as tests that each of them passes.

A driver's own test file brings a running target:

    class TestSlurm(DriverContract, RunContract):
        @pytest.fixture
        def target(self, ws, cluster) -> Target: ...
"""

import pytest

pytest.register_assert_rewrite(
    "tests.compute.conformance.drivers",
    "tests.compute.conformance.runs",
    "tests.compute.conformance.crashes",
    "tests.compute.conformance.work",
)

from tests.compute.conformance.crashes import CrashContract  # noqa: E402
from tests.compute.conformance.drivers import DriverContract  # noqa: E402
from tests.compute.conformance.runs import RunContract  # noqa: E402
from tests.compute.conformance.target import Target  # noqa: E402

__all__ = ["CrashContract", "DriverContract", "RunContract", "Target"]
