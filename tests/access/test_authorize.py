"""Who may do what: unknown means no."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.access.authorize import ROLES, allows, authorize, matches
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.errors import Denied, NotFound

segments = st.lists(st.sampled_from(["runs", "models", "read", "write", "*"]), max_size=4)
OWNER = Principal("me", "Owner")


@pytest.mark.parametrize(
    ("pattern", "action", "covered"),
    [
        ("*", "models/read", True),
        ("models/*", "models/read", True),
        ("models/*", "models/versions/read", True),
        ("models/*", "modelsx/read", False),
        ("models/read", "models/read", True),
        ("models/read", "models/read/more", False),
        ("models/read", "models/write", False),
        ("experiments/*/read", "experiments/runs/read", True),
        ("experiments/*/read", "experiments/runs/write", False),
        ("", "models/read", False),
        ("models", "models/read", False),
    ],
)
def test_a_pattern_covers_what_it_says(pattern: str, action: str, covered: bool) -> None:
    assert matches(pattern, action) is covered


@given(segments, segments)
def test_a_pattern_without_a_star_covers_itself_alone(one: list[str], other: list[str]) -> None:
    if "*" not in one:
        assert matches("/".join(one), "/".join(other)) is ("/".join(one) == "/".join(other))


@given(st.sampled_from(sorted(ROLES)), st.lists(segments.map("/".join)), segments.map("/".join))
def test_a_scope_only_ever_narrows_a_role(role: str, scope: list[str], action: str) -> None:
    if allows(Principal("t", role, tuple(scope)), action):
        assert allows(Principal("t", role), action)


@given(st.text(max_size=8).filter(lambda role: role not in ROLES), segments.map("/".join))
def test_a_role_that_nobody_defined_may_do_nothing(role: str, action: str) -> None:
    assert not allows(Principal("x", role), action)


def test_what_may_not_be_read_does_not_exist() -> None:
    blind = Principal("t", "Owner", ("models/read",))
    with pytest.raises(NotFound):
        authorize(blind, "experiments/runs/read", "runs/1", None)
    with pytest.raises(NotFound):
        authorize(blind, "experiments/runs/write", "runs/1", None)
    with pytest.raises(Denied, match="models/write"):
        authorize(blind, "models/write", "models/m", None)
    authorize(OWNER, "models/write", "models/m", None)


def test_a_run_writes_to_itself_and_its_descendants_alone() -> None:
    family = {"child": ["parent"], "parent": [], "other": []}
    run = Principal("run", "Run", run_id="parent")
    for target in ("runs/parent", "runs/parent/metrics", "runs/child/end"):
        authorize(run, "experiments/runs/write", target, family.__getitem__)
    with pytest.raises(Denied):
        authorize(run, "experiments/runs/write", "runs/other", family.__getitem__)
    authorize(run, "experiments/runs/read", "runs/other", family.__getitem__)
    with pytest.raises(NotFound):
        authorize(run, "tokens/write", "tokens", family.__getitem__)
