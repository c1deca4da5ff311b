"""What the user's code raised: how often, of which kind, and the last of each."""

import time

from ml_workspace_lab.endpoints.telemetry.model import ExceptionSeen

MOST_KINDS = 20
OTHERS = "others"
"""What kinds beyond those are counted under: code can make up as many as it likes."""
MOST_TEXT = 16 * 1024
"""Characters of a traceback that are kept: the last ones, which say what was raised."""
MOST_MESSAGE = 1000


class Failures:
    """Exceptions of one process by their kind. `current` is that of the request that is being
    answered, "" where there is none."""

    def __init__(self) -> None:
        self.current = ""
        self._seen: dict[str, ExceptionSeen] = {}

    def note(self, error: BaseException, told: str, request_id: str) -> str:
        """Count an exception whose traceback is given; its kind."""
        kind = _kind(error)
        if kind not in self._seen and len(self._seen) >= MOST_KINDS:
            kind = OTHERS
        moment = int(time.time() * 1000)
        seen = self._seen.get(kind)
        self._seen[kind] = ExceptionSeen(
            kind,
            1 if seen is None else seen.count + 1,
            moment if seen is None else seen.first_seen,
            moment,
            _beginning(_writable(_message(error))),
            _end(_writable(told)),
            request_id,
        )
        return kind

    def counts(self) -> dict[str, int]:
        return {kind: seen.count for kind, seen in self._seen.copy().items()}

    def seen(self) -> list[ExceptionSeen]:
        return list(self._seen.values())


def _kind(error: BaseException) -> str:
    kind = type(error)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    return _writable(f"{module}{kind.__qualname__}"[:200])


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it is the user's code that says it
        return ""


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # Half a character can't be written.


def _beginning(message: str) -> str:
    rest = len(message) - MOST_MESSAGE
    return message if rest <= 0 else f"{message[:MOST_MESSAGE]} [{rest} characters left out]"


def _end(told: str) -> str:
    rest = len(told) - MOST_TEXT
    return told if rest <= 0 else f"[{rest} characters left out]\n{told[rest:]}"
