"""What a package of a model is, and what one asks for."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import Digest, Millis, Version, text_like
from ml_workspace_lab.endpoints.model import Engine
from ml_workspace_lab.environments.model import EnvironmentReference
from ml_workspace_lab.models.model import ModelName

PackageId = Annotated[str, text_like(r"^[0-9a-f]{32}$(?!\n)", "is not an id: 32 digits 0-9, a-f")]
PackageState = Literal["building", "ready", "failed"]


class ModelReference(Struct, frozen=True, forbid_unknown_fields=True):
    name: ModelName
    version: Version


class PackageModel(Struct, frozen=True, forbid_unknown_fields=True):
    """An image of a version: with the packages of `environment` (NAME or NAME:VERSION), else with
    those that the model's own `requirements.txt` names, as the workspace has them.

    `scoring_script` is the digest of a script with `init()` and `run(data)`, which must be there
    where `models` has others that go into the same image. `for_base` leaves the interpreter out:
    the image is to lie on another one that has it.

    Without a script the image has the version's graph, too, where one was verified and the packages
    have ONNX Runtime, and is served by that; `engine` is as for endpoints.
    """

    environment: EnvironmentReference | None = None
    scoring_script: Digest | None = None
    models: Annotated[list[ModelReference], Meta(max_length=20)] = field(default_factory=list)
    for_base: bool = False
    engine: Engine = "auto"


class PackagedLayer(Struct, frozen=True):
    """A layer of the image: what it is made of, and its compressed size in bytes."""

    made_of: str
    digest: str
    size: int


class PackageInfo(Struct, frozen=True):
    """A package. `progress` says what goes on, `reason` why it failed; `digest` is that of the
    image's manifest, `size` the bytes of the archive that holds it, both once it is `ready`."""

    package_id: str
    state: PackageState
    models: list[str]
    environment: str | None
    has_script: bool
    for_base: bool
    created: Millis
    user: str
    progress: str = ""
    reason: str = ""
    digest: str | None = None
    size: int | None = None
    layers: list[PackagedLayer] = field(default_factory=list)


class PackageList(Struct, frozen=True):
    items: list[PackageInfo]
