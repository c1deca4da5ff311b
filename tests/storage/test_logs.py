"""Logs read in parts while they grow."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.storage.logs import read_log


@given(st.text(alphabet="aé€😀\n", max_size=60), st.integers(4, 9))
def test_parts_put_together_are_the_log(tmp_path_factory: object, text: str, limit: int) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"  # type: ignore[attr-defined]
    path.write_text(text, encoding="utf-8")
    parts, offset = "", 0
    while True:
        part = read_log(path, offset, limit, ended=True)
        parts += part.text
        offset = part.next
        if part.complete:
            break
    assert parts == text


def test_half_a_character_waits_for_its_other_half(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes("ab€".encode()[:-1])
    part = read_log(path, 0, 100, ended=False)
    assert (part.text, part.next, part.complete) == ("ab", 2, False)
    path.write_bytes("ab€".encode())
    assert read_log(path, part.next, 100, ended=True).text == "€"


def test_what_is_not_utf8_is_shown_and_holds_nothing_up(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"a\xff\xfeb")
    assert read_log(path, 0, 100, ended=False).text == "a\ufffd\ufffdb"
    assert read_log(tmp_path / "none", 0, 100, ended=True).complete
