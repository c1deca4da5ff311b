"""What a registered model is."""

from typing import Annotated, Literal

from msgspec import UNSET, Struct, UnsetType, field

from ml_workspace_lab.api.types import (
    Digest,
    Key,
    Limit,
    Millis,
    RelativePath,
    RunId,
    Text,
    Version,
    Word,
    text_like,
)

ModelName = Annotated[
    str,
    text_like(
        r"^(?!\.\.|\.$| )[^\x00-\x1f\x7f/:]+(?<! )$(?!\n)",
        "must not hold / or : or control characters, nor begin or end with a space, nor begin"
        " with two dots",
        min_length=1,
        max_length=256,
    ),
]

Alias = Annotated[
    str,
    text_like(
        r"^(?!(?i:latest)$)(?!(?i:v)\d+$)[\w-]+$(?!\n)",
        "must be letters, digits, _ and -, and neither `latest` nor `v` and a number",
        min_length=1,
        max_length=255,
    ),
]
"""A name for one version of a model at a time, such as `champion`."""

Stage = Literal["None", "Staging", "Production", "Archived"]
STAGES: tuple[Stage, ...] = ("None", "Staging", "Production", "Archived")

ModelKind = Literal["model", "prompt", "all"]
PROMPT_TAG = "mlflow.prompt.is_prompt"
"""A model with this tag set to `true` is a prompt: its versions are texts, kept in their tags."""


class ModelFile(Struct, frozen=True, forbid_unknown_fields=True):
    path: RelativePath
    digest: Digest
    size: int


class ModelVersion(Struct, frozen=True):
    """One version of a model: its files never change. `executes_code` marks pickles: loading one
    runs whatever it holds, so only a scoring process does. One whose `source` lies elsewhere has
    no files."""

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
    updated: Millis
    stage: Stage
    aliases: list[str]
    source: str | None
    run_link: str
    model_id: str | None
    """The logged model that it was registered from."""


class ModelInfo(Struct, frozen=True):
    """A model. Where it has no versions `latest_version` is 0."""

    name: str
    created: Millis
    latest_version: int
    versions: int
    description: str
    tags: dict[str, str]
    updated: Millis
    aliases: dict[str, int]


class ModelList(Struct, frozen=True):
    """Models; `next` is the `after` that asks for the part that follows."""

    items: list[ModelInfo]
    next: str | None = None


class ModelVersionList(Struct, frozen=True):
    """Versions; `next` is the `after` that asks for the part that follows."""

    items: list[ModelVersion]
    next: str | None = None


class CreateModel(Struct, frozen=True, forbid_unknown_fields=True):
    name: ModelName
    description: Text = ""
    tags: dict[Key, Word] = field(default_factory=dict)


class UpdateModel(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; tags are set."""

    name: ModelName | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    tags: dict[Key, Word] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)


class SearchModels(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for: `filter` and `order_by` in the grammar of the search for runs."""

    filter: Text = ""
    order_by: list[Text] = field(default_factory=list)
    kind: ModelKind = "model"
    limit: Limit = 100
    after: Text | None = None


class SetAlias(Struct, frozen=True, forbid_unknown_fields=True):
    version: Version


class SetStage(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a version is to stand; `archive_existing` sends those that stand there already to
    the archive."""

    stage: Stage
    archive_existing: bool = False


class RegisterModel(Struct, frozen=True, forbid_unknown_fields=True):
    """Either `run_id` and the `artifact_path` of a file or folder among its artifacts, or `files`
    whose contents are in the blob store already, or a `source`.

    The files of a source in this workspace become the version's own: `runs:/ID/PATH`,
    `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `models:/m-ID`, `mlflow-artifacts:/...`. Any other
    is kept as text.
    """

    run_id: RunId | None = None
    artifact_path: RelativePath | None = None
    files: list[ModelFile] = field(default_factory=list)
    source: Text | None = None
    model_id: Text | None = None
    run_link: Text = ""
    framework: Text = ""
    description: Text = ""
    tags: dict[Key, Word] = field(default_factory=dict)
    properties: dict[Key, Text] = field(default_factory=dict)


class UpdateModelVersion(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change: tags are set, properties only added (never overwritten)."""

    description: Text | UnsetType = UNSET
    tags: dict[Key, Word] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)
    properties: dict[Key, Text] = field(default_factory=dict)
