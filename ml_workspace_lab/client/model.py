"""A registered model as its users hold it."""

import builtins
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.client.contents import put_file
from ml_workspace_lab.client.files import is_file, is_folder, save
from ml_workspace_lab.client.model_record import ModelRecord, named
from ml_workspace_lab.errors import Denied, InvalidInput, NotFound, shown
from ml_workspace_lab.models.model import (
    CreateModel,
    ModelFile,
    ModelVersion,
    RegisterModel,
    Stage,
)
from ml_workspace_lab.storage.paths import below

if TYPE_CHECKING:
    from ml_workspace_lab.client.endpoint import Endpoint
    from ml_workspace_lab.client.model_views import ModelCard, ModelDiff
    from ml_workspace_lab.client.package import Package
    from ml_workspace_lab.client.profile_view import ModelProfile
    from ml_workspace_lab.client.run import Run
    from ml_workspace_lab.client.workspace import Workspace
    from ml_workspace_lab.endpoints.model import Engine
    from ml_workspace_lab.models.compiled.model import Compilation

MAX_DIGITS = 10


class Model(ModelRecord):
    """One version of a registered model; its files never change."""

    def __init__(self, workspace: "Workspace", name: str, version: int | None = None) -> None:
        """The version of that number, that of an alias (`NAME@ALIAS`), or the newest. Raises
        NotFound."""
        super().__init__(workspace, named(workspace.connection, name, version))

    @classmethod
    def parse(cls, workspace: "Workspace", text: str) -> "Model":
        """The model that `NAME`, `NAME:VERSION` or `NAME@ALIAS` names."""
        name, colon, version = text.partition(":")
        if colon and not (version.isdecimal() and len(version) <= MAX_DIGITS):
            raise InvalidInput(
                f"model: {shown(text)} does not name a version.",
                field="model",
                hint="Write NAME for the newest, NAME:NUMBER, or NAME@ALIAS.",
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
        files: builtins.list[ModelFile] = []
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
        made = cls(workspace, info.name, info.version)
        if model is not None and info.executes_code:
            with suppress(Denied):  # who may not decide has registered it all the same
                made.trust("a live object that its user registered")
        return made

    @classmethod
    def list(
        cls,
        workspace: "Workspace",
        name: str | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        run_id: str | None = None,
        framework: str | None = None,
        stage: Stage | None = None,
        latest: bool = False,
    ) -> "builtins.list[Model]":
        """The versions that all of this is true of, the one that was changed last first; with
        `latest` only the newest of each model. Archived ones are left out unless `stage` asks."""
        from ml_workspace_lab.client.model_search import listed

        found = listed(
            workspace.connection,
            {"name": name, "run_id": run_id, "framework": framework, "stage": stage},
            tags or {},
            properties or {},
            latest=latest,
        )
        return [cls._of(workspace, info) for info in found]

    @classmethod
    def search(
        cls,
        workspace: "Workspace",
        filter: str = "",  # noqa: A002 - as runs are searched
        *,
        order_by: str | Sequence[str] = (),
        max_results: int | None = None,
    ) -> "builtins.list[Model]":
        """The versions that a filter matches, such as `name = 'wine' and tags.team = 'red'`: its
        attributes are name, version, run_id, source, model_id, description, framework, stage,
        user, created and updated. Raises InvalidInput with the place that can't be read."""
        from ml_workspace_lab.client.model_search import searched

        order = [order_by] if isinstance(order_by, str) else [*order_by]
        found = searched(workspace.connection, filter, order, max_results)
        return [cls._of(workspace, info) for info in found]

    @classmethod
    def _of(cls, workspace: "Workspace", info: ModelVersion) -> "Model":
        made = cls.__new__(cls)
        ModelRecord.__init__(made, workspace, info)
        return made

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

    def compile(self, data: Any = None) -> "Compilation":
        """Make an ONNX graph of this version in a fresh process of this environment, and keep it
        for endpoints where it answers as the model does and is faster; what was found.

        Both are put to the input example that the version was registered with, to `data` (a data
        frame, or an array with a row for each input), and to rows made from them. Raises
        InvalidInput where it could not be tried, Conflict where nobody has decided to trust it.
        """
        from ml_workspace_lab.client.compiling import compile_model

        return compile_model(self, data)

    def profile(
        self,
        sample: Any = None,
        *,
        scoring_script: str | Path | None = None,
        concurrency: Sequence[int] = (1, 2, 4, 8, 16),
        seconds: float = 2.0,
        engine: "Engine" = "auto",
        say: Callable[[str], None] | None = None,
    ) -> "ModelProfile":
        """Measure what serves this version: its scoring process is started in this environment and
        asked with `sample` (JSON; by default the first row of the input example) over 1, 2, … (the
        `concurrency`) connections, for so many seconds each; then several processes together.

        Latency (p50, p95, p99 in ms), requests/s, memory, processor time, start, and the number of
        processes to have with the reason are kept with the version; the card shows them. How far
        it has come goes to `say`, by default the error stream. Interrupted, it leaves nothing
        running. Raises ScoringFailed with what the process said, InvalidInput without a sample,
        Conflict where nobody has decided to trust it.
        """
        from ml_workspace_lab.client.profile_view import ModelProfile
        from ml_workspace_lab.client.profiling import profile_model

        found = profile_model(self, sample, scoring_script, concurrency, seconds, engine, say)
        return ModelProfile(found)

    def deploy(self, endpoint_name: str, **options: Any) -> "Endpoint":
        """Serve this version: see `Endpoint.deploy`."""
        from ml_workspace_lab.client.endpoint import Endpoint

        return Endpoint.deploy(self.workspace, endpoint_name, self, **options)

    def diff(self, other: "Model | int | str") -> "ModelDiff":
        """What differs from this version to another one (a number: of this model; a text as in
        `parse`): parameters, metrics, signature, files. A cell's result shows it."""
        from ml_workspace_lab.client.model_views import ModelDiff

        if isinstance(other, int):
            other = Model(self.workspace, self.name, other)
        elif isinstance(other, str):
            other = Model.parse(self.workspace, other)
        reports = self.workspace.connection.model_reports
        return ModelDiff(reports.diff(self.name, self.version, other.version, other.name))

    def card(self) -> "ModelCard":
        """What is known of this version, with its run, datasets, signature and endpoints: `str()`
        of it is text, a cell shows it as a page."""
        from ml_workspace_lab.client.model_views import ModelCard

        return ModelCard(self.workspace.connection.model_reports.card(self.name, self.version))

    def package(self, *, target: str = "oci", wait: bool = True, **options: Any) -> "Package":
        """A container image that answers requests with this version: see `Package.create`. For the
        target `edge` it is an `EdgeModule`. Raises InvalidInput, and PackageFailed with the reason
        where it was waited for."""
        from ml_workspace_lab.client.package import package

        return package(self, target, wait=wait, **options)

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
