"""Reading the folder that MLflow kept runs in before it had a database (`mlruns`)."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.transfer import mlflow_folder_traces as traces
from ml_workspace_lab.transfer.mlflow_files import META, Files, meta, moment
from ml_workspace_lab.transfer.mlflow_source import (
    SourceExperiment,
    SourceInput,
    SourceMetric,
    SourceModel,
    SourceRegistered,
    SourceRun,
    SourceThing,
    SourceVersion,
)
from ml_workspace_lab.transfer.report import NotMapped

TRASH, MODELS = ".trash", "models"
_STATUSES = ("", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
_MODEL_STATUSES = ("", "PENDING", "READY", "FAILED")


class FolderSource:
    """An MLflow store in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders = {
            folder.name: folder
            for parent in (root, root / TRASH)
            for folder in _folders(parent)
            if folder.name not in (MODELS, TRASH)
            and (_has_meta(folder) or any(map(_has_meta, _folders(folder))))
        }
        if not any(map(_has_meta, self._folders.values())):
            raise InvalidInput(f"{shown(root)} is not a store of MLflow.", field="source")
        self._runs: dict[str, Path] = {}
        self._files = Files()

    def experiments(self) -> list[SourceExperiment]:
        folders = [folder for _, folder in sorted(self._folders.items())]
        lost = " Its runs, logged models and traces are left out, too."
        return list(self._files.readable("experiment", folders, self._experiment, lost))

    def run_ids(self, experiment: str) -> Sequence[str]:
        folders = [
            folder
            for folder in _folders(self._folders[experiment])
            if folder.name not in ("tags", "datasets", traces.FOLDER, MODELS) and _is_kept(folder)
        ]
        self._runs |= {folder.name: folder for folder in folders}
        return [run for _, run in sorted(self._files.readable("run", folders, _start))]

    def runs(self, ids: Sequence[str]) -> list[SourceRun]:
        return [self._run(self._runs[run]) for run in ids]

    def logged_models(self, experiment: str) -> list[SourceModel]:
        found = list(filter(_is_kept, _folders(self._folders[experiment] / MODELS)))
        return list(self._files.readable("logged model", found, self._logged_model))

    def registered_models(self) -> list[SourceRegistered]:
        found = list(filter(_is_kept, _folders(self._root / MODELS)))
        return list(self._files.readable("registered model", found, self._registered))

    def belongings(self, experiment: str) -> Mapping[str, Sequence[str]]:
        """Traces: such a store has nothing else."""
        return {"traces": traces.ids(self._folders[experiment])}

    def things(self, field: str, experiment: str, ids: Sequence[str]) -> list[SourceThing]:  # noqa: ARG002
        return traces.read(self._files, self._folders[experiment], ids)

    def others(self) -> Iterator[tuple[str, int]]:
        """Nothing: all that there is is taken."""
        yield from ()

    def unread(self) -> list[NotMapped]:
        return list(self._files.damaged.values())

    def _experiment(self, folder: Path) -> SourceExperiment:
        found = meta(folder)
        return SourceExperiment(
            id=folder.name,
            name=str(found["name"]),
            deleted=found.get("lifecycle_stage") == "deleted",
            created=moment(found, "creation_time"),
            updated=moment(found, "last_update_time"),
            tags=self._files.texts("tag", folder / "tags"),
        )

    def _run(self, folder: Path) -> SourceRun:
        found = meta(folder)
        run = SourceRun(
            id=folder.name,
            experiment=folder.parent.name,
            status=_word(found["status"], _STATUSES),
            name=str(found.get("run_name") or ""),
            user=str(found.get("user_id") or ""),
            start=found.get("start_time"),
            end=found.get("end_time"),
            deleted=found.get("lifecycle_stage") == "deleted",
            deleted_time=found.get("deleted_time"),
            artifact_uri=str(found.get("artifact_uri") or folder / "artifacts"),
            params=self._files.texts("parameter", folder / "params"),
            tags=self._files.texts("tag", folder / "tags"),
        )
        for name, lines in self._files.lines(folder / "metrics"):
            rows = [line.split(" ") for line in lines]
            run.metrics[name] = (
                array("q", [int(row[2]) if len(row) > 2 else 0 for row in rows]),
                array("q", [int(row[0]) for row in rows]),
                array("d", [float(row[1]) for row in rows]),
            )
        run.inputs = [*self._inputs(folder), *_outputs(folder)]
        return run

    def _inputs(self, run: Path) -> Iterator[SourceInput]:
        for folder in _folders(run / "inputs"):
            found = meta(folder)
            tags = {str(key): str(value) for key, value in (found.get("tags") or {}).items()}
            name = str(found["source_id"])
            if found["source_type"] == "DATASET":
                dataset = meta(run.parent / "datasets" / name)
                names = ("source_type", "source", "schema", "profile")
                data = {key: dataset[key] for key in names if dataset.get(key) is not None}
                yield SourceInput(
                    "input", "dataset", str(dataset["name"]), str(dataset["digest"]), data, tags
                )
            else:
                yield SourceInput("input", "model", name, tags=tags)

    def _logged_model(self, folder: Path) -> SourceModel:
        found = meta(folder)
        metrics = []
        for name, lines in self._files.lines(folder / "metrics"):
            for line in lines:
                time, value, step, *rest = line.split(" ")
                *dataset, run = rest or [""]
                metrics.append(
                    SourceMetric(name, float(value), int(step), int(time), run or None, *dataset)
                )
        return SourceModel(
            id=folder.name,
            name=str(found["name"]),
            status=_word(found["status"], _MODEL_STATUSES),
            created=found["creation_timestamp"],
            updated=found["last_updated_timestamp"],
            model_type=str(found.get("model_type") or ""),
            status_message=str(found.get("status_message") or ""),
            deleted=found.get("lifecycle_stage") == "deleted",
            run=found.get("source_run_id"),
            artifact_uri=str(found.get("artifact_location") or folder / "artifacts"),
            params=self._files.texts("parameter", folder / "params"),
            tags=self._files.texts("tag", folder / "tags"),
            metrics=metrics,
        )

    def _registered(self, folder: Path) -> SourceRegistered:
        found = meta(folder)
        folders = [path for path in _folders(folder) if path.name.startswith("version-")]
        versions = list(self._files.readable("model version", folders, self._version))
        numbers = {version.version for version in versions}
        aliases = self._files.texts("alias", folder / "aliases")
        return SourceRegistered(
            name=str(found["name"]),
            created=found["creation_timestamp"],
            updated=found["last_updated_timestamp"],
            description=str(found.get("description") or ""),
            tags=self._files.texts("tag", folder / "tags"),
            aliases={name: int(text) for name, text in aliases.items() if int(text) in numbers},
            versions=sorted(versions, key=lambda version: version.version),
        )

    def _version(self, folder: Path) -> SourceVersion:
        found = meta(folder)
        return SourceVersion(
            version=int(found["version"]),
            created=found["creation_timestamp"],
            updated=found["last_updated_timestamp"],
            description=str(found.get("description") or ""),
            user=str(found.get("user_id") or ""),
            stage=str(found.get("current_stage") or "None"),
            source=str(found.get("source") or ""),
            location=str(found.get("storage_location") or ""),
            run=str(found.get("run_id") or ""),
            run_link=str(found.get("run_link") or ""),
            tags=self._files.texts("tag", folder / "tags"),
        )


def _has_meta(folder: Path) -> bool:
    return (folder / META).is_file()


def _is_kept(folder: Path) -> bool:
    """Whether a folder is of a run or a model, also where its own record is lost."""
    parts = ("params", "metrics", "tags", "artifacts", "version-1")
    return _has_meta(folder) or any((folder / part).is_dir() for part in parts)


def _outputs(run: Path) -> Iterator[SourceInput]:
    for folder in _folders(run / "outputs"):
        found = meta(folder)
        step = found.get("step") or 0
        yield SourceInput("output", "model", str(found["source_id"]), data={"step": step})


def _start(folder: Path) -> tuple[int, str]:
    """When a run began, and its id."""
    return moment(meta(folder), "start_time") or 0, folder.name


def _word(value: object, words: Sequence[str]) -> str:
    """A status by its number or its own name."""
    return words[value] if isinstance(value, int) and value < len(words) else str(value)


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir())
