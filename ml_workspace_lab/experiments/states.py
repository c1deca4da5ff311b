"""Which state of a run may follow which: the one table of transitions."""

from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import RunKind
from ml_workspace_lab.experiments.model import RunState as S

_ENDS = frozenset({S.COMPLETED, S.FAILED, S.CANCELED})
_CUT_SHORT = frozenset({S.CANCEL_REQUESTED, S.CANCELED, S.FAILED})

TRANSITIONS: dict[S, frozenset[S]] = {
    S.NOT_STARTED: _CUT_SHORT | {S.STARTING, S.PROVISIONING, S.PREPARING, S.QUEUED, S.RUNNING},
    # It may go on waiting for another reason.
    S.QUEUED: _CUT_SHORT | {S.QUEUED, S.STARTING, S.PROVISIONING, S.PREPARING, S.RUNNING},
    S.STARTING: _CUT_SHORT | {S.PROVISIONING, S.PREPARING, S.QUEUED, S.RUNNING},
    S.PROVISIONING: _CUT_SHORT | {S.PREPARING, S.QUEUED, S.RUNNING},
    S.PREPARING: _CUT_SHORT | {S.QUEUED, S.RUNNING},
    # From here to Queued: the attempt failed, and another one follows.
    S.RUNNING: _CUT_SHORT | {S.FINALIZING, S.COMPLETED, S.NOT_RESPONDING, S.QUEUED},
    # It may be so for another reason, too.
    S.NOT_RESPONDING: _CUT_SHORT
    | {S.NOT_RESPONDING, S.RUNNING, S.FINALIZING, S.COMPLETED, S.QUEUED},
    S.FINALIZING: _ENDS | {S.CANCEL_REQUESTED, S.QUEUED},
    # Work that ends by itself before the cancel reaches it keeps its true end.
    S.CANCEL_REQUESTED: _ENDS,
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELED: frozenset(),
}


def check_transition(run_id: str, present: S, wanted: S, kind: RunKind) -> None:
    """Raise Conflict where `wanted` can't follow `present`. An external run may be taken up again:
    its clients do that."""
    resumed = kind == "external" and present.is_terminal and wanted is S.RUNNING
    if wanted not in TRANSITIONS[present] and not resumed:
        raise Conflict(f"Run {run_id} is {present} and can't become {wanted}.", field="state")
