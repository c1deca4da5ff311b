"""Scoring a batch, as its user asks for it: from files, a table, or what a run made."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.client.contents import put_file
from ml_workspace_lab.client.files import is_file
from ml_workspace_lab.client.run import Run
from ml_workspace_lab.endpoints.batch.formats import check_no_address, check_sent, files_of
from ml_workspace_lab.endpoints.batch.model import InvokeBatch, OutputAction, RetrySettings
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.jobs.model import PathInput, Retry, RunInput
from ml_workspace_lab.snapshots.model import SnapshotFile

if TYPE_CHECKING:
    from ml_workspace_lab.client.endpoint import Endpoint
    from ml_workspace_lab.client.workspace import Workspace

LOCAL = "local"


def invoke_batch(
    endpoint: "Endpoint",
    data: Any,
    *,
    deployment: str | None = None,
    mini_batch_size: int = 1000,
    error_threshold: int = -1,
    output_action: OutputAction = "append_row",
    retry_settings: Mapping[str, float] | None = None,
    max_concurrency_per_instance: int | None = None,
    scoring_script: str | Path | None = None,
    experiment: str | None = None,
    display_name: str | None = None,
    compute_target: str = LOCAL,
    timeout_seconds: float | None = None,
    retry: Retry | None = None,
    tags: Mapping[str, str] | None = None,
    resume_from: Run | str | None = None,
) -> Run:
    """A run that scores every row of `data` by what a `deployment` of the endpoint serves now (by
    default the one with the most traffic), and leaves
    `outputs/predictions.parquet` (`.csv` where pyarrow isn't installed) with the columns `file` and
    `row` (from 0), then the predictions, in the order of the input; `outputs/errors.csv` names rows
    that failed, and why.

    `data` is a path of CSV (with a header), JSON lines, Parquet or Arrow, a list of such paths, or
    a folder of such files; a data frame or Arrow table; a run (its `outputs`), or a `RunInput`.
    `mini_batch_size` is in rows. Once more than `error_threshold` rows have failed (-1: never), the
    run fails.
    `output_action="summary_only"` writes no predictions. `retry_settings` has `max_retries` (3) and
    `timeout` in seconds (none) for a mini-batch. `max_concurrency_per_instance` is the number of
    processes. A `scoring_script` has `init()` and `run(mini_batch)`, which is given a data frame;
    without one what the endpoint has scores. `resume_from` is a run that stopped: what that one has
    finished is not scored again. Raises InvalidInput where the data is none that can be read.
    """
    workspace = endpoint.workspace
    script = None
    if scoring_script is not None:
        path = Path(scoring_script)
        if not is_file(path):
            raise InvalidInput(f"There is no scoring script {shown(path)}.", field="scoring_script")
        script, _ = put_file(workspace.connection, path)
    given, files = _input(workspace, data, compute_target)
    body = InvokeBatch(
        deployment=deployment,
        input=given,
        files=files,
        mini_batch_size=mini_batch_size,
        error_threshold=error_threshold,
        output_action=output_action,
        retry_settings=convert(dict(retry_settings or {}), RetrySettings),
        max_concurrency_per_instance=max_concurrency_per_instance,
        scoring_script=script,
        experiment=experiment,
        run_id=new_id(),
        display_name=display_name,
        compute_target=compute_target,
        timeout_seconds=timeout_seconds,
        retry=retry or Retry(),
        tags=dict(tags or {}),
        resume_from=resume_from.id if isinstance(resume_from, Run) else resume_from,
    )
    return Run(workspace, workspace.connection.batch_scoring.invoke(endpoint.name, body))


def _input(
    workspace: "Workspace", data: Any, compute_target: str
) -> tuple[PathInput | RunInput | None, list[SnapshotFile]]:
    """What is told of the data: where it lies, or the files that were sent."""
    if isinstance(data, PathInput | RunInput):
        return data, []
    if isinstance(data, Run):
        return RunInput(data.id), []
    if isinstance(data, list | tuple) and data and all(isinstance(x, str | Path) for x in data):
        named = _named([str(one) for one in data])
        return None, [
            SnapshotFile(name, *put_file(workspace.connection, path)) for name, path in named
        ]
    if not isinstance(data, str | Path):
        with tempfile.TemporaryDirectory() as folder:
            return None, _sent(workspace, _written(data, Path(folder)))
    if "://" in str(data):
        return PathInput(str(data)), []
    path = Path(data).expanduser().absolute()
    if isinstance(workspace.connection, LocalConnection) and compute_target == LOCAL:
        return PathInput(str(path)), []
    return None, _sent(workspace, path)


def _named(paths: list[str]) -> list[tuple[str, Path]]:
    """Files with the names that tell them apart: below the folder that all of them lie in. Raises
    InvalidInput naming one that can't be sent."""
    for path in paths:
        check_no_address(path, "data")
    # Links keep their names, which `resolve()` would not let them.
    files = [Path(os.path.abspath(Path(path).expanduser())) for path in paths]  # noqa: PTH100
    root = os.path.commonpath([file.parent for file in files])
    found: dict[str, Path] = {}
    for file in files:
        name = file.relative_to(root).as_posix()
        if not is_file(file):
            raise InvalidInput(f"data: there is no file {shown(file)}.", field="data")
        check_sent(name, "data")
        if found.setdefault(name, file) is not file:
            raise InvalidInput(f"data: names {shown(file)} twice.", field="data")
    return list(found.items())


def _sent(workspace: "Workspace", path: Path) -> list[SnapshotFile]:
    return [
        SnapshotFile(name, *put_file(workspace.connection, file)) for name, file in files_of(path)
    ]


def _written(data: Any, folder: Path) -> Path:
    """A table as a file: Parquet where pyarrow is installed, else CSV. Raises InvalidInput."""
    if type(data).__module__.partition(".")[0] == "polars":
        data = data.to_arrow()
    is_frame = hasattr(data, "to_csv") and hasattr(data, "columns")
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        pyarrow = None
    if pyarrow is not None and (is_frame or isinstance(data, pyarrow.Table)):
        if is_frame:
            data = pyarrow.Table.from_pandas(data, preserve_index=False)
        pyarrow.parquet.write_table(data, folder / "data.parquet")
        return folder / "data.parquet"
    if is_frame:
        data.to_csv(folder / "data.csv", index=False)
        return folder / "data.csv"
    raise InvalidInput(
        f"data: a {type(data).__name__} can't be scored as a batch.",
        field="data",
        hint="Give a path or several, a data frame, an Arrow table or a run.",
    )
