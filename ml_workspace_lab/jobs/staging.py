"""What a run finds beside its snapshot: its inputs, and outputs to go on from.

Who they come from may still be at work when a run is submitted, so they are looked up when it
begins.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.jobs.model import (
    ModelInput,
    PathInput,
    RunInput,
    StagedFile,
    Staging,
    SubmitRun,
)
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import disk_errors
from ml_workspace_lab.storage.paths import below, relative

INPUTS = "inputs"
OUTPUTS = "outputs"


def staging_of(services: Services, submission: SubmitRun) -> Staging:
    """Raises NotFound naming what isn't there."""
    files: list[StagedFile] = []
    places: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    if submission.resume_from is not None:
        files += _artifacts(services, submission.resume_from, OUTPUTS, OUTPUTS)[0]
    for name, given in submission.inputs.items():
        place = f"{INPUTS}/{name}"
        match given:
            case RunInput(run_id, path):
                found, place = _artifacts(services, run_id, relative(path), place)
                if not found:
                    raise NotFound(
                        f"inputs.{name}: run {run_id} has no artifact {path!r}.", field="inputs"
                    )
                files += found
            case ModelInput(model, version):
                known = services.models.version(model, version).files
                files += [StagedFile(f"{place}/{f.path}", f.digest, f.size) for f in known]
            case PathInput(path):
                elsewhere[name] = path
                continue
        places[name] = place
    return Staging(files, places, elsewhere)


def lay_out(
    staging: Staging, work: Path, open_: Callable[[StagedFile], BinaryIO]
) -> dict[str, str]:
    """Copy the staged files into `work`; the path of each input by its name."""
    with disk_errors():
        for file in staging.files:
            target = below(work, file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_(file) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
    inside = {name: os.fspath(work / place) for name, place in staging.places.items()}
    return inside | staging.elsewhere


def output_places(submission: SubmitRun, work: Path) -> dict[str, str]:
    """The path of each output by its name; folders are there, files have a place to be."""
    found = {}
    for name, output in submission.outputs.items():
        path = work / OUTPUTS / name
        (path if output.kind == "folder" else path.parent).mkdir(parents=True, exist_ok=True)
        found[name] = os.fspath(path)
    return found


def variables(inputs: dict[str, str], outputs: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Where inputs and outputs are, as a run's environment tells it."""
    for name, path in inputs.items():
        yield f"AZURE_ML_INPUT_{name}", path
        yield f"AZUREML_DATAREFERENCE_{name}", path
    for name, path in outputs.items():
        yield f"AZURE_ML_OUTPUT_{name}", path


def _artifacts(
    services: Services, run_id: str, path: str, place: str
) -> tuple[list[StagedFile], str]:
    """The artifacts of a run at or below `path`, laid out at `place`, and where that is: of a file,
    the file."""
    known = services.artifacts.list(run_id).items
    for one in known:
        if one.path == path:
            target = f"{place}/{path.rpartition('/')[2]}"
            return [StagedFile(target, one.digest, one.size)], target
    prefix = f"{path}/"
    return [
        StagedFile(f"{place}/{one.path.removeprefix(prefix)}", one.digest, one.size)
        for one in known
        if one.path.startswith(prefix)
    ], place
