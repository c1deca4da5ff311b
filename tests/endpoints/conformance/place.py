"""A place that a driver's tests bring, and models for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ml_workspace_lab import Endpoint, Model, Workspace
from tests.endpoints.support import SCALE, script

SAYING = SCALE.replace("def run(data):", 'def run(data):\n    print("asked for", data, flush=True)')


@dataclass
class Place:
    """The compute target `name` of `ws`. `replicas` are the processes that score there;
    `leftovers` names what there still is of deployments, and is empty where nothing is."""

    ws: Workspace
    name: str
    folder: Path
    replicas: Callable[[], Sequence[psutil.Process]]
    leftovers: Callable[[], Sequence[str]]

    def model(self, factor: float) -> Model:
        """A model of one number, which needs nothing but Python."""
        files = self.folder / f"model-{factor}"
        files.mkdir(exist_ok=True)
        (files / "factor.txt").write_text(str(factor))
        (files / "requirements.txt").write_text("# nothing but Python\n")
        return Model.register(self.ws, "scale", files)

    def deploy(self, factor: float, text: str = SAYING, **options: Any) -> Endpoint:
        """The endpoint `scale`, which answers with `factor` times the number in a body's `x`."""
        return Endpoint.deploy(
            self.ws,
            "scale",
            self.model(factor),
            scoring_script=script(self.folder, text),
            compute_target=self.name,
            **options,
        )
