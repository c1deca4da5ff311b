"""A workspace as its users hold it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.client.workspace_opening import WorkspaceOpening
from ml_workspace_lab.client.workspace_transfer import WorkspaceTransfer
from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.workspace import folder
from ml_workspace_lab.workspace.locate import CONFIG_FOLDER
from ml_workspace_lab.workspace.model import Diagnosis, WorkspaceInfo
from ml_workspace_lab.workspace.setup import STORE_FOLDER

if TYPE_CHECKING:
    from ml_workspace_lab.client.compute import ComputeTarget
    from ml_workspace_lab.client.endpoint import Endpoint
    from ml_workspace_lab.client.environment import Environment
    from ml_workspace_lab.client.experiment import Experiment
    from ml_workspace_lab.client.instance import ComputeInstance
    from ml_workspace_lab.client.model import Model
    from ml_workspace_lab.client.run import Run
    from ml_workspace_lab.client.run_diff import RunDiff
    from ml_workspace_lab.client.search import Comparison, Form
    from ml_workspace_lab.client.snapshots import Snapshots
    from ml_workspace_lab.experiments.model import RunState
    from ml_workspace_lab.experiments.search.model import RunView
    from ml_workspace_lab.workspace.backup import Backup


class Workspace(WorkspaceOpening, WorkspaceTransfer):
    """The top-level place that keeps every run, model and endpoint.

    `Workspace.open(folder)` and `Workspace.connect(url, token)` give objects with the same methods.
    """

    def get_details(self) -> dict[str, Any]:
        """Everything about the workspace itself, as a dictionary."""
        details: dict[str, Any] = msgspec.to_builtins(self.info())
        return details

    def info(self) -> WorkspaceInfo:
        return self.connection.workspaces.get()

    def diagnose(self) -> Diagnosis:
        """Whether each part of the workspace is well, and what to do where it isn't."""
        return self.connection.workspaces.diagnose()

    def delete(self) -> None:
        """Remove the workspace and everything in it, for good.

        Raises Conflict while runs are going on, endpoints are served or there are compute
        instances, and InvalidInput for a workspace that is not in a folder of this machine.
        """
        if not isinstance(self.connection, LocalConnection):
            raise InvalidInput("A workspace is deleted on the machine that it is on.")
        if active := self.runs(active=True):
            raise Conflict(f"{len(active)} runs are going on.", hint="Cancel them first.")
        if endpoints := self.endpoints:
            raise Conflict(f"{len(endpoints)} endpoints are served.", hint="Delete them first.")
        if instances := self.compute_instances:
            raise Conflict(
                f"There are {len(instances)} compute instances.", hint="Delete them first."
            )
        folder.delete(self.connection.storage)

    def experiment(self, name: str) -> "Experiment":
        """The experiment of that name, made where there is none."""
        from ml_workspace_lab.client.experiment import Experiment

        return Experiment(self, name)

    @property
    def experiments(self) -> "dict[str, Experiment]":
        """All experiments by name, the one with the newest run first."""
        from ml_workspace_lab.client.experiment import Experiment

        found = self.connection.experiments.list().items
        return {info.name: Experiment(self, info.name) for info in found}

    def run(self, run_id: str) -> "Run":
        """The run of that id. Raises NotFound."""
        from ml_workspace_lab.client.run import Run

        return Run(self, self.connection.runs.get(run_id))

    def runs(
        self,
        experiment: str | None = None,
        *,
        state: "RunState | None" = None,
        active: bool = False,
        parent: str | None = None,
        limit: int | None = 100,
    ) -> "list[Run]":
        """The newest runs, at most `limit`; None for all of them."""
        from ml_workspace_lab.client.run import Run
        from ml_workspace_lab.client.run_table import RunTable

        if limit is not None and limit < 1:
            raise InvalidInput(f"limit: must be 1 or more, not {limit}.", field="limit")
        found = RunTable()
        after: str | None = None
        while limit is None or len(found) < limit:
            page = self.connection.runs.list(
                experiment=experiment,
                state=state,
                active=active,
                parent=parent,
                after=after,
                limit=1000 if limit is None else min(limit - len(found), 1000),
            )
            found.extend(Run(self, info) for info in page.items)
            after = page.next
            if after is None:
                break
        return found

    def search_runs(
        self,
        filter: str = "",  # noqa: A002 - the name that MLflow's users know
        experiments: Sequence[str] | str | None = None,
        *,
        order_by: Sequence[str] | str | None = None,
        max_results: int | None = None,
        view: "RunView" = "active",
        as_: "Form" = "pandas",
    ) -> Any:
        """Runs that `filter` matches (`metrics.loss < 0.1 and params.model = 'cnn'`) as a DataFrame
        with columns such as run_id, `metrics.loss`, `params.model`; as_="arrow" gives an Arrow
        table, as_="runs" a list of runs. Newest first, unless `order_by` says otherwise."""
        from ml_workspace_lab.client.search import frame_of, search_runs

        asked = frame_of(filter, experiments, order_by, max_results, view)
        return search_runs(self, asked, as_)

    def count_runs(
        self,
        filter: str = "",  # noqa: A002 - the name that MLflow's users know
        experiments: Sequence[str] | str | None = None,
        *,
        view: "RunView" = "active",
    ) -> int:
        """How many runs `filter` matches."""
        from ml_workspace_lab.client.search import count_of, count_runs

        return count_runs(self.connection, count_of(filter, experiments, view))

    def compare(self, run_ids: Sequence[str]) -> "Comparison":
        """Attributes, parameters, metrics and tags of runs beside each other."""
        from ml_workspace_lab.client.search import compare

        return compare(self.connection, run_ids)

    def diff(self, before: "Run | str", after: "Run | str") -> "RunDiff":
        """What differs from one run to another, each given by itself or by its id."""
        run = self.run(before) if isinstance(before, str) else before
        return run.diff(after)

    @property
    def models(self) -> "dict[str, Model]":
        """The newest version of every model, by name."""
        from ml_workspace_lab.client.model import Model

        found = self.connection.models.list().items
        return {info.name: Model(self, info.name) for info in found if info.versions}

    def export_endpoints(self, url: str | None, **options: float) -> None:
        """Send metrics and traces of all endpoints without a setting of their own to the collector
        at a base `url`, as `Endpoint.export` does; None: nothing of them any more."""
        service = self.connection.endpoint_telemetry
        if url is None:
            service.stop_export_all()
        else:
            from ml_workspace_lab.api.strict_json import convert
            from ml_workspace_lab.endpoints.telemetry.model import Export

            service.export_all(convert({"url": url, **options}, Export))

    @property
    def endpoints(self) -> "dict[str, Endpoint]":
        from ml_workspace_lab.client.endpoint import Endpoint

        found = self.connection.endpoints.list().items
        return {info.name: Endpoint(self, info.name) for info in found}

    @property
    def environments(self) -> "dict[str, Environment]":
        """The newest version of every environment, by name."""
        from ml_workspace_lab.client.environment import Environment

        return Environment.all_of(self)

    @property
    def compute_targets(self) -> "dict[str, ComputeTarget]":
        """Where runs can execute, by name: this machine (`local`), and what is attached."""
        from ml_workspace_lab.client.compute import ComputeTarget

        return ComputeTarget.list(self)

    @property
    def compute_instances(self) -> "dict[str, ComputeInstance]":
        """The workspace's Jupyter servers by name, whoever they belong to."""
        from ml_workspace_lab.client.instance import ComputeInstance

        return ComputeInstance.all_of(self)

    def cancel_runs(
        self, *, compute_target: str | None = None, experiment: str | None = None
    ) -> int:
        """Cancel every job that waits or goes on (there, or in that experiment); how many."""
        from ml_workspace_lab.jobs.model import CancelRuns

        return self.connection.jobs.cancel_all(CancelRuns(compute_target, experiment)).count

    @property
    def snapshots(self) -> "Snapshots":
        """What runs were started from: preview, list, read, restore, compare."""
        from ml_workspace_lab.client.snapshots import Snapshots

        return Snapshots(self)

    def get_mlflow_tracking_uri(self) -> str:
        """The address for `mlflow.set_tracking_uri`: stock MLflow clients log to this workspace.

        Sets MLFLOW_TRACKING_TOKEN in this process's environment, and in a job MLFLOW_RUN_ID, so
        that nothing else has to be set. A workspace in a folder is served on loopback for as long
        as the processes live that have asked for this. Raises Unavailable where that fails.
        """
        from ml_workspace_lab.client.tracking_uri import tracking_uri

        return tracking_uri(self)

    def backup(self, folder: str | Path) -> "Backup":
        """Copy the whole workspace, while work goes on, into a new folder that opens as a
        workspace. Raises Conflict where there is something, InvalidInput for one on a server."""
        from ml_workspace_lab.workspace.backup import back_up

        if not isinstance(self.connection, LocalConnection):
            raise InvalidInput(
                "A workspace on a server is backed up where its folder is.", field="workspace"
            )
        return back_up(self.connection.storage, Path(folder).expanduser().absolute())


def start_here(name: str | None = None, root: Path | None = None) -> Workspace:
    """A workspace for the folder `root` (default: the present one), with its config written."""
    root = (root or Path.cwd()).absolute()
    name = name or folder.suggest_name(root)
    workspace = Workspace.create(name, root / CONFIG_FOLDER / STORE_FOLDER)
    workspace.write_config(root)
    return workspace
