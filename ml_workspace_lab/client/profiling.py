"""Measuring a registered model where its user is, and keeping what is found."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.client.files import is_file
from ml_workspace_lab.endpoints.model import Engine
from ml_workspace_lab.endpoints.profiling.measuring import measure
from ml_workspace_lab.endpoints.profiling.sample import body
from ml_workspace_lab.endpoints.profiling.subject import Subject
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.models.profiles.model import KeepProfile, Profile
from ml_workspace_lab.models.trust import untrusted

if TYPE_CHECKING:
    from ml_workspace_lab.client.model import Model

CONCURRENCY = (1, 2, 4, 8, 16)
MOST_CONNECTIONS = 1024
MOST_SECONDS = 600.0


def profile_model(
    model: "Model",
    sample: Any,
    scoring_script: str | Path | None,
    concurrency: Sequence[int],
    seconds: float,
    engine: Engine,
    say: Callable[[str], None] | None,
) -> Profile:
    """See `Model.profile`."""
    _check(concurrency, seconds)
    script = None if scoring_script is None else Path(scoring_script)
    if script is not None and not is_file(script):
        raise InvalidInput(f"There is no scoring script {shown(script)}.", field="scoring_script")
    connection = model.workspace.connection
    trust = connection.model_trust.get(model.name, model.version)
    if not trust.allowed:
        raise untrusted(model.name, model.version)
    with tempfile.TemporaryDirectory(prefix="ml-workspace-profile-") as folder:
        place = Path(folder)
        files = model.download(place / "model")
        asked = body(sample, files, script is not None)
        with Subject(place, files, model.name, model.version, script, engine) as subject:
            found = measure(subject, asked, concurrency, seconds, say or _say)
    kept = KeepProfile(trust.content, found)
    return connection.model_profiles.keep(model.name, model.version, kept)


def _check(concurrency: Sequence[int], seconds: float) -> None:
    if not concurrency or not all(1 <= one <= MOST_CONNECTIONS for one in concurrency):
        raise InvalidInput(
            f"concurrency: must be numbers from 1 to {MOST_CONNECTIONS}.", field="concurrency"
        )
    if not 0 < seconds <= MOST_SECONDS:
        raise InvalidInput(
            f"seconds: must be more than 0, at most {MOST_SECONDS:g}.", field="seconds"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - how far it has come
