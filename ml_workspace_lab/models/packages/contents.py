"""The layers of a package, the lowest first: what changes least lies lowest, so that a new version
of a model or an edited script sends nothing but itself."""

import io
import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import Distribution
from pathlib import Path

import msgspec

from ml_workspace_lab import telemetry
from ml_workspace_lab.environments import runtime
from ml_workspace_lab.models.compiled.model import GRAPH, Compilation
from ml_workspace_lab.models.compiled.process import VERDICT
from ml_workspace_lab.models.model import ModelVersion
from ml_workspace_lab.models.packages import distributions, interpreters
from ml_workspace_lab.models.packages.bases import PYTHON_LABEL
from ml_workspace_lab.models.packages.images import Config, Platform, Process, RootFs, Step
from ml_workspace_lab.models.packages.interpreters import Interpreter
from ml_workspace_lab.models.packages.layers import Entry, Layer, of_bytes
from ml_workspace_lab.models.packages.places import COMPILED, HOME, PORT, TOLD, Contained
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.storage.paths import relative

PLACE = HOME.lstrip("/")
USER = "65532:65532"
"""Nobody in particular, and not root; the number that images without users have agreed on."""
_MODULE = "ml_workspace_lab.models.packages.contained"


def packages(found: Iterable[Distribution]) -> Iterator[Entry]:
    for one in found:
        yield from distributions.files(one, f"{PLACE}/packages")


def server() -> Iterator[Entry]:
    """This package, without its front end."""
    with tempfile.TemporaryDirectory() as folder:
        content = runtime.wheel(Path(folder)).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        for name in wheel.namelist():
            yield of_bytes(f"{PLACE}/server/{name}", wheel.read(name))


def model(version: ModelVersion, blobs: Blobs, folder: str) -> Iterator[Entry]:
    """A model's files below the folder `model`, or below `folder` in it."""
    root = f"{PLACE}/model/{folder}".rstrip("/")
    for file in version.files:
        yield Entry(f"{root}/{relative(file.path)}", file.size, partial(blobs.open, file.digest))


def graph(compilation: Compilation, blobs: Blobs) -> Iterator[Entry]:
    """A model's graph, and the verdict on it without how long that took: the same model, verified
    again elsewhere, is the same image."""
    assert compilation.onnx is not None
    root = f"{PLACE}/{COMPILED}"
    size = blobs.size(compilation.onnx)
    yield Entry(f"{root}/{GRAPH}", size, partial(blobs.open, compilation.onnx))
    verdict = msgspec.structs.replace(compilation.verdict, one_row=None, batch=None)
    yield of_bytes(f"{root}/{VERDICT}", msgspec.json.encode(verdict))


def settings(contained: Contained, script: bytes | None) -> Iterator[Entry]:
    """What the process in the container is told, and the script."""
    yield of_bytes(f"{PLACE}/{TOLD}", json.dumps(asdict(contained)).encode())
    if script is not None:
        yield of_bytes(f"{PLACE}/score.py", script)


def config(
    python: Interpreter,
    layers: Sequence[Layer],
    version: ModelVersion,
    platform: Platform,
    variables: Mapping[str, str],
    libraries: Sequence[str] | None,
) -> Config:
    """How a container starts; `libraries` are the folders of the system's libraries that the image
    has, None for one that lies on another."""
    moment = datetime.fromtimestamp(version.created // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = {
        **telemetry.OFF,
        **variables,
        "AZUREML_MODEL_DIR": f"{HOME}/model",
        "HOME": "/tmp",  # noqa: S108 - in a container, where it is the only folder to write to
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": f"{HOME}/server:{HOME}/packages",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
    if libraries is not None:
        found["LD_LIBRARY_PATH"] = ":".join(libraries)
    process = Process(
        user=USER,
        exposed_ports={f"{PORT}/tcp": {}},
        env=[f"{name}={value}" for name, value in sorted(found.items())],
        entrypoint=["python3" if libraries is None else interpreters.PROGRAM, "-m", _MODULE],
        working_dir=HOME,
        labels={PYTHON_LABEL: python.version},
        stop_signal="SIGTERM",
    )
    return Config(
        architecture=platform.architecture,
        os=platform.os,
        config=process,
        created=moment,
        rootfs=RootFs("layers", [layer.diff_id for layer in layers]),
        history=[Step(created=moment, created_by=layer.made_of) for layer in layers],
    )


def annotations(version: ModelVersion, environment: str | None) -> dict[str, str]:
    """What the image says of where it comes from."""
    found = {
        "org.opencontainers.image.title": version.name,
        "org.opencontainers.image.version": str(version.version),
    }
    if version.run_id:
        found["dev.ml-workspace-lab.run"] = version.run_id
    if environment:
        found["dev.ml-workspace-lab.environment"] = environment
    return found
