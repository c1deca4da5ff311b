"""The program of a run that scores a batch: from its settings and its input to its output."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from ml_workspace_lab.endpoints.batch import output
from ml_workspace_lab.endpoints.batch.crew import Crew
from ml_workspace_lab.endpoints.batch.finished import Finished
from ml_workspace_lab.endpoints.batch.model import SETTINGS, Settings
from ml_workspace_lab.endpoints.batch.plan import Plan, plan
from ml_workspace_lab.endpoints.batch.progress import Progress
from ml_workspace_lab.endpoints.batch.worker import Task
from ml_workspace_lab.errors import ScoringFailed, Unavailable, WorkspaceError
from ml_workspace_lab.experiments.lineage import AddLineage, LineageItem

if TYPE_CHECKING:
    from ml_workspace_lab.client.run import Run

OUTPUTS = Path("outputs")
FINISHED = Path("finished")
ENGINE = "engine"
"""The tag that says what scores."""
LAST_SECONDS = 3.0
"""How long a run that is canceled may take to keep what is finished."""
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def main(run: "Run") -> None:
    """Score the batch of a run in whose working folder this is; exits with 1 where that fails."""
    signal.signal(signal.SIGTERM, _leave)
    model, source = (Path(word).absolute() for word in sys.argv[1:3])
    try:
        _work(run, model, source)
    except WorkspaceError as error:
        print(f"{error}", file=sys.stderr)  # noqa: T201 - the log of the run
        sys.exit(1)


def _leave(number: int, _: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + number)


def _work(run: "Run", model: Path, source: Path) -> None:
    settings = msgspec.json.decode(Path(SETTINGS).read_bytes(), type=Settings)
    todo = plan(settings, model, source)
    _say(f"{todo.rows} rows in {len(todo.parts)} mini-batches, {len(todo.basis.files)} files.")
    _log_inputs(run, settings, todo)
    finished = Finished(run, FINISHED)
    finished.begin(todo.basis)
    if finished.numbers:
        _say(f"{len(finished.numbers)} mini-batches are finished already.")
    progress = Progress(run, todo.rows, finished)
    try:
        task = Task(settings, str(model), str(source), todo.kinds)
        _score(run, settings, todo, finished, progress, task)
    except ScoringFailed:
        if finished.failed:
            output.write_errors(todo, finished, OUTPUTS / output.ERRORS)
        raise
    finally:
        finished.close()
    progress.end()
    predicted = settings.output_action == "append_row"
    for path in output.write(todo, finished, OUTPUTS, with_predictions=predicted):
        run.upload_file(path.as_posix(), path)
    finished.remove()
    _say(f"{todo.rows - finished.failed} rows are scored, {finished.failed} have failed.")


def _score(
    run: "Run",
    settings: Settings,
    todo: Plan,
    finished: Finished,
    progress: Progress,
    task: Task,
) -> None:
    """Score what is not finished. Raises ScoringFailed where too much of it fails."""
    left = [part for part in todo.parts if part.number not in finished.numbers]
    _check_threshold(settings, finished.failed)
    if not left:
        return
    workers = min(settings.workers, len(left))
    _share_cores(workers)
    _say(f"Loading the model in {workers} processes.")
    crew = Crew(task, workers)
    failed = finished.failed
    has_begun = False
    try:
        for done in crew.score(left):
            if crew.served_by is not None and not has_begun:
                _tell_engine(run, str(crew.served_by))
                progress.begin()
                has_begun = True
            if has_begun:
                progress.show()
            if done is not None:
                failed += done.failed
                finished.put(done)
                _check_threshold(settings, failed)
        finished.settle()
        todo.check_unchanged()
    except BaseException:
        crew.close()
        with suppress(Exception):  # what ends the run is what came first
            finished.settle(LAST_SECONDS)
        raise
    finally:
        crew.close()


def _tell_engine(run: "Run", engine: str) -> None:
    """Say what scores, in the log and as a tag of the run."""
    _say(f"Scored by {engine}.")
    with suppress(Unavailable):  # The log says it.
        run.tag(ENGINE, engine)


def _check_threshold(settings: Settings, failed: int) -> None:
    if 0 <= settings.error_threshold < failed:
        raise ScoringFailed(
            f"{failed} rows have failed, more than the error_threshold of"
            f" {settings.error_threshold}.",
            hint="outputs/errors.csv names them. A run that resumes this one with a higher"
            " threshold goes on where it stopped.",
        )


def _share_cores(workers: int) -> None:
    """Libraries that compute with several threads shall not take the cores of other processes."""
    cores = os.cpu_count() or 1
    for name in THREADS:
        os.environ.setdefault(name, str(max(1, cores // workers)))


def _log_inputs(run: "Run", settings: Settings, todo: Plan) -> None:
    """The run's lineage: the version that scores, and what it scores."""
    run.log_input(
        f"models:/{settings.model}/{settings.version}",
        name=f"{settings.model}:{settings.version}",
        digest=settings.content,
        kind="model",
        context="scoring",
    )
    # It may be a folder or some files: the digest of what they hold is known already.
    data = {
        "source_type": "uri" if settings.source.startswith("runs:/") else "local",
        "source": settings.source,
        "rows": todo.rows,
        "columns": list(todo.kinds),
    }
    rows = LineageItem("input", "dataset", settings.source, todo.digest, "scoring", data)
    run.workspace.connection.lineage.add(run.id, AddLineage([rows]))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the log of the run
