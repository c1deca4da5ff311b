"""A registered model as its users hold it."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.client.contents import put_file
from ml_workspace_lab.client.files import is_file, is_folder, save
from ml_workspace_lab.errors import InvalidInput, NotFound, shown
from ml_workspace_lab.models.model import CreateModel, ModelFile, ModelVersion, RegisterModel
from ml_workspace_lab.storage.paths import below

if TYPE_CHECKING:
    from ml_workspace_lab.client.endpoint import Endpoint
    from ml_workspace_lab.client.run import Run
    from ml_workspace_lab.client.workspace import Workspace

MAX_DIGITS = 10


class Model:
    """One version of a registered model; its files never change."""

    def __init__(self, workspace: "Workspace", name: str, version: int | None = None) -> None:
        """The version of that number, or the newest. Raises NotFound."""
        self.workspace = workspace
        models = workspace.connection.models
        if version is None:
            version = models.get(name).latest_version
            if not version:
                raise NotFound(f"The model {name!r} has no versions.", field="model")
        self._info = models.version(name, version)

    @classmethod
    def parse(cls, workspace: "Workspace", text: str) -> "Model":
        """The model that `NAME` or `NAME:VERSION` names."""
        name, colon, version = text.partition(":")
        if colon and not (version.isdecimal() and len(version) <= MAX_DIGITS):
            raise InvalidInput(
                f"model: {shown(text)} does not name a version.",
                field="model",
                hint="Write NAME for the newest, or NAME:NUMBER.",
            )
        return cls(workspace, name, int(version) if colon else None)

    @classmethod
    def register(
        cls,
        workspace: "Workspace",
        model_name: str,
        model_path: str | Path | None = None,
        *,
        model: Any = None,
        input_example: Any = None,
        allow_pickle: bool = True,
        run: "Run | None" = None,
        artifact_path: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        description: str = "",
        model_framework: str = "",
    ) -> "Model":
        """A new version of the model `model_name`: the file or folder `model_path` of this
        machine, `artifact_path` among the artifacts of `run`, or the live object `model`.

        A live model of a library (scikit-learn, XGBoost, LightGBM, CatBoost, statsmodels, ONNX,
        Keras) or anything that predicts or can be called is written as a folder that MLflow loads,
        in the library's own format where that executes no code, else as a pickle, which
        `allow_pickle=False` refuses. With `input_example` (a data frame, or an array with a row
        for each input) its signature is kept. Raises InvalidInput.
        """
        if sum(given is not None for given in (model_path, artifact_path, model)) != 1:
            raise InvalidInput(
                "Give one of model_path, artifact_path and model.", field="model_path"
            )
        if input_example is not None and model is None:
            raise InvalidInput(
                "input_example: is an example for a live model, and none is given.",
                field="input_example",
            )
        files: list[ModelFile] = []
        if model_path is not None:
            files = _put_files(workspace, Path(model_path))
        if model is not None:
            from ml_workspace_lab.models.flavors import folder as flavors

            convert({"name": model_name}, CreateModel)  # before the work of writing it
            with tempfile.TemporaryDirectory() as folder:
                found = flavors.write(
                    model, Path(folder), input_example=input_example, allow_pickle=allow_pickle
                )
                model_framework = model_framework or found
                files = _put_files(workspace, Path(folder))
        info = workspace.connection.models.register(
            model_name,
            RegisterModel(
                run_id=run.id if run else None,
                artifact_path=artifact_path,
                files=files,
                framework=model_framework,
                description=description,
                tags=dict(tags or {}),
                properties=dict(properties or {}),
            ),
        )
        return cls(workspace, info.name, info.version)

    @property
    def name(self) -> str:
        return self._info.name

    @property
    def version(self) -> int:
        return self._info.version

    @property
    def id(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def tags(self) -> dict[str, str]:
        return self._info.tags

    def info(self) -> ModelVersion:
        return self._info

    def get_details(self) -> dict[str, Any]:
        details: dict[str, Any] = msgspec.to_builtins(self._info)
        return details

    def download(self, target_dir: str | Path = ".") -> Path:
        """Copy the files into a folder; where they lie now. Nothing is loaded."""
        root = Path(target_dir)
        root.mkdir(parents=True, exist_ok=True)
        for file in self._info.files:
            content = self.workspace.connection.models.file(self.name, self.version, file.path)
            save(content, below(root, file.path))
        return root

    def delete(self) -> None:
        """Delete this version. Raises Conflict while an endpoint serves it."""
        self.workspace.connection.models.delete(self.name, self.version)

    def preflight(self, scoring_script: str | Path | None = None, *, sample: Any = None) -> Any:
        """Try what scores in a fresh process, before anything is deployed: `init()` and
        `run(sample)` of a script, or the model's own predict. The answer; None without a sample.
        Raises ScoringFailed with the traceback, InvalidInput where the sample is refused."""
        from ml_workspace_lab.client.endpoint import preflight

        return preflight(self, scoring_script, sample)

    def deploy(self, endpoint_name: str, **options: Any) -> "Endpoint":
        """Serve this version: see `Endpoint.deploy`."""
        from ml_workspace_lab.client.endpoint import Endpoint

        return Endpoint.deploy(self.workspace, endpoint_name, self, **options)

    def __repr__(self) -> str:
        return f"Model({self.id!r})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        from ml_workspace_lab.client.card import model_bundle

        return model_bundle(self._info)


def _put_files(workspace: "Workspace", path: Path) -> list[ModelFile]:
    if is_file(path):
        found = {path.name: path}
    elif is_folder(path):
        files = sorted(file for file in path.rglob("*") if file.is_file())
        found = {file.relative_to(path).as_posix(): file for file in files}
    else:
        raise NotFound(f"There is no file or folder {shown(path)}.", field="model_path")
    if not found:
        raise InvalidInput(f"The folder {shown(path)} has no files.", field="model_path")
    return [ModelFile(name, *put_file(workspace.connection, file)) for name, file in found.items()]
