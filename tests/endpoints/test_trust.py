"""A model that executes code when it is loaded is served by nobody's word but that of somebody who
may give it, for the content that it was given for."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Endpoint, Model, Workspace
from ml_workspace_lab.access.authorize import ROLES, allows
from ml_workspace_lab.access.caller import acting_as
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.endpoints.model import DeployEndpoint
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.models.flavors import loading
from ml_workspace_lab.models.model import ModelFile
from ml_workspace_lab.models.trust import DECIDE, OWN, DecideTrust
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.migrations import to_schema_9


class Evil:
    """Leaves a file behind when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def evil(ws: Workspace, tmp_path: Path) -> Model:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Evil(tmp_path / "trace")))
    return Model.register(ws, "evil", path)


def services(ws: Workspace) -> Services:
    return Services(ws.connection.storage)  # type: ignore[attr-defined]


def test_nothing_loads_a_pickle_that_nobody_trusts(
    ws: Workspace, evil: Model, tmp_path: Path
) -> None:
    deploy = lambda: Endpoint.deploy(ws, "evil", evil)  # noqa: E731
    for attempt in (evil.preflight, deploy, lambda: evil.package(base="nowhere")):
        with pytest.raises(Conflict, match="nobody has decided") as refusal:
            attempt()
        assert "`ml-workspace model trust evil 1`" in str(refusal.value.hint)
    assert ws.endpoints == {}
    assert ws.connection.packages.list().items == []
    assert not (tmp_path / "trace").exists()


def test_a_decision_tells_who_and_when_and_is_taken_back(ws: Workspace, evil: Model) -> None:
    made = evil.trust("I made it")
    assert (made.name, made.version, made.note) == ("evil", 1, "I made it")
    assert (made.user, made.created > 0) == (evil.info().user, True)
    assert ws.connection.model_trust.list().items == [made]
    evil.revoke_trust()
    assert ws.connection.model_trust.list().items == []
    with pytest.raises(NotFound):
        evil.revoke_trust()
    with pytest.raises(Conflict, match="nobody has decided"):
        evil.preflight()


def test_a_decision_for_other_content_is_none(ws: Workspace, evil: Model, tmp_path: Path) -> None:
    trust = ws.connection.model_trust
    with pytest.raises(Conflict, match="another one"):
        trust.decide("evil", 1, DecideTrust("0" * 64))
    evil.trust()
    # As if the record of the version were changed below the workspace.
    other = ModelFile("model.pkl", "0" * 64, 1)
    with services(ws).storage.database.write() as transaction:
        transaction.execute(
            "UPDATE model_version SET files_json = :files",
            files=f'[{{"path":"{other.path}","digest":"{other.digest}","size":1}}]',
        )
    assert trust.get("evil", 1).decision is None
    with pytest.raises(Conflict, match="nobody has decided"):
        services(ws).model_trust.require("evil", 1)


def test_a_new_model_of_the_name_is_not_trusted_for_the_one_before(
    ws: Workspace, evil: Model, tmp_path: Path
) -> None:
    evil.trust()
    evil.delete()
    assert ws.connection.model_trust.list().items == []
    ws.connection.registry.remove("evil")
    again = Model.register(ws, "evil", tmp_path / "model.pkl")
    assert (again.version, ws.connection.model_trust.get("evil", 1).allowed) == (1, False)


def test_what_the_user_made_in_this_workspace_needs_no_further_word(
    ws: Workspace, tmp_path: Path
) -> None:
    live = Model.register(ws, "live", model=len)
    assert live.info().executes_code
    assert ws.connection.model_trust.get("live", 1).decision is not None
    path = tmp_path / "own.pkl"
    path.write_bytes(pickle.dumps(len))
    with ws.experiment("e").start_logging() as run:
        run.upload_file("own.pkl", path)
    own = run.register_model("own", "own.pkl")
    assert ws.connection.model_trust.get("own", 1).own
    stranger = Principal("stranger", "Owner")
    with acting_as(stranger), pytest.raises(Conflict, match="nobody has decided"):
        services(ws).endpoints.deploy("own", DeployEndpoint("own", 1))
    with acting_as(Principal(own.info().user, "Owner")):
        services(ws).endpoints.deploy("own", DeployEndpoint("own", 1, python="/bin/true"))
    [made] = [one for one in ws.connection.model_trust.list().items if one.name == "own"]
    assert (made.note, made.user) == (OWN, own.info().user)


def test_what_endpoints_served_before_decisions_were_asked_for_goes_on(
    ws: Workspace, evil: Model
) -> None:
    """Whatever blanks an earlier release wrote between the files."""
    evil.trust()
    connection = services(ws)
    connection.endpoints.deploy("evil", DeployEndpoint("evil", 1, python="/bin/true"))
    evil.revoke_trust()
    with connection.storage.database.write() as transaction:
        row = transaction.one("SELECT files_json FROM model_version")
        assert row is not None
        spaced = json.dumps(json.loads(row["files_json"]), indent=1)
        transaction.execute("UPDATE model_version SET files_json = :spaced", spaced=spaced)
        # As it was then: an endpoint had the version by itself.
        transaction.execute(
            'CREATE TEMP TABLE endpoint AS SELECT d.model, d.version, e."user" FROM main.endpoint e'
            " JOIN deployment d ON d.endpoint = e.id"
        )
        to_schema_9.fill(transaction, connection.storage.root)
        transaction.execute("DROP TABLE temp.endpoint")
    connection.model_trust.require("evil", 1)
    assert "before decisions" in connection.model_trust.list().items[0].note


def test_a_run_may_not_decide() -> None:
    assert not allows(Principal("run", "Run"), DECIDE)
    assert [role for role in ROLES if allows(Principal("x", role), DECIDE)] == ["Owner"]


def test_a_pickle_that_was_not_marked_is_not_loaded(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hidden = pickle.dumps((Evil(trace), "x" * 100_000), protocol=0)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.txt").write_bytes(hidden)
    for flavor in (
        "sklearn: {pickled_model: weights.txt}",
        "statsmodels: {data: weights.txt}",
        "python_function: {loader_module: mlflow.sklearn, data: weights.txt}",
    ):
        (folder / "MLmodel").write_text(f"flavors: {{{flavor}}}")
        with pytest.raises(InvalidInput, match="wants code to be run"):
            loading.load(folder)
    assert not trace.exists()
