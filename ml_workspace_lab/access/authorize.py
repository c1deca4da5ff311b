"""The decision: may this principal do this to that? Unknown means no."""

from collections.abc import Callable, Sequence

from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.errors import Denied, NotFound

Ancestors = Callable[[str], Sequence[str]]
"""Tells which runs a run descends from."""

ROLES: dict[str, tuple[str, ...]] = {
    "Owner": ("*",),
    "Run": (
        "workspaces/read",
        "experiments/read",
        "experiments/runs/read",
        "experiments/runs/write",
        "experiments/runs/claim/action",
        "experiments/runs/attempt/action",
        "snapshots/read",
        "models/read",
        "models/write",
        "blobs/write",
        "computes/read",
        "events/read",
    ),
}


def matches(pattern: str, action: str) -> bool:
    """Whether `pattern` covers `action`: a `*` stands for one segment, as the last for the rest."""
    wanted, given = pattern.split("/"), action.split("/")
    if wanted[-1] == "*":
        wanted = wanted[:-1]
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(
        w in ("*", g) for w, g in zip(wanted, given, strict=True)
    )


def allows(principal: Principal, action: str) -> bool:
    """Whether the principal's role has the action, and its token's scope, if any, does too."""
    by_role = any(matches(pattern, action) for pattern in ROLES.get(principal.role, ()))
    by_scope = principal.actions is None or any(matches(p, action) for p in principal.actions)
    return by_role and by_scope


def authorize(principal: Principal, action: str, target: str, ancestors: Ancestors | None) -> None:
    """Return where it is allowed; raise Denied, or NotFound where reading isn't allowed either."""
    if not allows(principal, action):
        read = f"{action.rpartition('/')[0]}/read"
        if action == read or not allows(principal, read):
            raise NotFound(f"There is no {target}, or you may not see it.")
        raise Denied(
            f"{principal.name} may not do {action}.",
            hint="Ask an Owner of the workspace for a role or token that includes it.",
        )
    if principal.run_id is not None and action.endswith("/write"):
        _only_own_run(principal, action, target, ancestors)


def _only_own_run(
    principal: Principal, action: str, target: str, ancestors: Ancestors | None
) -> None:
    """A run writes to itself and to the runs that descend from it, to no other."""
    kind, _, rest = target.partition("/")
    if kind != "runs":
        return
    run_id = rest.partition("/")[0]
    family = [run_id, *(ancestors(run_id) if ancestors else [])]
    if principal.run_id not in family:
        raise Denied(f"Run {principal.run_id} may not do {action} to run {run_id}.")
