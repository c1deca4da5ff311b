"""Kinds of compute targets: our own, and those that other packages bring."""

import sys
from pathlib import Path

import pytest

from ml_workspace_lab.compute.kinds import driver_type, kinds, make_driver
from ml_workspace_lab.errors import InvalidInput, Unavailable

DRIVER = """
from ml_workspace_lab.compute.local import LocalDriver
class Moon(LocalDriver):
    pass
"""


@pytest.fixture
def moon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that brings the kinds `moon` and `mars`; the latter lacks something."""
    (tmp_path / "moon.py").write_text(DRIVER)
    (tmp_path / "mars.py").write_text("import of_another_world\n")
    info = tmp_path / "moon-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moon\nVersion: 1\n")
    group = "[ml_workspace_lab.compute]\nmoon = moon:Moon\nmars = mars:Mars\n"
    (info / "entry_points.txt").write_text(group)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "moon", raising=False)


@pytest.mark.usefixtures("moon")
def test_a_package_brings_a_kind_by_an_entry_point(tmp_path: Path) -> None:
    assert {"local", "moon"} <= set(kinds())
    assert make_driver("moon", "m", {"slots": 3}, tmp_path).capacity().slots == 3


@pytest.mark.usefixtures("moon")
def test_a_driver_that_lacks_a_package_says_which() -> None:
    with pytest.raises(Unavailable, match="of_another_world"):
        driver_type("mars")


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInput, match="local") as refusal:
        driver_type("venus")
    assert refusal.value.field == "kind"


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refusal:
        make_driver("local", "local", {"slots": -1}, tmp_path)
    assert refusal.value.field == "slots"
