"""What a deployment is told: its limits, and variables that Azure's server knows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ml_workspace_lab.endpoints.model import RequestSettings

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Settings:
    """`requests` are the limits of each; `scoring_timeout_ms` is how long one request may be worked
    on; pages from `cors_origins` may read the answers in a browser (`*`: from anywhere)."""

    requests: RequestSettings = field(default_factory=RequestSettings)
    scoring_timeout_ms: int = HOUR_MS
    cors_origins: tuple[str, ...] = ()

    @classmethod
    def read(cls, variables: Mapping[str, str], requests: RequestSettings) -> "Settings":
        """Raises ValueError that names the variable."""
        timeout = variables.get("SCORING_TIMEOUT_MS") or str(HOUR_MS)
        if not re.fullmatch("[1-9][0-9]{0,9}", timeout):
            raise ValueError(f"SCORING_TIMEOUT_MS: {timeout!r} is not a number of milliseconds.")
        origins = variables.get("AML_CORS_ORIGINS", "").split(",")
        named = tuple(origin.strip() for origin in origins if origin.strip())
        return cls(requests, requests.request_timeout_ms or int(timeout), named)

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may read."""
        return "*" in self.cors_origins or origin in self.cors_origins
