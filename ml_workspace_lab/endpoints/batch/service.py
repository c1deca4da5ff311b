"""Batches: rows of files scored by what an endpoint serves, as a run."""

from io import BytesIO
from pathlib import Path

import msgspec

from ml_workspace_lab.access.authorize import allows
from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.compute.store import Target
from ml_workspace_lab.endpoints import store
from ml_workspace_lab.endpoints.batch.formats import check_no_address, check_sent, files_of
from ml_workspace_lab.endpoints.batch.model import (
    COMPILED,
    DATA,
    PROGRAM,
    SCORING_SCRIPT,
    SETTINGS,
    InvokeBatch,
    Script,
    Settings,
)
from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.model import EndpointName
from ml_workspace_lab.errors import Denied, InvalidInput, NotFound, shown
from ml_workspace_lab.experiments.model import RunInfo
from ml_workspace_lab.jobs.model import (
    After,
    Input,
    ModelInput,
    PathInput,
    RunInput,
    ScriptJob,
    SubmitRun,
)
from ml_workspace_lab.models.compiled.model import GRAPH, Compilation
from ml_workspace_lab.models.compiled.process import VERDICT
from ml_workspace_lab.models.trust import content_of
from ml_workspace_lab.snapshots.model import CreateSnapshot, SnapshotFile

LOCAL = "local"
MOST_WORKERS = 8
"""Processes that are started where nobody says how many."""
TEXT = b'''\
"""Scores the rows of a batch; `batch.json` says how."""

if __name__ == "__main__":
    from ml_workspace_lab import Run
    from ml_workspace_lab.endpoints.batch.work import main

    main(Run.get_context())
'''


