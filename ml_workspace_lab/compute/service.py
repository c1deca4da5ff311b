"""Compute targets: where runs execute."""

import os
import sys

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Name
from ml_workspace_lab.compute.kernels import kernel_names
from ml_workspace_lab.compute.model import ComputeInfo, ComputeList
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.errors import NotFound

LOCAL = "local"


class Computes(Service):
    """The compute targets of the workspace: for now the machine that it lives on."""

    @operation("GET", "/computes", action="computes/read")
    def list(self) -> ComputeList:
        return ComputeList([self._local()])

    @operation("GET", "/computes/{name}", action="computes/read")
    def get(self, name: Name) -> ComputeInfo:
        """The target. Raises NotFound naming those that there are."""
        if name != LOCAL:
            raise NotFound(
                f"There is no compute target {name!r}.",
                field="compute_target",
                hint=f"There is: {LOCAL}.",
            )
        return self._local()

    def kernels(self) -> frozenset[str]:
        """The names of the Jupyter kernels that a notebook run can use."""
        return kernel_names()

    def wake(self) -> None:
        """See to it that the background process looks at the queue now, and that there is one."""
        wake(self.storage.root)

    def _local(self) -> ComputeInfo:
        import psutil  # 20 ms that a client which only logs need not pay

        memory = psutil.virtual_memory()
        running, queued = self.services.jobs.counts(LOCAL)
        return ComputeInfo(
            name=LOCAL,
            kind="local",
            state="Running",
            slots=os.cpu_count() or 1,
            running=running,
            queued=queued,
            cores=os.cpu_count() or 1,
            memory_bytes=memory.total,
            available_memory_bytes=memory.available,
            load=os.getloadavg()[0],
            python=sys.executable,
        )
