"""What every driver of deployments has to do, as tests that each of them passes.

A driver's own test file brings a place where deployments are served:

    class TestKubernetes(DeploymentContract):
        @pytest.fixture
        def place(self, ws, nodes) -> Place: ...
"""

import pytest

pytest.register_assert_rewrite("tests.endpoints.conformance.deployments")

from tests.endpoints.conformance.deployments import DeploymentContract  # noqa: E402
from tests.endpoints.conformance.place import Place  # noqa: E402

__all__ = ["DeploymentContract", "Place"]
