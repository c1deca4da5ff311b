"""Paths from outside: what is let through never leads out of its folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.storage.paths import below, relative


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", ".", "./a", "a/./b", "a//b", "a/",
        "a\\b", "C:/x", "c:x", "a\x00b", "a\nb", "a\x7fb", "\ud800", "x" * 256, "x/" * 600 + "x",
        "é" * 128,
    ],
)  # fmt: skip
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        relative(path, "path")
    assert refusal.value.field == "path"


@pytest.mark.parametrize("path", ["a", "a/b.c", "%2e%2e/x", "...", "a..b", "mañana/データ", "a b"])
def test_an_ordinary_path_is_itself(path: str) -> None:
    assert relative(path) == path


def test_the_two_spellings_of_a_character_are_one_path() -> None:
    assert relative("e\u0301") == relative("\u00e9") == "\u00e9"


@given(st.text(max_size=40) | st.from_regex(r"[./\\a%]{1,12}", fullmatch=True))
def test_whatever_is_let_through_stays_below(path: str) -> None:
    try:
        kept = relative(path)
    except InvalidInput:
        return
    root = Path("/srv/root")
    assert (root / kept).is_relative_to(root)
    assert ".." not in (root / kept).parts


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidInput, match="leads out"):
        below(tmp_path / "root", "link/secret")
