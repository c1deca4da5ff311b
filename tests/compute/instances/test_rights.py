"""Who may do what with an instance, and what is refused."""

from collections.abc import Callable

import pytest

from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.compute.instances import service
from ml_workspace_lab.compute.instances.model import (
    CreateInstance,
    Schedule,
    SetupScript,
    SetupScripts,
    UpdateInstance,
)
from ml_workspace_lab.errors import Conflict, Denied, InvalidInput, NotFound, Unavailable
from ml_workspace_lab.storage.storage import Storage

As = Callable[..., LocalConnection]
COMPUTES = ("computes/*", "environments/read")


@pytest.fixture
def database_url() -> None:
    """Rights and names are looked at before any database is."""


@pytest.fixture
def as_(storage: Storage) -> As:
    def connect(name: str, *actions: str) -> LocalConnection:
        return LocalConnection(storage, Principal(name, "Owner", actions or COMPUTES))

    return connect


def test_only_its_user_and_who_may_do_everything_get_the_way_in(as_: As, storage: Storage) -> None:
    ada, bob, boss = as_("token:ada"), as_("token:bob"), LocalConnection(storage)
    ada.instances.create(CreateInstance("hers"))
    ada.instances.create(CreateInstance("for-bob", assigned_user="token:bob"))
    for who, name in ((bob, "hers"), (ada, "for-bob")):
        with pytest.raises(Denied, match="alone"):
            who.instances.access(name)
        with pytest.raises(Denied, match="alone"):
            who.instances.update(name, UpdateInstance(description="mine"))
    # They may come in as soon as it runs.
    for who, name in ((ada, "hers"), (bob, "for-bob"), (boss, "hers"), (boss, "for-bob")):
        with pytest.raises(Unavailable, match=f"{name} is "):
            who.instances.access(name)
    assert {one.owner for one in bob.instances.list().items} == {"token:ada"}
    audited = [e for e in boss.audit.list().items if e.target == "instances/hers/access"]
    assert {(e.principal, e.outcome) for e in audited} >= {
        ("token:bob", "Denied"),
        ("token:ada", "Unavailable"),
    }


def test_starting_stopping_and_deleting_go_by_right_alone(as_: As) -> None:
    as_("token:ada").instances.create(CreateInstance("hers"))
    reader = as_("token:eve", "computes/*/read")
    assert reader.instances.get("hers").name == "hers"
    for verb in ("start", "stop", "restart", "access"):
        with pytest.raises((Denied, NotFound)):
            getattr(reader.instances, verb)("hers")
    with pytest.raises((Denied, NotFound)):
        reader.instances.delete("hers")
    operator = as_("token:op", "computes/instances/*")
    assert operator.instances.stop("hers").last_operation.user == "token:op"
    with pytest.raises(Conflict, match="is Stopping"):
        operator.instances.start("hers")
    assert operator.instances.delete("hers").files == 0
    with pytest.raises(NotFound):
        as_("token:no", "experiments/*").instances.list()
    run = Principal("token:run", "Run", ("*",), "0" * 32)
    with pytest.raises(NotFound):
        LocalConnection(as_("x").storage, run).instances.access("hers")


@pytest.mark.parametrize(
    "name",
    ["", "ab", "a" * 25, "1ab", "-ab", "a b", "a_b", "../x", "a/b", "a.b", "nb\n", "näm", "a\x00b"],
)
def test_a_name_that_breaks_the_rule_is_refused(as_: As, name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        as_("u").instances.create(CreateInstance(name))
    assert refusal.value.field == "name"
    with pytest.raises(InvalidInput):
        as_("u").instances.get(name)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (CreateInstance("nb1", environment="none-such"), "environment"),
        (CreateInstance("nb1", environment="../x"), "environment"),
        (CreateInstance("nb1", idle_minutes_before_shutdown=0.5), "idle_minutes_before_shutdown"),
        (CreateInstance("nb1", schedules=[Schedule("stop", "0 18 * * *")] * 5), "schedules"),
        (CreateInstance("nb1", schedules=[Schedule("stop", "x 18 * * *")]), "schedules[0].cron"),
        (CreateInstance("nb1", environment_variables={"A=B": "c"}), "environment_variables"),
        (CreateInstance("nb1", environment_variables={"A": "a\0b"}), "environment_variables.A"),
        (CreateInstance("nb1", environment_variables={"ML_WORKSPACE": "/x"}),
         "environment_variables"),
        (CreateInstance("nb1", environment_variables={"JUPYTER_TOKEN": ""}),
         "environment_variables"),
        (CreateInstance("nb1", environment_variables={"A": "x" * service.VARIABLES_LIMIT}),
         "environment_variables"),
        (CreateInstance("nb1", setup_scripts=SetupScripts(SetupScript("x", 0))),
         "setup_scripts.creation.timeout_minutes"),
        (CreateInstance("nb1", setup_scripts=SetupScripts(SetupScript("x" * 70_000))),
         "setup_scripts.creation.script"),
    ],
)  # fmt: skip
def test_a_setting_that_can_not_be_is_refused_by_field(
    as_: As, body: CreateInstance, field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        as_("u").instances.create(body)
    assert refusal.value.field == field
    assert as_("u").instances.list().items == []


def test_a_name_is_taken_until_its_files_are_gone(as_: As) -> None:
    ask = as_("u").instances
    ask.create(CreateInstance("nb1", description="old"))
    with pytest.raises(Conflict, match="already"):
        ask.create(CreateInstance("nb1"))
    ask.delete("nb1")
    with pytest.raises(Conflict, match="already"):
        ask.create(CreateInstance("nb1"))
    with pytest.raises(Conflict, match="is Deleting"):
        ask.delete("nb1")


def test_settings_are_kept_and_replaced_as_they_are_given(as_: As) -> None:
    ask = as_("u").instances
    ask.create(
        CreateInstance(
            "nb1",
            environment_variables={"A": "1"},
            schedules=[Schedule("stop", "0 18 * * *")],
            idle_minutes_before_shutdown=30,
            tags={"team": "nlp", "old": "x"},
        )
    )
    changed = ask.update(
        "nb1",
        UpdateInstance(
            environment_variables={"B": "2"},
            idle_minutes_before_shutdown=None,
            tags={"new": "y"},
            remove_tags=["old"],
        ),
    )
    assert changed.environment_variables == ["B"]
    assert changed.idle_minutes_before_shutdown is None
    assert changed.tags == {"team": "nlp", "new": "y"}
    assert [one.cron for one in changed.schedules] == ["0 18 * * *"]
