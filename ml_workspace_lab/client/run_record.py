"""What a run is: its record, and what of it can be changed at any time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.client.values import scalars
from ml_workspace_lab.experiments.model import RunInfo, RunState, StateChange, UpdateRun

if TYPE_CHECKING:
    from ml_workspace_lab.client.experiment import Experiment
    from ml_workspace_lab.client.workspace import Workspace


class RunRecord:
    """The part of `Run` that reads and changes the run's record."""

    def __init__(self, workspace: "Workspace", info: RunInfo) -> None:
        self.workspace = workspace
        self._info = info

    @property
    def id(self) -> str:
        return self._info.run_id

    @property
    def number(self) -> int:
        """Its place in its experiment, from 1."""
        return self._info.number

    @property
    def experiment(self) -> "Experiment":
        return self.workspace.experiment(self._info.experiment)

    @property
    def listed(self) -> RunInfo:
        """The run as it was when this object last heard of it; `info()` asks."""
        return self._info

    def info(self) -> RunInfo:
        """The whole record as it is now."""
        self._info = self.workspace.connection.runs.get(self.id)
        return self._info

    def get_status(self) -> RunState:
        return self.info().state

    def get_details(self) -> dict[str, Any]:
        details: dict[str, Any] = msgspec.to_builtins(self.info())
        return details

    @property
    def status_history(self) -> list[StateChange]:
        """Every state that the run has been in, with time and reason."""
        return self.workspace.connection.runs.history(self.id).items

    @property
    def display_name(self) -> str:
        """What it is called; setting it names it anew, also after its end."""
        return self._info.display_name

    @display_name.setter
    def display_name(self, name: str) -> None:
        self._update(display_name=name)

    @property
    def description(self) -> str:
        """Notes on the run in Markdown; setting them replaces them, also after its end."""
        return self.info().description

    @description.setter
    def description(self, text: str) -> None:
        self._update(description=text)

    @property
    def params(self) -> dict[str, Scalar]:
        return self.info().params

    @property
    def tags(self) -> dict[str, str]:
        return self.info().tags

    @property
    def properties(self) -> dict[str, str]:
        return self.info().properties

    def log_param(self, name: str, value: Scalar) -> None:
        self.log_params({name: value})

    def log_params(self, params: Mapping[str, Scalar]) -> None:
        """Set parameters: text, numbers, flags or None. NaN, infinities, dates and times are kept
        as texts: "NaN", "Infinity", ISO 8601."""
        self._update(params=scalars(params))

    def tag(self, key: str, value: str = "") -> None:
        self._update(tags={key: value})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._update(tags=dict(tags))

    def remove_tags(self, keys: Sequence[str]) -> None:
        self._update(remove_tags=list(keys))

    def add_properties(self, properties: Mapping[str, str]) -> None:
        """Add properties; one that is set already never changes (Conflict)."""
        self._update(properties=dict(properties))

    def _update(self, **changes: Any) -> None:
        self._info = self.workspace.connection.runs.update(self.id, UpdateRun(**changes))
