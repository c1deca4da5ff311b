"""Which packages go into an image: an environment's, or those that a model says it needs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from packaging.requirements import Requirement

from ml_workspace_lab.environments.conda import as_pip
from ml_workspace_lab.environments.model import (
    CondaSpecification,
    KernelEnvironment,
    PipRequirements,
    Specification,
)
from ml_workspace_lab.environments.requirements import read as lines_of
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.described import MLMODEL
from ml_workspace_lab.models.model import ModelFile, ModelVersion
from ml_workspace_lab.models.packages import distributions
from ml_workspace_lab.storage.blobs import Blobs

OF_THE_SERVER = ("httptools", "msgspec", "psutil")
"""What answers requests needs, besides this package itself."""
OF_FOLDERS = ("numpy", "pyyaml")
"""What it needs to read a folder with an MLmodel file, and to put rows to the model."""
OF_GRAPHS = ("onnxruntime",)
"""What a model's graph takes to answer."""
FOR_SPEED = ("uvloop",)
"""What answers requests sooner, on the systems that it is made for."""
FOR_NAMED_COLUMNS = ("pandas",)
"""What models that know their columns by name are given rows in; others do without."""
OF_MLFLOW = ("mlflow", "mlflow-skinny", "mlflow-tracing")
"""What wrote a folder says that it needs itself; whoever reads it here doesn't."""
REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class Needs:
    """Requirements, packages that are wanted where they are there, and those that are left out even
    where others need them."""

    wanted: list[Requirement]
    if_there: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)


def of_environment(specification: Specification) -> list[Requirement]:
    """What an environment was asked for; the versions are those that it has locked. Where a run
    executes it has what runs jobs as well, which nobody needs here."""
    match specification:
        case PipRequirements(requirements):
            return distributions.read(requirements)
        case CondaSpecification():
            return distributions.read(as_pip(specification).requirements)
        case KernelEnvironment(record):
            return _named([package.name for package in record.packages])
    raise InvalidInput(
        "The environment is an interpreter that somebody else takes care of: its packages are not"
        " locked.",
        field="environment",
        hint="Register one from requirements, or from a kernel.",
    )


def of_models(versions: Sequence[ModelVersion], blobs: Blobs) -> list[Requirement]:
    """What the models say. Raises InvalidInput where one says nothing."""
    found: list[Requirement] = []
    for version in versions:
        files = [file for file in version.files if _name(file) == REQUIREMENTS]
        if not files:
            raise InvalidInput(
                f"{version.name}:{version.version} does not say which packages it needs: it has no"
                f" {REQUIREMENTS}.",
                field="environment",
                hint="Register an environment, and name it.",
            )
        for file in files:
            text = blobs.read(file.digest).decode("utf-8", "replace")
            found += distributions.read(lines_of(text))
    return found


def of_scoring(versions: Sequence[ModelVersion], *, has_script: bool) -> Needs:
    """What is needed to answer requests with these models, and what isn't though they say so."""
    is_folder = any(_name(file) == MLMODEL for one in versions for file in one.files)
    if has_script or not is_folder:
        return Needs(_named(OF_THE_SERVER), FOR_SPEED)
    wanted = _named((*OF_THE_SERVER, *OF_FOLDERS))
    return Needs(wanted, (*FOR_SPEED, *FOR_NAMED_COLUMNS), OF_MLFLOW)


def _named(names: Sequence[str]) -> list[Requirement]:
    return [Requirement(name) for name in names]


def _name(file: ModelFile) -> str:
    return file.path.rpartition("/")[2]
