"""Environments: registered, locked, built; and what runs ran in."""

import builtins
import json
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import msgspec

from ml_workspace_lab import processes
from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Nothing, RunId, Version
from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.environments import collection, differences, interpreters, locking, store
from ml_workspace_lab.environments.building import Progress, build, key_of
from ml_workspace_lab.environments.builds import Builds
from ml_workspace_lab.environments.interpreters import building_state
from ml_workspace_lab.environments.model import (
    BuildInfo,
    CollectBuilds,
    CollectedBuilds,
    EnvironmentDiff,
    EnvironmentList,
    EnvironmentName,
    EnvironmentVersion,
    EnvironmentVersionList,
    ExistingPython,
    KernelEnvironment,
    Lock,
    RecordRunEnvironment,
    RegisterEnvironment,
    RunEnvironment,
    Specification,
    StoredBuilds,
)
from ml_workspace_lab.environments.record import EnvironmentRecord
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.storage.database import Transaction


class Environments(Service):
    """Environments of the workspace, and those of its runs."""

    @operation("GET", "/environments", action="environments/read")
    def list(self) -> EnvironmentList:
        """The newest version of every environment."""
        return EnvironmentList(store.newest(self.storage.database))

    @operation("GET", "/environments/{environment}", action="environments/read")
    def get(
        self, environment: EnvironmentName, version: Version | None = None
    ) -> EnvironmentVersion:
        """A version, the newest where none is named."""
        return store.version(self.storage.database, environment, version)

    @operation("GET", "/environments/{environment}/versions", action="environments/read")
    def versions(self, environment: EnvironmentName) -> EnvironmentVersionList:
        """All versions, the newest first."""
        return EnvironmentVersionList(store.versions(self.storage.database, environment))

    @operation("POST", "/environments/{environment}/versions", action="environments/write")
    def register(
        self, environment: EnvironmentName, body: RegisterEnvironment
    ) -> EnvironmentVersion:
        """A version of it, with every package locked. The same content is the version that is
        there already. Raises InvalidInput or BuildFailed where it can't be had."""
        specification = locking.normal(body.specification)
        variables = dict(sorted(body.environment_variables.items()))
        digest = locking.digest(_content(specification), variables)
        if known := store.same(self.storage.database, environment, digest):
            return known
        lock = None
        if isinstance(specification, ExistingPython):
            interpreters.check(specification)
        elif not isinstance(specification, KernelEnvironment):
            lock = self._lock(specification)
        with self.storage.database.write() as transaction:
            # Another process may have been faster.
            if known := store.same(transaction, environment, digest):
                return known
            number = store.insert(
                transaction,
                environment,
                kind=specification.__struct_config__.tag,
                specification_json=json.dumps(msgspec.to_builtins(specification)),
                variables_json=json.dumps(variables),
                digest=digest,
                lock_json=json.dumps(msgspec.to_builtins(lock)) if lock else None,
                description=body.description,
                tags_json=json.dumps(body.tags),
                user=caller().name,
            )
        return self.get(environment, number)

    @operation("DELETE", "/environments/{environment}", action="environments/delete")
    def delete(self, environment: EnvironmentName, version: Version | None = None) -> Nothing:
        """Delete a version, all where none is named. What runs ran in stays recorded. Raises
        Conflict while a run that has not ended is to run in it."""
        with self.storage.database.write(frees=True) as transaction:
            store.version(transaction, environment, version)
            if waiting := store.waiting_runs(transaction, environment, version):
                raise Conflict(
                    f"Run {waiting[0]} is to run in {environment}.",
                    field="environment",
                    hint="Cancel it, or wait for its end.",
                )
            store.delete(transaction, environment, version)
        return Nothing()

    @operation("POST", "/environments/{environment}/build", action="environments/build/action")
    def build(self, environment: EnvironmentName, version: Version | None = None) -> BuildInfo:
        """Begin to build it, where it isn't built yet, so that no run has to wait for that."""
        found = self.get(environment, version)
        info = building_state(found, self._builds)
        if info.state in ("absent", "failed"):
            self._builds.prepare()
            self._builds.forgive(info.key or found.digest[:32])
            words = ["ml_workspace_lab.environments", str(self.storage.root), found.name]
            processes.start(
                [sys.executable, "-m", *words, str(found.version)],
                environment=clean_environment(),
                folder=self.storage.root,
                log=self._builds.folder / f"{found.digest[:32]}.log",
            )
            return msgspec.structs.replace(info, state="building", reason="", log="")
        return info

    @operation("GET", "/environments/{environment}/build", action="environments/read")
    def built(self, environment: EnvironmentName, version: Version | None = None) -> BuildInfo:
        """How far it is built, and what the tools say."""
        return building_state(self.get(environment, version), self._builds)

    @operation("GET", "/environment-builds", action="environments/read")
    def builds(self) -> StoredBuilds:
        """Every build in the cache, with its size."""
        return collection.stored(self._builds, self._names())

    @operation("POST", "/environment-builds/gc", action="environments/delete")
    def collect(self, body: CollectBuilds) -> CollectedBuilds:
        """Remove builds that nobody uses, and what was left of broken ones. They are made again
        where they are needed again."""
        names = self._names()
        waiting = {
            key for key, found in names.items() if any(self._is_awaited(one) for one in found)
        }
        return collection.collect(self._builds, names, waiting, body)

    @operation("GET", "/runs/{run_id}/environment", action="experiments/runs/read")
    def of_run(self, run_id: RunId) -> RunEnvironment:
        """What a run ran in, as far as it is known."""
        self.services.runs.get(run_id)
        row = store.of_run(self.storage.database, run_id)
        if row is None:
            return RunEnvironment(run_id, None, None, None, None)
        digest = row["digest"]
        return RunEnvironment(
            run_id, row["name"], row["version"], digest, self._record(digest) if digest else None
        )

    @operation("PUT", "/runs/{run_id}/environment", action="experiments/runs/write", audited=False)
    def record(self, run_id: RunId, body: RecordRunEnvironment) -> Nothing:
        """Note what a run was found to run in."""
        self.services.runs.get(run_id)
        content = BytesIO(msgspec.json.encode(body.record))
        with (
            self.storage.blobs.hold(content) as held,
            self.storage.database.write(durable=False) as transaction,
        ):
            held.require()
            store.set_record(transaction, run_id, held.digest, body.record.fingerprint)
        return Nothing()

    @operation("GET", "/environment-diff", action="experiments/runs/read")
    def diff(self, before: RunId, after: RunId) -> EnvironmentDiff:
        """What differs between the environments of two runs."""
        old, new = self.of_run(before).record, self.of_run(after).record
        unknown = [run for run, record in ((before, old), (after, new)) if record is None]
        if old is None or new is None:
            return EnvironmentDiff(before, after, False, [], [], unknown)
        packages = differences.packages(old, new)
        values = differences.values(old, new)
        return EnvironmentDiff(before, after, not packages and not values, packages, values)

    def record_known(self, run_id: str, fingerprint: str) -> bool:
        """Note what a run runs in, where another run was found with the same fingerprint; False
        where it has to be looked at."""
        digest = store.digest_of(self.storage.database, fingerprint)
        if digest is None or not self.storage.blobs.renew(digest):
            return False
        with self.storage.database.write(durable=False) as transaction:
            store.set_record(transaction, run_id, digest, fingerprint)
        return True

    def resolve(self, reference: str) -> EnvironmentVersion:
        """The version that NAME or NAME:VERSION means now. Raises InvalidInput."""
        name, _, number = reference.partition(":")
        try:
            return store.version(self.storage.database, name, int(number) if number else None)
        except NotFound as error:
            raise InvalidInput(error.message, field="environment", hint=error.hint) from None

    def bind(self, transaction: Transaction, run: int, version: EnvironmentVersion) -> None:
        """Note which version a new run is to run in."""
        store.bind(transaction, run, version.name, version.version)

    def bound(self, run_id: str) -> EnvironmentVersion | None:
        """The version that a run is to run in. Raises NotFound where it was deleted."""
        row = store.of_run(self.storage.database, run_id)
        if row is None or row["name"] is None:
            return None
        return store.version(self.storage.database, row["name"], row["version"])

    def interpreter(self, run_id: str) -> str | None:
        """The interpreter to start a run with that is to run in an environment; None where that has
        to be built first, or none was named."""
        try:
            version = self.bound(run_id)
        except NotFound:
            return None  # The runner says so.
        return interpreters.ready(version, self._builds) if version else None

    def locked(self, version: EnvironmentVersion, log: Path) -> Lock:
        """What a version comes to, found out now where it isn't known yet."""
        if version.lock is not None:
            return version.lock
        lock = locking.lock(version.specification, log)
        with self.storage.database.write() as transaction:
            store.set_lock(transaction, version.name, version.version, lock)
        return self.get(version.name, version.version).lock or lock

    def interpreter_of(self, version: EnvironmentVersion, log: Path, progress: Progress) -> str:
        """The interpreter of a version, which is locked and built where it isn't yet. Raises what
        says why it can't be had, and whatever interrupts the wait."""
        if python := interpreters.ready(version, self._builds):
            return python
        progress.tell("Locking its packages")
        return str(build(self._builds, self.locked(version, log), progress).python)

    @property
    def _builds(self) -> Builds:
        return Builds.of(self.storage.root)

    def _names(self) -> dict[str, builtins.list[str]]:
        """NAME:VERSION of the versions that each build is of, by its key."""
        found: dict[str, builtins.list[str]] = {}
        for version in store.everything(self.storage.database):
            if version.lock is not None:
                name = f"{version.name}:{version.version}"
                found.setdefault(key_of(version.lock), []).append(name)
        return found

    def _is_awaited(self, reference: str) -> bool:
        name, _, number = reference.partition(":")
        return bool(store.waiting_runs(self.storage.database, name, int(number)))

    def _lock(self, specification: Specification) -> Lock:
        with tempfile.NamedTemporaryFile(prefix="mlws-lock-") as log:
            return locking.lock(specification, Path(log.name))

    def _record(self, digest: str) -> EnvironmentRecord | None:
        try:
            content = self.storage.blobs.read(digest)
        except (NotFound, Conflict):
            return None
        return msgspec.json.decode(content, type=EnvironmentRecord)


def _content(specification: Specification) -> object:
    if isinstance(specification, KernelEnvironment):
        return ["kernel", specification.record.content()]
    return msgspec.to_builtins(specification)