class BatchScoring(Service):
    """Rows of files, scored as runs by what endpoints serve."""

    @operation(
        "POST",
        "/endpoints/{name}/invoke-batch",
        action="experiments/runs/submit/action",
        body_limit=64 * 1024 * 1024,
    )
    def invoke(self, name: EndpointName, body: InvokeBatch) -> RunInfo:
        """A run that scores the rows of an input by the version that a deployment serves now, in
        parallel mini-batches, and keeps the predictions in the order of the input. Raises
        InvalidInput where the input is none that can be read."""
        if not allows(caller(), "endpoints/score/action"):
            raise Denied(f"{caller().name} may not do endpoints/score/action.")
        target = self.services.computes.target(body.compute_target)
        endpoint = store.get(self.storage.database, name)
        wanted = endpoint.deployment(body.deployment) if body.deployment else endpoint.main
        self._check_input(body, target)
        after = self._runs(body.input) if isinstance(body.input, RunInput) else []
        settings, compiled = self._settings(wanted, body, target)
        inputs: dict[str, Input] = {"model": ModelInput(settings.model, settings.version)}
        if body.input is not None:
            inputs[DATA] = body.input
        data = DATA if body.input is None else f"${{{{inputs.{DATA}}}}}"
        submission = SubmitRun(
            job=ScriptJob(PROGRAM, ["${{inputs.model}}", data]),
            snapshot_id=self._snapshot(body, settings, compiled),
            run_id=body.run_id,
            compute_target=body.compute_target,
            display_name=body.display_name,
            tags={"endpoint": name, "model": f"{settings.model}:{settings.version}", **body.tags},
            environment_variables=wanted.variables,
            timeout_seconds=body.timeout_seconds,
            python=wanted.python if target.kind == LOCAL else None,
            resources=Resources(cores=self._room(settings.workers, target)),
            retry=body.retry,
            after=after,
            inputs=inputs,
            resume_from=body.resume_from,
        )
        return self.services.jobs.submit(body.experiment or name, submission)

    def _check_input(self, body: InvokeBatch, target: Target) -> None:
        """Raise InvalidInput where there is no input, or none that can be read."""
        if (body.input is None) == (not body.files):
            raise InvalidInput("Give either input or files.", field="input")
        for file in body.files:
            check_sent(file.path, "files")
        if isinstance(body.input, PathInput):
            _check_path(body.input.path, is_here=target.kind == LOCAL)

    def _runs(self, given: RunInput) -> list[After]:
        """The run to wait for, where it goes on. Raises InvalidInput where it has ended and has no
        such artifacts."""
        try:
            run = self.services.runs.get(given.run_id)
        except NotFound as error:
            raise InvalidInput(f"input: {error.message}", field="input") from None
        if not run.state.is_terminal:
            return [After(given.run_id)]
        known = [artifact.path for artifact in self.services.artifacts.list(given.run_id).items]
        if any(path == given.path or path.startswith(f"{given.path}/") for path in known):
            return []
        raise InvalidInput(
            f"input: run {given.run_id} has no artifact {shown(given.path)}.",
            field="input",
            hint=f"It has: {', '.join(known[:20]) or 'none'}.",
        )

    def _settings(
        self, wanted: WantedDeployment, body: InvokeBatch, target: Target
    ) -> tuple[Settings, Compilation | None]:
        """What the run is told, and what is known of the model's graph where that may score."""
        info = wanted.info
        self.services.model_trust.require(info.model, info.model_version)
        model = self.services.models.version(info.model, info.model_version)
        digest = body.scoring_script or info.scoring_script
        if digest is not None and not self.storage.blobs.has(digest):
            raise NotFound(
                "The scoring script's content is missing.",
                field="scoring_script",
                hint="Put it first.",
            )
        kind: Script = "batch" if body.scoring_script else "online" if digest else ""
        compiled = None
        if not kind and info.engine != "native":
            compiled = self.services.compilations.known(model)
        settings = Settings(
            endpoint=wanted.endpoint,
            deployment=info.name,
            model=info.model,
            version=info.model_version,
            content=content_of(model),
            script=kind,
            script_digest=digest or "",
            mini_batch_size=body.mini_batch_size,
            error_threshold=body.error_threshold,
            output_action=body.output_action,
            retry_settings=body.retry_settings,
            workers=body.max_concurrency_per_instance or self._workers(target),
            source=_source(body),
            providers=info.providers,
            engine=info.engine,
            graph=(compiled.onnx or "") if compiled is not None else "",
        )
        return settings, compiled

    def _cores(self, target: Target) -> float | None:
        """How many the target has; None where its engine alone knows that."""
        if target.kind != LOCAL:
            return None
        [node] = self.services.computes.driver(target).capacity().nodes
        return node.cores

    def _workers(self, target: Target) -> int:
        return max(1, min(int(self._cores(target) or 1), MOST_WORKERS))

    def _room(self, workers: int, target: Target) -> float:
        """The cores to ask for: processes may be more than there are, and then share them."""
        return min(workers, self._cores(target) or workers)

    def _snapshot(self, body: InvokeBatch, settings: Settings, compiled: Compilation | None) -> str:
        """What the run starts from: its program, its settings, the script, the model's graph, and
        the rows that were sent."""
        files = [
            self._file(PROGRAM, TEXT),
            self._file(SETTINGS, msgspec.json.format(msgspec.json.encode(settings))),
        ]
        if settings.script:
            size = self.storage.blobs.size(settings.script_digest)
            files.append(SnapshotFile(SCORING_SCRIPT, settings.script_digest, size))
        if compiled is not None:
            told = msgspec.json.encode(compiled.verdict)
            files.append(self._file(f"{COMPILED}/{VERDICT}", told))
        if settings.graph:
            size = self.storage.blobs.size(settings.graph)
            files.append(SnapshotFile(f"{COMPILED}/{GRAPH}", settings.graph, size))
        for file in body.files:
            files.append(msgspec.structs.replace(file, path=f"{DATA}/{file.path}"))
        return self.services.snapshots.create(CreateSnapshot(files)).snapshot_id

    def _file(self, path: str, content: bytes) -> SnapshotFile:
        return SnapshotFile(path, *self.storage.blobs.add(BytesIO(content)))


def _check_path(path: str, *, is_here: bool) -> None:
    """Raise InvalidInput where a path is none that rows can be read from; what is not on this
    machine is seen when the run begins."""
    check_no_address(path)
    if is_here and not Path(path).is_absolute():
        raise InvalidInput(f"input: {shown(path)} is not an absolute path.", field="input")
    if is_here:
        files_of(Path(path))


def _source(body: InvokeBatch) -> str:
    match body.input:
        case PathInput(path):
            return path
        case RunInput(run_id, path):
            return f"runs:/{run_id}/{path}"
    names = [file.path for file in body.files]
    return names[0] if len(names) == 1 else f"{len(names)} files"
