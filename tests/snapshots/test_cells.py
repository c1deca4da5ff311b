"""Cells and lines that differ, and those that only moved."""

import difflib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.snapshots.cells import changed_cells
from ml_workspace_lab.snapshots.lines import MOST_LINES, TooLong, unified

LONG = "for epoch in range(10):\n    model.fit(x, y)\n"


def notebook(*cells: tuple[str, str | None]) -> bytes:
    made = [
        {"cell_type": "code", "source": source, "outputs": [source]} | ({"id": id_} if id_ else {})
        for source, id_ in cells
    ]
    return json.dumps({"cells": made}).encode()


def changes(old: bytes, new: bytes) -> list[tuple[str, int | None, int | None]]:
    found = changed_cells(old, new)
    assert found is not None
    return [(one.change, one.before, one.after) for one in found]


def test_a_cell_is_found_by_its_id_whatever_became_of_its_text() -> None:
    old = notebook(("a", "1"), ("b", "2"), ("c", "3"))
    assert changes(old, notebook(("a", "1"), ("entirely other", "2"), ("c", "3"))) == [
        ("changed", 2, 2)
    ]
    assert changes(old, notebook(("c", "3"), ("a", "1"), ("b", "2"))) == [("moved", 3, 1)]
    assert changes(old, notebook(("a", "1"), ("new", "9"), ("c", "3"))) == [
        ("removed", 2, None),
        ("added", None, 2),
    ]


def test_a_cell_without_its_id_is_found_by_its_text() -> None:
    old = notebook(("import os", None), (LONG, None), ("print(1)", None))
    new = notebook(
        ("import os", "x"), ("# new", "y"), (LONG.replace("10", "20"), "z"), ("print(1)", "w")
    )
    found = changed_cells(old, new)
    assert found is not None
    assert [(c.change, c.before, c.after) for c in found] == [("added", None, 2), ("changed", 2, 3)]
    assert "-for epoch in range(10):\n+for epoch in range(20):\n" in found[1].text


def test_outputs_do_not_count_and_what_is_no_notebook_is_none() -> None:
    same = notebook(("a", "1"))
    assert changes(same, same.replace(b'["a"]', b"[]")) == []
    assert changed_cells(b"{}", same) is None
    assert changed_cells(b"", same) is not None
    assert changed_cells(notebook(*[("", None)] * 3000), same) is None


def test_many_cells_that_are_all_alike_are_compared() -> None:
    old, new = (notebook(*[(f"x = {n % 7}", None) for n in range(size)]) for size in (900, 1000))
    assert changed_cells(old, new)


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "", "d"]), max_size=30)


@given(LINES, LINES)
def test_a_diff_makes_the_new_text_of_the_old_one(old: list[str], new: list[str]) -> None:
    old, new = "".join(old).splitlines(keepends=True), "".join(new).splitlines(keepends=True)
    made, place = list(old), 0
    whole = unified(old, new)
    assert bool(whole) == (old != new)
    result: list[str] = []
    for line in whole.splitlines(keepends=True):
        if line.startswith("@@"):
            first, _, size = line.split()[1][1:].partition(",")
            begin = int(first) - (size != "0")
            result += made[place:begin]
            place = begin
        elif line[0] == "+":
            result.append(line[1:])
        else:
            assert line[1:].rstrip("\n") == made[place].rstrip("\n")
            result += [line[1:]] if line[0] == " " else []
            place += 1
    result += made[place:]
    assert [line.rstrip("\n") for line in result] == [line.rstrip("\n") for line in new]


def test_hunks_are_those_of_difflib_where_there_is_one_change() -> None:
    old = [f"{n}\n" for n in range(100)]
    new = [*old[:50], "new\n", *old[51:]]
    expected = "".join(list(difflib.unified_diff(old, new))[2:])
    assert unified(old, new) == expected


def test_texts_that_differ_all_over_are_not_compared_for_ever() -> None:
    lines = [f"{n}\n" for n in range(MOST_LINES + 2)]
    with pytest.raises(TooLong):
        unified(lines, [line.replace("\n", "x\n") for line in lines])
    assert unified([], lines).count("+") == len(lines) + 1
