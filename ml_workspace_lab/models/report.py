"""The card of a version, and what differs between two."""

import json
from collections.abc import Mapping

from ml_workspace_lab.access.authorize import allows
from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Version, number_from_wire
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.experiments.model import RunInfo
from ml_workspace_lab.models import described
from ml_workspace_lab.models.model import ModelFile, ModelName, ModelVersion
from ml_workspace_lab.models.report_model import Change, ModelCard, ModelDiff


class ModelReports(Service):
    """What is told of versions of models."""

    @operation("GET", "/models/{name}/versions/{version}/card", action="models/read")
    def card(self, name: ModelName, version: Version) -> ModelCard:
        """A version with its run, parameters, metrics, datasets, signature and endpoints."""
        model = self.services.models.version(name, version)
        notes: list[str] = []
        run = self._run(model, notes)
        datasets = self.services.lineage.of_run(run.run_id).items if run else []
        may_see = allows(caller(), "endpoints/read")
        served = self.services.endpoints.list().items if may_see else []
        return ModelCard(
            version=model,
            model_description=self.services.models.get(name).description,
            run_number=run.number if run else None,
            run_name=run.display_name if run else None,
            params=run.params if run else {},
            metrics=_metrics(run) if run else {},
            datasets=[one for one in datasets if one.direction == "input"],
            signature=self._signature(model, notes),
            endpoints=[
                endpoint.name
                for endpoint in served
                if any(
                    (one.model, one.model_version) == (name, version)
                    for one in endpoint.deployments
                )
            ],
            profile=self.services.model_profiles.find(name, version),
            notes=notes,
        )

    @operation("GET", "/models/{name}/versions/{version}/diff", action="models/read")
    def diff(
        self,
        name: ModelName,
        version: Version,
        other_version: Version,
        other_name: ModelName | None = None,
    ) -> ModelDiff:
        """What differs from this version to another, of this model or of another one."""
        one = self.card(name, version)
        two = self.card(other_name or name, other_version)
        sides = (one, two)
        return ModelDiff(
            before=_id(one),
            after=_id(two),
            facts=_changes(*(_facts(card.version) for card in sides)),
            params=_changes(*({k: json.dumps(v) for k, v in c.params.items()} for c in sides)),
            metrics=_changes(one.metrics, two.metrics),
            signature=_changes(*(_flat(card.signature) for card in sides)),
            files=_changes(*(_contents(card.version.files) for card in sides)),
            notes=[f"{_id(card)}: {note}" for card in sides for note in card.notes],
        )

    def _run(self, model: ModelVersion, notes: list[str]) -> RunInfo | None:
        if model.run_id is None:
            return None
        if not allows(caller(), "experiments/runs/read"):
            notes.append("its run may not be seen by you, nor its parameters and metrics")
            return None
        try:
            return self.services.runs.get(model.run_id)
        except NotFound:
            notes.append(f"its run {model.run_id} is not here, nor its parameters and metrics")
            return None

    def _signature(self, model: ModelVersion, notes: list[str]) -> dict[str, list[str]]:
        found = [f for f in model.files if f.path.rpartition("/")[2] == described.MLMODEL]
        if len(found) != 1:
            return {}
        if found[0].size > described.MAX_BYTES:
            notes.append(f"its {described.MLMODEL} is too large to be read")
            return {}
        try:
            return described.signature(self.storage.blobs.read(found[0].digest))
        except ValueError as error:
            notes.append(str(error))
            return {}


def _id(card: ModelCard) -> str:
    return f"{card.version.name}:{card.version.version}"


def _metrics(run: RunInfo) -> dict[str, str]:
    return {name: f"{number_from_wire(one.last)!r}" for name, one in run.metrics.items()}


def _facts(model: ModelVersion) -> dict[str, str]:
    facts = {
        "framework": model.framework,
        "executes code": "yes" if model.executes_code else "no",
        "stage": model.stage,
        "description": model.description,
        "run": model.run_id or "",
        "snapshot": model.snapshot_id or "",
    }
    return {name: text for name, text in facts.items() if text}


def _flat(signature: Mapping[str, list[str]]) -> dict[str, str]:
    found = {}
    for part, columns in signature.items():
        for at, column in enumerate(columns):
            name, _, kind = column.rpartition(": ")
            found[f"{part[:-1]} {name or at + 1}"] = kind
    return found


def _contents(files: list[ModelFile]) -> dict[str, str]:
    return {file.path: f"{file.size:,} bytes, SHA-256 {file.digest[:12]}" for file in files}


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    return [
        Change(name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]
