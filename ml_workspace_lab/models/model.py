"""What a registered model is."""

from typing import Annotated

from msgspec import UNSET, Struct, UnsetType, field

from ml_workspace_lab.api.types import Digest, Key, Millis, RelativePath, RunId, Text, text_like

ModelName = Annotated[
    str,
    text_like(
        r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)",
        "must be letters (A-Z, a-z), digits, . _ and -, the first a letter or digit",
        min_length=1,
        max_length=255,
    ),
]


class ModelFile(Struct, frozen=True, forbid_unknown_fields=True):
    path: RelativePath
    digest: Digest
    size: int


class ModelVersion(Struct, frozen=True):
    """One version of a model: its files never change. `executes_code` marks pickles: loading one
    runs whatever it holds, so only a scoring process does."""

    name: str
    version: int
    description: str
    framework: str
    created: Millis
    user: str
    run_id: str | None
    experiment: str | None
    snapshot_id: str | None
    tags: dict[str, str]
    properties: dict[str, str]
    files: list[ModelFile]
    size: int
    executes_code: bool


class ModelInfo(Struct, frozen=True):
    name: str
    created: Millis
    latest_version: int
    versions: int
    description: str
    tags: dict[str, str]


class ModelList(Struct, frozen=True):
    items: list[ModelInfo]


class ModelVersionList(Struct, frozen=True):
    items: list[ModelVersion]


class RegisterModel(Struct, frozen=True, forbid_unknown_fields=True):
    """Either `run_id` and the `artifact_path` of a file or folder among its artifacts, or `files`
    whose contents are in the blob store already."""

    run_id: RunId | None = None
    artifact_path: RelativePath | None = None
    files: list[ModelFile] = field(default_factory=list)
    framework: Text = ""
    description: Text = ""
    tags: dict[Key, Text] = field(default_factory=dict)
    properties: dict[Key, Text] = field(default_factory=dict)


class UpdateModelVersion(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change: tags are set, properties only added (never overwritten)."""

    description: Text | UnsetType = UNSET
    tags: dict[Key, Text] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)
    properties: dict[Key, Text] = field(default_factory=dict)
