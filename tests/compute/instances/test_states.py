"""The table of an instance's states: every way through it that can be asked for or seen."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ml_workspace_lab.compute.instances.model import InstanceState as S
from ml_workspace_lab.compute.instances.model import OperationName as O
from ml_workspace_lab.compute.instances.states import (
    ALLOWED,
    AT_WORK,
    BEGINS,
    COMING_UP,
    FAILED,
    FOLLOWING,
    UP,
    begin,
    check_transition,
    failure_of,
)
from ml_workspace_lab.errors import Conflict


class Life(RuleBasedStateMachine):
    """An instance to which all that can happen happens, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = S.CREATING
        self.operation, self.in_progress = O.CREATE, True

    @rule(operation=st.sampled_from(sorted(O)))
    def ask(self, operation: O) -> None:
        before = self.state
        if before not in ALLOWED[operation]:
            with pytest.raises(Conflict, match=f"is {before}"):
                begin("nb", before, operation)
            return
        self.state = begin("nb", before, operation)
        check_transition("nb", before, self.state)
        self.operation, self.in_progress = operation, True

    @precondition(lambda self: self.state in COMING_UP)
    @rule(phase=st.sampled_from([S.SETTING_UP, S.USER_SETTING_UP, S.RUNNING]))
    def come_up(self, phase: S) -> None:
        if phase is S.RUNNING:
            self.in_progress = False
        check_transition("nb", self.state, phase)
        self.state = phase

    @precondition(lambda self: self.state in COMING_UP)
    @rule(phase=st.sampled_from([S.SETTING_UP, S.USER_SETTING_UP, S.RUNNING]))
    def fail_on_the_way(self, phase: S) -> None:
        failed = failure_of(self.operation, self.in_progress, phase)
        check_transition("nb", self.state, failed)
        self.state, self.in_progress = failed, False

    @precondition(lambda self: self.state in (S.RUNNING, S.UNKNOWN))
    @rule(seen=st.sampled_from([S.RUNNING, S.UNKNOWN, S.RESTARTING, S.UNUSABLE, S.STOPPED]))
    def be_seen(self, seen: S) -> None:
        check_transition("nb", self.state, seen)
        self.state = seen

    @precondition(lambda self: self.state is S.STOPPING)
    @rule()
    def have_stopped(self) -> None:
        check_transition("nb", self.state, S.STOPPED)
        self.state = S.STOPPED

    @invariant()
    def something_can_always_be_asked(self) -> None:
        if self.state is not S.DELETING:
            assert any(self.state in states for states in ALLOWED.values())
        assert (self.state in AT_WORK) != (self.state in FAILED | {S.STOPPED})


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_every_operation_leads_where_its_state_may_go() -> None:
    for operation, states in ALLOWED.items():
        for state in states:
            assert BEGINS[operation] in FOLLOWING[state], (operation, state)
    assert set(FOLLOWING) == set(S)
    assert FOLLOWING[S.DELETING] == frozenset()


@pytest.mark.parametrize("state", sorted(set(S) - {S.DELETING}))
def test_everything_but_what_is_being_deleted_can_be_deleted(state: S) -> None:
    assert begin("nb", state, O.DELETE) is S.DELETING


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        (S.STOPPED, S.RUNNING),
        (S.STOPPING, S.RUNNING),
        (S.DELETING, S.STOPPED),
        (S.UNUSABLE, S.RUNNING),
    ],
)
def test_a_step_that_is_not_in_the_table_is_refused(present: S, wanted: S) -> None:
    with pytest.raises(Conflict, match=f"is {present} and can't become {wanted}"):
        check_transition("nb", present, wanted)


def test_what_can_be_stopped_can_not_be_started() -> None:
    assert ALLOWED[O.STOP] == UP
    assert not ALLOWED[O.START] & UP


def test_a_failure_is_named_after_what_was_at_fault() -> None:
    assert failure_of(O.CREATE, True, S.USER_SETTING_UP) is S.USER_SETUP_FAILED
    assert failure_of(O.CREATE, True, S.SETTING_UP) is S.CREATE_FAILED
    assert failure_of(O.CREATE, False, S.RUNNING) is S.UNUSABLE
    assert failure_of(O.START, True, S.SETTING_UP) is S.SETUP_FAILED
    assert failure_of(O.START, True, S.RUNNING) is S.UNUSABLE
