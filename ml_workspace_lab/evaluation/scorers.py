"""Scorers: registered in versions, listed, read and deleted."""

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Limit, Name, Nothing, Text
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.evaluation import contents, scorer_store
from ml_workspace_lab.evaluation.scorer import (
    GetScorerSamplings,
    ListScorers,
    RegisterScorer,
    ScorerNumber,
    ScorerSampling,
    ScorerSamplingList,
    ScorerVersion,
    ScorerVersionList,
    SetScorerSampling,
)
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.records import from_token, to_token
from ml_workspace_lab.experiments.search.sql import dialect
from ml_workspace_lab.experiments.service import require_not_deleted
from ml_workspace_lab.storage.database import Queries, Row
from ml_workspace_lab.tracing.terms import TRACES


class Scorers(Service):
    """How answers of applications are judged, as clients wrote it down. Nothing of it is run
    here."""

    @operation("POST", "/experiments/{experiment}/scorers", action="experiments/runs/write")
    def register(self, experiment: Name, body: RegisterScorer) -> ScorerVersion:
        """A new version, of a new scorer where there is none of that name. Raises Conflict where
        the experiment is in the trash."""
        contents.check(body.content)
        number = self._number(experiment)
        with self.storage.database.write() as transaction:
            made = scorer_store.add(transaction, number, body.name, body.content)
        return self.get(experiment, body.name, made)

    @operation("POST", "/scorer-list", action="experiments/runs/read", audited=False)
    def list(self, body: ListScorers) -> ScorerVersionList:
        """The newest version of each scorer, by experiment and name; fewer than `limit` where they
        are large."""
        place = (-1, "")
        question = ListScorers(body.experiments)
        if body.after is not None:
            number, name = from_token(body.after, question, "after")
            place = (int(number), str(name))
        database = self.storage.database
        with database.read() as queries:
            items, following = scorer_store.latest(
                queries, dialect(database), body.experiments, place, body.limit
            )
        token = None if following is None else to_token(following, question)
        return ScorerVersionList(items, token)

    @operation("GET", "/experiments/{experiment}/scorers/{name}", action="experiments/runs/read")
    def get(
        self, experiment: Name, name: Name, version: ScorerNumber | None = None
    ) -> ScorerVersion:
        """One version; the newest unless another is named."""
        with self.storage.database.read() as queries:
            return scorer_store.version(queries, self._row(queries, experiment, name), version)

    @operation(
        "GET", "/experiments/{experiment}/scorers/{name}/versions", action="experiments/runs/read"
    )
    def versions(
        self, experiment: Name, name: Name, limit: Limit = 100, after: Text | None = None
    ) -> ScorerVersionList:
        """All versions, the oldest first; fewer than `limit` where they are large."""
        question = [experiment, name]
        (last,) = [0] if after is None else from_token(after, question, "after")
        with self.storage.database.read() as queries:
            row = self._row(queries, experiment, name)
            items, following = scorer_store.versions(queries, row, int(last), limit)
        token = None if following is None else to_token([following], question)
        return ScorerVersionList(items, token)

    @operation(
        "DELETE", "/experiments/{experiment}/scorers/{name}", action="experiments/runs/delete"
    )
    def delete(self, experiment: Name, name: Name, version: ScorerNumber | None = None) -> Nothing:
        """Delete a version for good, or the scorer with all of its versions."""
        number = self._number(experiment)
        with self.storage.database.write(frees=True) as transaction:
            row = scorer_store.row_of(transaction, number, name)
            scorer_store.delete(transaction, row, version)
        return Nothing()

    @operation(
        "PUT", "/experiments/{experiment}/scorers/{name}/sampling", action="experiments/runs/write"
    )
    def set_sampling(self, experiment: Name, name: Name, body: SetScorerSampling) -> ScorerSampling:
        """Say which traces are to be scored as they come. Raises InvalidInput for a share above 0:
        the workspace scores none by itself."""
        if body.filter:
            parse(body.filter, TRACES)
        number = self._number(experiment)
        with self.storage.database.write() as transaction:
            row = scorer_store.row_of(transaction, number, name)
            if body.share > 0:
                raise InvalidInput(
                    f"Scorer '{name}' does not use a gateway model. Automatic evaluation needs one,"
                    " and there is no AI gateway here.",
                    field="share",
                    hint="Score traces with `mlflow.genai.evaluate`.",
                )
            scorer_store.set_sampling(transaction, row, body.share, body.filter)
            return scorer_store.samplings(transaction, [row["uid"]])[0]

    @operation("POST", "/scorer-samplings", action="experiments/runs/read", audited=False)
    def samplings(self, body: GetScorerSamplings) -> ScorerSamplingList:
        """What was said of sampling, of those of the scorers that anything was said of."""
        return ScorerSamplingList(scorer_store.samplings(self.storage.database, body.scorer_ids))

    def _row(self, queries: Queries, experiment: str, name: str) -> Row:
        return scorer_store.row_of(queries, self._number(experiment), name)

    def _number(self, experiment: str) -> int:
        """The number of an experiment that is not in the trash."""
        info = self.services.experiments.get(experiment)
        require_not_deleted(info)
        return info.number
