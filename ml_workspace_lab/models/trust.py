"""Trust in versions whose files execute code when they are loaded: nothing serves one before
somebody with the right to has decided that its content may."""

import hashlib

import msgspec
from msgspec import Struct

from ml_workspace_lab.access.authorize import allows
from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Digest, Millis, Nothing, Text, Version
from ml_workspace_lab.errors import Conflict, NotFound
from ml_workspace_lab.models import trust_store
from ml_workspace_lab.models.model import ModelName, ModelVersion
from ml_workspace_lab.storage.database import Transaction

DECIDE = "models/trust/action"
OWN = "its files are artifacts of a run of the same user"


class TrustDecision(Struct, frozen=True):
    """Who decided, when, and of which content: the SHA-256 of the JSON list of a version's files,
    each a pair of path and SHA-256."""

    name: str
    version: int
    content: str
    user: str
    created: Millis
    note: str


class TrustDecisions(Struct, frozen=True):
    items: list[TrustDecision]


class Trust(Struct, frozen=True):
    """Whether a version may be loaded by this caller's word: `needed` where its files execute
    code, `own` where they are artifacts of a run of the caller's."""

    content: str
    needed: bool
    own: bool
    decision: TrustDecision | None

    @property
    def allowed(self) -> bool:
        return not self.needed or self.own or self.decision is not None


class DecideTrust(Struct, frozen=True, forbid_unknown_fields=True):
    """`content` is that which was looked at, None for what the version has."""

    content: Digest | None = None
    note: Text = ""


class ModelTrust(Service):
    """Decisions that versions may execute code when they are loaded."""

    @operation("GET", "/model-trust", action="models/read")
    def list(self) -> TrustDecisions:
        """All decisions that hold, the newest first."""
        return TrustDecisions(trust_store.decisions(self.storage.database))

    @operation("GET", "/models/{name}/versions/{version}/trust", action="models/read")
    def get(self, name: ModelName, version: Version) -> Trust:
        """Whether a version needs a decision, and the one that there is."""
        model = self.services.models.version(name, version)
        return Trust(
            content=content_of(model),
            needed=model.executes_code,
            own=model.executes_code and self._is_own(model),
            decision=self._decision(model),
        )

    @operation("PUT", "/models/{name}/versions/{version}/trust", action=DECIDE)
    def decide(self, name: ModelName, version: Version, body: DecideTrust) -> TrustDecision:
        """Let scoring processes load this version. Raises Conflict where its content is not the
        one that was looked at."""
        with self.storage.database.write() as transaction:
            model = self.services.models.version(name, version)
            if body.content not in (None, content_of(model)):
                raise Conflict(
                    f"The content of {name}:{version} is another one.",
                    field="content",
                    hint="Look at its files again.",
                )
            self._record(transaction, model, body.note)
        return self._needed_decision(name, version)

    @operation("DELETE", "/models/{name}/versions/{version}/trust", action=DECIDE)
    def revoke(self, name: ModelName, version: Version) -> Nothing:
        """Take the decision back: no process loads the version from now on. One that has loaded it
        serves until it ends. Raises NotFound where there is none."""
        self._needed_decision(name, version)
        with self.storage.database.write() as transaction:
            trust_store.delete(transaction, name, version)
        return Nothing()

    def settle(self, transaction: Transaction, model: ModelVersion) -> None:
        """Raise Conflict where the version may not be loaded; that it comes from a run of the
        caller's own is a decision, and recorded as one."""
        if not model.executes_code or self._decision(model) is not None:
            return
        if self._is_own(model):
            self._record(transaction, model, OWN)
            return
        raise untrusted(model.name, model.version)

    def require(self, name: str, version: int) -> None:
        """Raise Conflict where the version may not be loaded, or no longer."""
        model = self.services.models.version(name, version)
        if model.executes_code and self._decision(model) is None:
            raise untrusted(name, version)

    def _is_own(self, model: ModelVersion) -> bool:
        """Whether the caller, who may decide, ran what made every file of the version."""
        if model.run_id is None or not allows(caller(), DECIDE):
            return False
        try:
            run = self.services.runs.get(model.run_id)
        except NotFound:
            return False
        made = {artifact.digest for artifact in self.services.artifacts.list(run.run_id).items}
        return run.user == caller().name and made.issuperset(f.digest for f in model.files)

    def _decision(self, model: ModelVersion) -> TrustDecision | None:
        found = trust_store.decision(self.storage.database, model.name, model.version)
        return found if found is not None and found.content == content_of(model) else None

    def _needed_decision(self, name: str, version: int) -> TrustDecision:
        found = self._decision(self.services.models.version(name, version))
        if found is None:
            raise NotFound(f"Nobody has decided to trust {name}:{version}.", field="version")
        return found

    def _record(self, transaction: Transaction, model: ModelVersion, note: str) -> None:
        trust_store.put(
            transaction, model.name, model.version, content_of(model), caller().name, note
        )


def content_of(model: ModelVersion) -> str:
    listed = [(file.path, file.digest) for file in model.files]
    return hashlib.sha256(msgspec.json.encode(listed)).hexdigest()


def untrusted(name: str, version: int) -> Conflict:
    return Conflict(
        f"Loading {name}:{version} executes code that its files hold (a pickle, or Python), and"
        " nobody has decided to trust this content.",
        field="model",
        hint=f"Where you know who made them: `ml-workspace model trust {name} {version}`, or"
        " model.trust() in Python.",
    )
