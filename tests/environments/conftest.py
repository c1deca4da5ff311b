"""Environments are built for real, from a folder of wheels, and shared by a session's tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab.environments.builds import VARIABLE, Builds
from tests.environments import wheels


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheels of `tiny` 1.0 and 2.0 and of what runs jobs."""
    folder = tmp_path_factory.mktemp("packages")
    house = wheels.fill(folder / "wheels")
    for version in ("1.0", "2.0"):
        wheels.make(house, "tiny", version)
    (folder / "built").mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="module")
def wheelhouse(packages: Path) -> Iterator[Path]:
    """A folder of wheels that everything of this module is installed from, and nothing else. Other
    modules, which this process may run later, install from where its user does."""
    house = packages / "wheels"
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
            patch.delenv(name)
        for name, value in {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(house),
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(packages / "cache"),
            VARIABLE: str(packages / "built"),
        }.items():
            patch.setenv(name, value)
        yield house


@pytest.fixture
def builds(wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builds:
    """A cache of its own."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "built"))
    return Builds.of(tmp_path)
