"""What becomes of compiling a version of a model."""

from msgspec import Struct, field

from ml_workspace_lab.api.types import Digest, Millis, Text

GRAPH = "model.onnx"
"""The file of the graph in the folder that it was made in."""
TOLERANCE = 1e-4
"""How far a number of the graph may be from the model's, relative to the greater of that and 1."""


class Speed(Struct, frozen=True, forbid_unknown_fields=True):
    """Microseconds that rows take, the median of many calls: in the model's own library, and in
    ONNX Runtime."""

    native: float
    onnx: float


class Verdict(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the graph may stand for the model, and why (not).

    `rows` are those that both were put to, with equal labels; `max_difference` is the largest
    between two numbers, relative to the greater of the model's own and 1 (None where the model
    gives no numbers), `tolerance` how much it might be. `one_row` and `batch`, of 256 rows, say how
    long each took. `packages` are the libraries and their versions that it holds for.
    """

    kept: bool
    reason: Text
    rows: int = 0
    max_difference: float | None = None
    tolerance: float = TOLERANCE
    precision: Text = ""
    one_row: Speed | None = None
    batch: Speed | None = None
    packages: dict[str, str] = field(default_factory=dict)


class Compilation(Struct, frozen=True):
    """What is known of a version's graph: `onnx` is its SHA-256, None where none may stand for the
    model; `content` that of the list of the version's files, for which it holds."""

    name: str
    version: int
    content: str
    onnx: str | None
    verdict: Verdict
    created: Millis
    user: str


class KeepCompilation(Struct, frozen=True, forbid_unknown_fields=True):
    """What a process of the caller's found of a version with that `content`; the graph has been
    put before."""

    content: Digest
    verdict: Verdict
    onnx: Digest | None = None
