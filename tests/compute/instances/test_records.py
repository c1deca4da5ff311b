"""Records of instances: what was overtaken is dropped, and what was asked has an end."""

from collections.abc import Callable

import pytest

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.compute.instances import store
from ml_workspace_lab.compute.instances.model import (
    CreateInstance,
    InstanceState,
    OperationName,
    Schedule,
    Trigger,
    UpdateInstance,
)
from ml_workspace_lab.compute.instances.store import Instance
from ml_workspace_lab.compute.instances.supervisor import InstanceSupervisor
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.storage import Storage

Now = Callable[[], Instance]


@pytest.fixture
def now(storage: Storage) -> Now:
    """A new instance as it is at the moment."""
    LocalConnection(storage).instances.create(CreateInstance("nb1"))
    return lambda: store.get(storage.database, "nb1")


def ask(storage: Storage, operation: OperationName) -> None:
    with storage.database.write() as transaction:
        store.ask(transaction, "nb1", operation, Trigger.USER, "ada")


def test_what_was_seen_before_a_wish_does_not_undo_it(storage: Storage, now: Now) -> None:
    seen = now()
    ask(storage, OperationName.STOP)
    assert not store.advance(storage.database, seen, InstanceState.RUNNING, "")
    assert now().state is InstanceState.STOPPING
    assert store.advance(storage.database, now(), InstanceState.STOPPED, "")
    ask(storage, OperationName.START)
    assert now().launch == seen.launch + 1
    assert not store.advance(storage.database, seen, InstanceState.RUNNING, "")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (InstanceState.SETTING_UP, "InProgress"),
        (InstanceState.RUNNING, "Succeeded"),
        (InstanceState.USER_SETUP_FAILED, "CreateFailed"),
        (InstanceState.STOPPED, "CreateFailed"),  # shut down before it was up
    ],
)
def test_an_operation_ends_where_it_led(
    storage: Storage, now: Now, state: InstanceState, status: str
) -> None:
    assert store.advance(storage.database, now(), state, "why")
    assert (now().operation.status, now().reason) == (status, "why")


def test_a_step_that_is_not_in_the_table_changes_nothing(storage: Storage, now: Now) -> None:
    with pytest.raises(Conflict, match="can't become Unknown"):
        store.advance(storage.database, now(), InstanceState.UNKNOWN, "")
    assert now().state is InstanceState.CREATING


def test_every_change_is_an_event(storage: Storage, now: Now) -> None:
    store.advance(storage.database, now(), InstanceState.RUNNING, "")
    ask(storage, OperationName.DELETE)
    events = LocalConnection(storage).events.list(after=0).events
    told = [(one.kind, one.data.get("state")) for one in events if one.subject == "nb1"]
    assert told == [
        ("instance.created", None),
        ("instance.state", "Running"),
        ("instance.state", "Deleting"),
    ]


def test_a_schedule_is_waited_for_while_it_is_switched_on(storage: Storage, now: Now) -> None:
    ask(storage, OperationName.STOP)
    store.advance(storage.database, now(), InstanceState.STOPPED, "")
    supervisor = InstanceSupervisor(Services(storage))
    instances = LocalConnection(storage).instances
    for enabled in (True, False):
        yearly = Schedule("start", "0 0 1 1 *", enabled=enabled)
        instances.update("nb1", UpdateInstance(schedules=[yearly]))
        assert not supervisor.step(), "there is nothing to do now"
        assert supervisor.has_plans() is enabled
    ask(storage, OperationName.DELETE)
    assert supervisor.step()
    assert not supervisor.step(), "it is gone"
    assert store.instances(storage.database) == []


def test_files_without_a_record_are_nobodys(storage: Storage) -> None:
    folder = storage.instance("nb1")
    folder.mkdir(parents=True)
    with pytest.raises(Conflict, match="files of a former nb1"):
        LocalConnection(storage).instances.create(CreateInstance("nb1"))
    assert list(folder.iterdir()) == []
