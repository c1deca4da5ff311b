"""One bad thing among many in a background process."""

import pytest

from ml_workspace_lab.trouble import kept_apart


def test_trouble_stops_no_other_and_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    def step(*bad: str) -> list[str]:
        seen = []
        for name in ("one", "two", "three"):
            with kept_apart(name):
                if name in bad:
                    raise ValueError("no luck")
                seen.append(name)
        return seen

    for _ in range(3):
        assert step("two") == ["one", "three"]
    told = capsys.readouterr().err
    assert told.count("Trouble with two:") == 1
    assert "ValueError: no luck" in told
    assert step() == ["one", "two", "three"]
    assert capsys.readouterr().err == ""
    step("two")
    assert "Trouble with two:" in capsys.readouterr().err, "it is told again when it comes again"
