"""Reading the folder that MLflow kept runs in before it had a database (`mlruns`)."""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.transfer.mlflow_source import (
    SourceExperiment,
    SourceInput,
    SourceMetric,
    SourceModel,
    SourceRegistered,
    SourceRun,
    SourceVersion,
)

META, TRASH, MODELS = "meta.yaml", ".trash", "models"
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
            if folder.name != MODELS and (folder / META).is_file()
        }
        if not self._folders:
            raise InvalidInput(f"{shown(root)} is not a store of MLflow.", field="source")
        self._runs: dict[str, Path] = {}

    def experiments(self) -> list[SourceExperiment]:
        found = []
        for name, folder in sorted(self._folders.items()):
            meta = _meta(folder)
            found.append(
                SourceExperiment(
                    id=name,
                    name=str(meta["name"]),
                    deleted=meta.get("lifecycle_stage") == "deleted",
                    created=meta.get("creation_time"),
                    updated=meta.get("last_update_time"),
                    tags=_texts(folder / "tags"),
                )
            )
        return found

    def run_ids(self, experiment: str) -> Sequence[str]:
        folders = [
            folder
            for folder in _folders(self._folders[experiment])
            if folder.name not in ("tags", "datasets", "traces", MODELS)
            and (folder / META).is_file()
        ]
        self._runs |= {folder.name: folder for folder in folders}
        starts = {folder.name: _meta(folder).get("start_time") or 0 for folder in folders}
        return sorted(starts, key=lambda run: (starts[run], run))

    def runs(self, ids: Sequence[str]) -> list[SourceRun]:
        return [self._run(self._runs[run]) for run in ids]

    def logged_models(self, experiment: str) -> list[SourceModel]:
        folders = _folders(self._folders[experiment] / MODELS)
        return [_logged_model(folder) for folder in folders if (folder / META).is_file()]

    def registered_models(self) -> list[SourceRegistered]:
        folders = _folders(self._root / MODELS)
        return [_registered(folder) for folder in folders if (folder / META).is_file()]

    def others(self) -> Iterator[tuple[str, int]]:
        for folder in self._folders.values():
            yield f"traces of experiment {folder.name}", len(_folders(folder / "traces"))

    def _run(self, folder: Path) -> SourceRun:
        meta = _meta(folder)
        run = SourceRun(
            id=folder.name,
            experiment=folder.parent.name,
            status=_word(meta["status"], _STATUSES),
            name=str(meta.get("run_name") or ""),
            user=str(meta.get("user_id") or ""),
            start=meta.get("start_time"),
            end=meta.get("end_time"),
            deleted=meta.get("lifecycle_stage") == "deleted",
            deleted_time=meta.get("deleted_time"),
            artifact_uri=str(meta.get("artifact_uri") or folder / "artifacts"),
            params=_texts(folder / "params"),
            tags=_texts(folder / "tags"),
        )
        for name, lines in _lines(folder / "metrics"):
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
            meta = _meta(folder)
            tags = {str(key): str(value) for key, value in (meta.get("tags") or {}).items()}
            name = str(meta["source_id"])
            if meta["source_type"] == "DATASET":
                dataset = _meta(run.parent / "datasets" / name)
                names = ("source_type", "source", "schema", "profile")
                data = {key: dataset[key] for key in names if dataset.get(key) is not None}
                yield SourceInput(
                    "input", "dataset", str(dataset["name"]), str(dataset["digest"]), data, tags
                )
            else:
                yield SourceInput("input", "model", name, tags=tags)


def _outputs(run: Path) -> Iterator[SourceInput]:
    for folder in _folders(run / "outputs"):
        meta = _meta(folder)
        step = meta.get("step") or 0
        yield SourceInput("output", "model", str(meta["source_id"]), data={"step": step})


def _logged_model(folder: Path) -> SourceModel:
    meta = _meta(folder)
    metrics = []
    for name, lines in _lines(folder / "metrics"):
        for line in lines:
            time, value, step, *rest = line.split(" ")
            *dataset, run = rest or [""]
            metrics.append(
                SourceMetric(name, float(value), int(step), int(time), run or None, *dataset)
            )
    return SourceModel(
        id=folder.name,
        name=str(meta["name"]),
        status=_word(meta["status"], _MODEL_STATUSES),
        created=meta["creation_timestamp"],
        updated=meta["last_updated_timestamp"],
        model_type=str(meta.get("model_type") or ""),
        status_message=str(meta.get("status_message") or ""),
        deleted=meta.get("lifecycle_stage") == "deleted",
        run=meta.get("source_run_id"),
        artifact_uri=str(meta.get("artifact_location") or folder / "artifacts"),
        params=_texts(folder / "params"),
        tags=_texts(folder / "tags"),
        metrics=metrics,
    )


def _registered(folder: Path) -> SourceRegistered:
    meta = _meta(folder)
    versions = [path for path in _folders(folder) if path.name.startswith("version-")]
    return SourceRegistered(
        name=str(meta["name"]),
        created=meta["creation_timestamp"],
        updated=meta["last_updated_timestamp"],
        description=meta.get("description") or "",
        tags=_texts(folder / "tags"),
        aliases={name: int(text) for name, text in _texts(folder / "aliases").items()},
        versions=sorted(map(_version, versions), key=lambda version: version.version),
    )


def _version(folder: Path) -> SourceVersion:
    meta = _meta(folder)
    return SourceVersion(
        version=int(meta["version"]),
        created=meta["creation_timestamp"],
        updated=meta["last_updated_timestamp"],
        description=meta.get("description") or "",
        user=str(meta.get("user_id") or ""),
        stage=meta.get("current_stage") or "None",
        source=meta.get("source") or "",
        location=meta.get("storage_location") or "",
        run=meta.get("run_id") or "",
        run_link=meta.get("run_link") or "",
        tags=_texts(folder / "tags"),
    )


def _meta(folder: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    try:
        found = yaml.safe_load((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(f"{shown(folder / META)} can't be read.", field="source")
    return found


def _word(value: object, words: Sequence[str]) -> str:
    """A status by its number or its own name."""
    return words[value] if isinstance(value, int) and value < len(words) else str(value)


def _texts(folder: Path) -> dict[str, str]:
    """The files below a folder: each is a value, and its path the name."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _lines(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for name, text in _texts(folder).items():
        yield name, [line for line in text.splitlines() if line.strip()]


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir())
