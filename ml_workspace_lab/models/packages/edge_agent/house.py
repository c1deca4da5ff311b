"""What all modules of a device share."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ml_workspace_lab.models.packages.edge_agent.images import Images

READY_SECONDS = 120.0
PROBATION_SECONDS = 30.0


@dataclass(frozen=True)
class Patience:
    """Seconds that a new version has until it answers, and that it must stay well after that."""

    ready: float = READY_SECONDS
    probation: float = PROBATION_SECONDS


@dataclass(frozen=True)
class House:
    """The agent's folder, the device's id, its images, who hears what happens, and what is set
    where something has changed. Images are fetched one after the other."""

    folder: Path
    device: str
    images: Images
    patience: Patience
    told: Callable[[str], None]
    changed: threading.Event = field(default_factory=threading.Event)
    fetching: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="fetching")
    )
