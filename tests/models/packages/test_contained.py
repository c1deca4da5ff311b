"""What a container is told, and what it says where that is not enough."""

from pathlib import Path

import pytest

from ml_workspace_lab.models.packages.contained import NotStarted, read_keys
from ml_workspace_lab.models.packages.keys import FixedKeys
from ml_workspace_lab.models.packages.places import KEY_VARIABLE, KEYS_FILE_VARIABLE


def test_keys_come_from_a_variable_and_from_the_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("first\n\n second \n")
    assert read_keys({KEY_VARIABLE: "own", KEYS_FILE_VARIABLE: str(file)}) == [
        "own", "first", "second",
    ]  # fmt: skip
    for environment in ({}, {KEY_VARIABLE: " "}, {KEYS_FILE_VARIABLE: str(tmp_path / "none")}):
        with pytest.raises(NotStarted, match=KEYS_FILE_VARIABLE):
            read_keys(environment)


def test_each_key_opens_and_no_other() -> None:
    keys = FixedKeys(["first", "second"])
    assert [keys.who(f"Bearer {key}") for key in ("first", "second", "third", "")] == [
        "caller", "caller", None, None,
    ]  # fmt: skip
