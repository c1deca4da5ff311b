"""What an environment was found to be: the facts that are recorded with a run."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

Short = Annotated[str, Meta(max_length=4096)]


class PackageRecord(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An installed package. `url`, `commit` and `hash` tell where one came from that no index
    gave."""

    name: Short
    version: Short
    editable: bool = False
    url: Short | None = None
    commit: Short | None = None
    hash: Short | None = None


class CondaPackage(Struct, frozen=True, forbid_unknown_fields=True):
    name: Short
    version: Short
    build: Short


class CondaRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What conda has installed; `name` is the environment's where it is activated."""

    name: Short | None
    packages: Annotated[list[CondaPackage], Meta(max_length=20_000)]


class KernelRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The Jupyter kernel that executed a notebook, in its own words."""

    name: Short
    display_name: Short = ""
    language: Short = ""
    language_version: Short = ""
    implementation: Short = ""


class EnvironmentRecord(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An environment as it was. `variables` holds none but those of a list of names; `folders` are
    those of the packages, and `fingerprint` changes when something in them does."""

    python_version: Short
    implementation: Short
    executable: Short
    prefix: Short
    platform: Short
    packages: Annotated[list[PackageRecord], Meta(max_length=20_000)]
    conda: CondaRecord | None = None
    gpus: list[Short] = field(default_factory=list)
    gpu_driver: Short | None = None
    variables: dict[Short, Short] = field(default_factory=dict)
    kernel: KernelRecord | None = None
    folders: list[Short] = field(default_factory=list)
    fingerprint: Short = ""

    def content(self) -> dict[str, object]:
        """What makes it that environment, wherever it lies."""
        whole: dict[str, object] = msgspec.to_builtins(self)
        elsewhere = ("executable", "prefix", "folders", "fingerprint")
        return {name: value for name, value in whole.items() if name not in elsewhere}
