"""Images on top of others: the layers of a base below those of a package."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.packages import layouts
from ml_workspace_lab.models.packages.credentials import Credentials, kept
from ml_workspace_lab.models.packages.images import (
    LAYERS,
    Config,
    Descriptor,
    Image,
    Platform,
    RootFs,
    Step,
)
from ml_workspace_lab.models.packages.references import Reference
from ml_workspace_lab.models.packages.registries import Registry

PYTHON_LABEL = "dev.ml-workspace-lab.python"
"""The Python that a package's own packages are for, such as `3.11`."""
BASE_DIGEST = "org.opencontainers.image.base.digest"


@contextmanager
def reading(
    base: str | Path,
    platform: Platform,
    credentials: Credentials | None,
    host: str | None = None,
) -> Iterator[Image]:
    """The base for a platform: an image layout of this machine, a folder or an archive, or an image
    in a registry, where there is no such path. The credentials are for the registry `host` alone,
    where one is named. Raises NotFound, InvalidInput, Denied."""
    if isinstance(base, Path) or Path(base).exists():
        with layouts.reading(Path(base), platform) as image:
            yield image
        return
    reference = Reference.parse(base, "base")
    told = credentials if host in (None, reference.host) else None
    yield Registry(reference, told or kept(reference.host), push=False).pull(platform)


def above(base: Image, package: Image) -> Image:
    """The image of a base's layers and a package's. Raises InvalidInput where they don't fit."""
    _check(base, package)
    ours = {layer.digest for layer in package.manifest.layers}
    below = [
        msgspec.structs.replace(layer, media_type=LAYERS[layer.media_type])
        for layer in base.manifest.layers
    ]

    def opener(layer: Descriptor) -> BinaryIO:
        return (package if layer.digest in ours else base).open(layer)

    annotations = {**package.manifest.annotations, BASE_DIGEST: base.descriptor.digest}
    return Image.make(
        _merged(base.config, package.config),
        [*below, *package.manifest.layers],
        annotations,
        opener,
    )


def _check(base: Image, package: Image) -> None:
    wanted = (package.config.config.labels or {}).get(PYTHON_LABEL, "")
    version = _variables(base.config).get("PYTHON_VERSION", "")  # official images of Python say it
    if version and version.split(".")[:2] != wanted.split("."):
        raise InvalidInput(
            f"The base has Python {version}; the package is for {wanted}.",
            field="base",
            hint=f"Take a base with Python {wanted}, or an environment for that of the base.",
        )


def _merged(base: Config, package: Config) -> Config:
    variables = _variables(base) | _variables(package)
    labels = {**(base.config.labels or {}), **(package.config.labels or {})}
    return msgspec.structs.replace(
        package,
        variant=base.variant,
        config=msgspec.structs.replace(
            package.config,
            env=[f"{name}={value}" for name, value in variables.items()],
            labels=labels,
        ),
        rootfs=RootFs("layers", [*base.rootfs.diff_ids, *package.rootfs.diff_ids]),
        history=[*_history(base), *_history(package)],
    )


def _variables(config: Config) -> dict[str, str]:
    pairs = (one.partition("=") for one in config.config.env or [])
    return {name: value for name, _, value in pairs}


def _history(config: Config) -> list[Step]:
    """A step for each layer, since some refuse a history that doesn't fit the layers."""
    steps = [step for step in config.history if not step.empty_layer]
    if len(steps) == len(config.rootfs.diff_ids):
        return config.history
    return [Step() for _ in config.rootfs.diff_ids]
