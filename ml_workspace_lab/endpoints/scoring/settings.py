"""What a deployment may be told by variables, under the names that Azure's server knows."""

from collections.abc import Mapping
from dataclasses import dataclass

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Settings:
    """`scoring_timeout_ms` is how long one request may be worked on; pages from `cors_origins` may
    read the answers in a browser (`*`: from anywhere)."""

    scoring_timeout_ms: int = HOUR_MS
    cors_origins: tuple[str, ...] = ()

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Settings":
        """Raises ValueError that names the variable."""
        timeout = variables.get("SCORING_TIMEOUT_MS") or str(HOUR_MS)
        if not timeout.isdecimal() or int(timeout) == 0:
            raise ValueError(f"SCORING_TIMEOUT_MS: {timeout!r} is not a number of milliseconds.")
        origins = variables.get("AML_CORS_ORIGINS", "").split(",")
        named = tuple(origin.strip() for origin in origins if origin.strip())
        return cls(int(timeout), named)

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may read."""
        return "*" in self.cors_origins or origin in self.cors_origins
