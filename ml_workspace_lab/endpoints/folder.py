"""The folder of an endpoint: what its supervisor and its scoring processes tell each other.

endpoints/NAME/keys.json            hashes of what opens it, and how its requests are split
endpoints/NAME/places.json          where its deployments are found
endpoints/NAME/secret               the workspace's own key to it, for this user's eyes only
endpoints/NAME/log.txt              what the first worker of the deployment `default` prints
endpoints/NAME/DEPLOYMENT.log       what that of another one does
endpoints/NAME/DEPLOYMENT.2.log     what its second worker does (log.2.txt)
endpoints/NAME/samples/             requests that were kept, with their answers
endpoints/NAME/GENERATION/          a deployment as of one update: its model, script, and the
                                    files of its first worker's process
endpoints/NAME/GENERATION/worker-2/ the files of the second one's
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from ml_workspace_lab.endpoints.model import Engine, RequestSettings, ServedBy
from ml_workspace_lab.endpoints.telemetry.model import Export, Observed, Sampling
from ml_workspace_lab.endpoints.traffic import DEFAULT
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.supervision import ProcessFolder

_WORKER = "worker-"


class Keys(msgspec.Struct, frozen=True):
    """SHA-256 of each key, in hex."""

    primary: str
    secondary: str
    workspace: str


class Watch(msgspec.Struct, frozen=True):
    """That the deployments are to say how they do; an answer that takes more than `p99_ms` is one
    of the slow ones."""

    p99_ms: float | None = None


NO_EXPORT = msgspec.Raw(b"null")


class Rules(Keys, frozen=True):
    """The keys, and how requests are split: percent by deployment, each of which is named. None:
    there is only the one that reads this. `sampling` says of which deployments requests are kept
    (as a `Sampling`), `export` where the figures of all go (as an `Export`): they stay as they are
    written until they are followed, so that a process which is older than the workspace, and does
    not know all of them, keeps its keys."""

    traffic: dict[str, int] | None = None
    mirrored: dict[str, int] = {}
    watch: Watch | None = None
    sampling: dict[str, msgspec.Raw] = {}
    export: msgspec.Raw = NO_EXPORT


def as_written(rule: Sampling | Export | None) -> msgspec.Raw:
    """A rule as `Rules` has it."""
    return msgspec.Raw(msgspec.json.encode(rule))


class Places(msgspec.Struct, frozen=True):
    """Where deployments are: `front` is the one that takes connections on the endpoint's port,
    "" for whoever reads this; the others send it requests of theirs on loopback, to the port in
    `doors`, or one of those in `more`, which are its further workers'. One that does not answer at
    present has none. `models` are what they serve, names and versions."""

    front: str = ""
    doors: dict[str, int] = {}
    more: dict[str, list[int]] = {}
    models: dict[str, tuple[str, int]] = {}

    def all_doors(self) -> dict[str, list[int]]:
        return {name: [port, *self.more.get(name, ())] for name, port in self.doors.items()}


class Tally(msgspec.Struct, frozen=True):
    """How a scoring process does, since it `began`: requests that it has answered, and those that
    `failed` and that were `slow` among them. Of requests that it has read, by the deployment that
    is to answer: how many have been `late` for now, and how many could not be had from another."""

    began: float
    answered: int = 0
    failed: int = 0
    slow: int = 0
    late: dict[str, int] = {}
    unreached: dict[str, int] = {}


class Deployment(msgspec.Struct, frozen=True):
    """What a scoring process is told, and the interpreter that it runs in. `deployment` is its name
    among those of the endpoint. One that `is_relayed` answers elsewhere: its process here sends
    requests on to there."""

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
    deployment: str = DEFAULT
    is_relayed: bool = False


class Upstream(msgspec.Struct, frozen=True):
    """Where a deployment answers that has no process of its own here, and the key that opens it.
    `path` is before that of each request, where others answer at the same address."""

    host: str
    port: int
    key: str
    path: str = ""


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
    def places(self) -> Path:
        return self.path / "places.json"

    def log(self, deployment: str, worker: int = 1) -> Path:
        """What a worker of a deployment prints."""
        number = "" if worker == 1 else f".{worker}"
        name = f"log{number}.txt" if deployment == DEFAULT else f"{deployment}{number}.log"
        return self.path / name

    @property
    def samples(self) -> Path:
        """Kept requests, in a folder for each deployment."""
        return self.path / "samples"

    def generation(self, number: int) -> "GenerationFolder":
        return GenerationFolder(self.path / str(number))

    def generations(self) -> list["GenerationFolder"]:
        """Everything that has a folder, of whichever deployment, the newest last."""
        if not self.path.is_dir():
            return []
        numbers = sorted(int(p.name) for p in self.path.iterdir() if p.name.isdecimal())
        return [self.generation(number) for number in numbers]

    def write_keys(self, keys: Keys) -> None:
        write_atomic(self.keys, msgspec.json.encode(keys))


class WorkerFolder(ProcessFolder):
    """The folder of one of the processes that answer for a deployment."""

    variable = "ML_WORKSPACE_ENDPOINT"

    @classmethod
    def at(cls, path: Path) -> "WorkerFolder":
        return cls(path) if path.name.startswith(_WORKER) else GenerationFolder(path)

    @property
    def worker(self) -> int:
        """Its number among those of its deployment."""
        return int(self.path.name.removeprefix(_WORKER))

    @property
    def generation(self) -> "GenerationFolder":
        return GenerationFolder(self.path.parent)

    @property
    def ready(self) -> Path:
        """Written when it answers, then touched again and again by its event loop; removed when it
        takes no more requests."""
        return self.path / "ready"

    @property
    def served(self) -> Path:
        """Written when it answers for the first time."""
        return self.path / "served"

    @property
    def door(self) -> Path:
        """The port on loopback where other processes hand over requests; there before `ready`."""
        return self.path / "door"

    def door_port(self) -> int | None:
        """None where it takes no requests, or none from others."""
        if not self.ready.exists():
            return None
        try:
            return int(self.door.read_text())
        except (FileNotFoundError, ValueError):
            return None

    @property
    def tally(self) -> Path:
        """How it does, where that is watched."""
        return self.path / "tally.json"

    def read_tally(self) -> Tally | None:
        try:
            return msgspec.json.decode(self.tally.read_bytes(), type=Tally)
        except FileNotFoundError:
            return None

    def sign_of_life(self) -> int | None:
        """Another number each time its event loop turns; None while it takes no requests."""
        try:
            return self.ready.stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def answers(self) -> bool:
        return self.ready.exists() and self.is_alive()


class GenerationFolder(WorkerFolder):
    """The folder of a deployment as of one update, and of the first of its workers."""

    @property
    def worker(self) -> int:
        return 1

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def generation(self) -> "GenerationFolder":
        return self

    @property
    def endpoint(self) -> EndpointFolder:
        return EndpointFolder(self.path.parent)

    def of_worker(self, number: int) -> WorkerFolder:
        return self if number == 1 else WorkerFolder(self.path / f"{_WORKER}{number}")

    def workers(self) -> list[WorkerFolder]:
        """Those that have a folder, by their numbers."""
        numbers = sorted(
            int(path.name.removeprefix(_WORKER)) for path in self.path.glob(f"{_WORKER}*")
        )
        return [self, *(self.of_worker(number) for number in numbers)]

    @property
    def deployment(self) -> Path:
        return self.path / "deployment.json"

    def told(self) -> Deployment | None:
        """What its processes are told; None while that is not settled."""
        try:
            return msgspec.json.decode(self.deployment.read_bytes(), type=Deployment)
        except FileNotFoundError:
            return None

    @property
    def board(self) -> Path:
        """What its workers say of themselves, where there can be several."""
        return self.path / "board"

    def counts(self, worker: int) -> Path:
        """What a worker had counted when it was last asked, where there can be several."""
        return self.path / f"counts-{worker}.txt"

    def counted(self) -> list[int]:
        """The workers that there are counts of, those among them that are no more."""
        names = [path.stem for path in self.path.glob("counts-*.txt")]
        return sorted(int(name.partition("-")[2]) for name in names)

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
    def upstream(self) -> Path:
        """Where the deployment answers, if that is elsewhere."""
        return self.path / "upstream.json"

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
    def observed(self) -> Path:
        """What its processes have seen: a file each, so that what one had seen that died stays."""
        return self.path / "observed"

    def read_observed(self) -> list[Observed]:
        """What its processes say, the oldest first."""
        found = []
        for path in sorted(self.observed.glob("*.json")):
            with suppress(FileNotFoundError, msgspec.DecodeError):
                found.append(msgspec.json.decode(path.read_bytes(), type=Observed))
        return sorted(found, key=lambda one: one.began)
