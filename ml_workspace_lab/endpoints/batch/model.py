"""What scoring a batch is: which rows, in what mini-batches, and what becomes of bad ones."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import Digest, Key, Name, RunId, Text
from ml_workspace_lab.endpoints.model import Engine
from ml_workspace_lab.endpoints.traffic import DeploymentName
from ml_workspace_lab.jobs.model import LONGEST, PathInput, Retry, RunInput
from ml_workspace_lab.snapshots.model import SnapshotFile

OutputAction = Literal["append_row", "summary_only"]
Script = Literal["", "online", "batch"]
"""What scores: the model alone, the deployment's script with a request's body, or a script whose
`run(mini_batch)` is given a data frame."""

PROGRAM = "score_batch.py"
SETTINGS = "batch.json"
SCORING_SCRIPT = "score.py"
DATA = "data"
COMPILED = "compiled"
"""Where these lie in the snapshot of the run; the last one is the folder of the model's graph."""


class RetrySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is done about a mini-batch whose process dies, or that takes more than `timeout` seconds
    (None: as long as it takes): it is scored again, at most `max_retries` times, then its rows have
    failed."""

    max_retries: Annotated[int, Meta(ge=0, le=100)] = 3
    timeout: Annotated[float, Meta(gt=0, le=LONGEST)] | None = None


class InvokeBatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to score by a `deployment` (default: the one with the most traffic): `input`, a path on
    the target or artifacts of a run, or `files`, whose contents have been put before. CSV with a
    header, JSON lines, Parquet and Arrow, one file or a folder of them.

    `mini_batch_size` is in rows. The run fails once more than `error_threshold` rows have (-1:
    never). `output_action`: `append_row` writes the predictions, `summary_only` counts alone.
    `scoring_script` is the digest of one whose `run(mini_batch)` is given a data frame; without one
    what the endpoint answers with scores. `max_concurrency_per_instance` is the number of
    processes (default: the target's cores, at most 8; 1 where they aren't known). The run goes on
    where `resume_from` stopped. `experiment` is by default the endpoint's name.
    """

    deployment: DeploymentName | None = None
    input: PathInput | RunInput | None = None
    files: Annotated[list[SnapshotFile], Meta(max_length=100_000)] = field(default_factory=list)
    mini_batch_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    error_threshold: Annotated[int, Meta(ge=-1, le=2**31 - 1)] = -1
    output_action: OutputAction = "append_row"
    retry_settings: RetrySettings = RetrySettings()
    max_concurrency_per_instance: Annotated[int, Meta(ge=1, le=1000)] | None = None
    scoring_script: Digest | None = None
    experiment: Name | None = None
    run_id: RunId | None = None
    display_name: Name | None = None
    compute_target: Name = "local"
    timeout_seconds: Annotated[float, Meta(gt=0, le=LONGEST)] | None = None
    retry: Retry = field(default_factory=Retry)
    tags: dict[Key, Text] = field(default_factory=dict)
    resume_from: RunId | None = None


class Settings(Struct, frozen=True):
    """What the run is told, in its snapshot; `source` is where the rows come from, in words,
    `graph` the digest of the model's graph, "" where it has none that may score."""

    endpoint: str
    deployment: str
    model: str
    version: int
    content: str
    script: Script
    script_digest: str
    mini_batch_size: int
    error_threshold: int
    output_action: OutputAction
    retry_settings: RetrySettings
    workers: int
    source: str
    providers: list[str] = []
    engine: Engine = "native"
    graph: str = ""


class MiniBatch(Struct, frozen=True, array_like=True):
    """Rows `first` to `first + rows` of a file; `offset` is the byte where they begin, in files of
    text."""

    number: int
    file: int
    first: int
    rows: int
    offset: int = 0


Kind = Literal["none", "bool", "int", "float", "text", "json"]


class Done(Struct, frozen=True, array_like=True):
    """A mini-batch that has been scored: how many rows have a prediction, how many failed, names
    and kinds of the columns; `content` is a Content in MessagePack."""

    number: int
    scored: int
    failed: int
    columns: list[tuple[str, Kind]]
    content: bytes


class Content(Struct, frozen=True, array_like=True):
    """The rows (numbers in their file) that have predictions, the values column by column, and the
    rows that failed with the reasons."""

    rows: list[int]
    values: list[list[bool | int | float | str | None]]
    failures: list[tuple[int, str]]
