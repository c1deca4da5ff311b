"""The folder of an endpoint: what its supervisor and its scoring processes tell each other.

endpoints/NAME/keys.json            hashes of what opens it
endpoints/NAME/secret               the workspace's own key to it, for this user's eyes only
endpoints/NAME/log.txt              what its processes print
endpoints/NAME/GENERATION/          one deployment: its model, script, and the process's files
"""

import time
from pathlib import Path

import msgspec

from ml_workspace_lab.endpoints.model import Engine, RequestSettings, ServedBy
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.supervision import ProcessFolder


class Keys(msgspec.Struct, frozen=True):
    """SHA-256 of each key, in hex."""

    primary: str
    secondary: str
    workspace: str


class Deployment(msgspec.Struct, frozen=True):
    """What a scoring process is told, and the interpreter that it runs in."""

    endpoint: str
    model: str
    version: int
    port: int
    has_script: bool
    python: str
    variables: dict[str, str] = {}
    request_settings: RequestSettings = RequestSettings()
    engine: Engine = "auto"
    providers: list[str] = []


class EndpointFolder:
    """The folder of one endpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def secret(self) -> Path:
        return self.path / "secret"

    @property
    def keys(self) -> Path:
        return self.path / "keys.json"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    def generation(self, number: int) -> "GenerationFolder":
        return GenerationFolder(self.path / str(number))

    def generations(self) -> list["GenerationFolder"]:
        """Every deployment that has a folder, the newest last."""
        if not self.path.is_dir():
            return []
        numbers = sorted(int(p.name) for p in self.path.iterdir() if p.name.isdecimal())
        return [self.generation(number) for number in numbers]

    def write_keys(self, keys: Keys) -> None:
        write_atomic(self.keys, msgspec.json.encode(keys))


class GenerationFolder(ProcessFolder):
    """The folder of one deployment of an endpoint."""

    variable = "ML_WORKSPACE_ENDPOINT"

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def endpoint(self) -> EndpointFolder:
        return EndpointFolder(self.path.parent)

    @property
    def deployment(self) -> Path:
        return self.path / "deployment.json"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def script(self) -> Path:
        return self.path / "score.py"

    @property
    def compiled(self) -> Path:
        """The model as a graph, and the verdict on that."""
        return self.path / "compiled"

    @property
    def engine(self) -> Path:
        """What answers here, since the model was loaded."""
        return self.path / "engine.json"

    def served_by(self) -> ServedBy | None:
        """What answers here; None before the model is loaded."""
        try:
            return msgspec.json.decode(self.engine.read_bytes(), type=ServedBy)
        except FileNotFoundError:
            return None

    @property
    def ready(self) -> Path:
        """Written when it answers, then touched again and again by its event loop; removed when it
        takes no more requests."""
        return self.path / "ready"

    @property
    def served(self) -> Path:
        """Written when it answers for the first time."""
        return self.path / "served"

    def silent_seconds(self) -> float | None:
        """How long ago its event loop last turned; None while it takes no requests."""
        try:
            return time.time() - self.ready.stat().st_mtime
        except FileNotFoundError:
            return None
