"""Rows of files: where mini-batches begin, of which kinds columns are, which rows are bad."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.endpoints.batch.formats import files_of, reader
from ml_workspace_lab.endpoints.batch.model import MiniBatch
from ml_workspace_lab.endpoints.batch.values import Block, Kinds
from ml_workspace_lab.errors import InvalidInput

FIELD = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


def blocks(path: Path, size: int, kinds: Kinds | None = None) -> list[Block]:
    """All mini-batches of a file, read in an order of no meaning."""
    survey = reader(path).survey(size)
    parts = [
        MiniBatch(at, 0, at * size, min(size, survey.rows - at * size), offset)
        for at, offset in enumerate(survey.offsets)
    ]
    found = {}
    opened = reader(path)
    for part in random.Random(1).sample(parts, len(parts)):
        found[part.number] = opened.read(part, kinds or survey.kinds)
    return [found[part.number] for part in parts]


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=5), min_size=2, max_size=2
        ),
        max_size=12,
    ),
    size=st.integers(1, 5),
)
def test_mini_batches_of_csv_have_every_row_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], size: int
) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([["a", "b"], *rows])
    found = blocks(path, size, {"a": "text", "b": "text"})
    assert [row for block in found for row in block.rows] == list(range(len(rows)))
    values = [value for block in found for value in block.columns["b"]]
    assert ["" if value != value else value for value in values] == [row[1] for row in rows]
    assert not any(block.bad for block in found)


def test_a_bad_row_of_csv_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbfx,name\r\n1,"two\nlines"\r\n\r\n2\r\n3,c,d\r\n4,\xff\r\n5,\r\n'
    [first, second] = blocks(written(tmp_path, "rows.csv", text), 3)
    assert first.rows == [0]
    assert first.columns["name"].tolist() == ["two\nlines"]
    assert first.bad == [
        (1, "has 1 fields for 2 columns"),
        (2, "has 3 fields for 2 columns"),
    ]
    assert second.bad == [(3, "column 'name': is not UTF-8")]
    assert second.rows == [4]
    assert second.columns["x"].tolist() == [5]
    assert np.isnan(second.columns["name"][0]), "an empty field is a missing value"


@pytest.mark.parametrize(
    ("fields", "kind", "dtype"),
    [
        (["1", "2"], "int", "i8"),
        (["1", "2.5", ""], "float", "f8"),
        (["true", "False"], "bool", "?"),
        (["1", "x"], "text", "O"),
        (["1_000", "2"], "text", "O"),
        (["007", "8"], "int", "i8"),
        (["nan", "inf"], "float", "f8"),
    ],
)
def test_kinds_of_columns_fit_all_of_their_values(
    tmp_path: Path, fields: list[str], kind: str, dtype: str
) -> None:
    path = written(tmp_path, "rows.csv", "x,y\n" + "".join(f"{one},\n" for one in fields))
    assert reader(path).survey(1).kinds["x"] == kind
    assert {block.columns["x"].dtype for block in blocks(path, len(fields))} == {np.dtype(dtype)}


def test_a_value_that_is_no_number_makes_its_row_bad_where_numbers_are_wanted(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "rows.csv", "x,n\n1.5,1\nabc,2\n,3\n2.5,4.5\n")
    [block] = blocks(path, 10, {"x": "float", "n": "int"})
    assert block.bad == [
        (1, "column 'x': 'abc' is not a number"),
        (3, "column 'n': '4.5' is not an integer"),
    ]
    assert block.rows == [0, 2]
    assert np.isnan(block.columns["x"][1])
    assert block.columns["n"].tolist() == [1, 3]


def test_lines_that_are_no_objects_are_bad_rows(tmp_path: Path) -> None:
    text = '{"x": 1, "s": "a"}\n[2]\n\n{"x": 2.5}\n{"x":\n{"x": 3, "s": null, "t": true}\n'
    found = blocks(written(tmp_path, "rows.jsonl", text), 2)
    assert [block.rows for block in found] == [[0], [2], [4]]
    assert [[row for row, _ in block.bad] for block in found] == [[1], [3], []]
    assert [block.columns["x"].tolist() for block in found] == [[1.0], [2.5], [3.0]]
    assert set(found[1].columns) == {"x", "s", "t"}


def test_tables_are_read_across_their_pieces(tmp_path: Path) -> None:
    table = pa.table({"x": range(10), "s": pa.array([*"abcdefghi", None]).dictionary_encode()})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=3)
    with pa.ipc.new_file(tmp_path / "rows.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=4)
    with pa.ipc.new_stream(tmp_path / "rows.arrows", table.schema) as stream:
        stream.write_table(table, max_chunksize=4)
    for name in ("rows.parquet", "rows.arrow", "rows.arrows"):
        found = blocks(tmp_path / name, 4)
        assert [block.rows for block in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]], name
        assert [x for block in found for x in block.columns["x"]] == list(range(10))
        assert found[2].columns["s"].tolist() == ["i", None]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", "", "no header"),
        ("rows.csv", "a,a\n1,2\n", "twice"),
        ("rows.parquet", "PAR1", "can't be read"),
        ("rows.arrow", "ARROW1 and no more", "can't be read"),
        ("rows.jsonl", "1\n2\n", "no line"),
        ("rows.xlsx", "", "no format"),
        (".hidden/rows.csv", "", "no files"),
    ],
)
def test_an_input_that_is_none_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    written(tmp_path, name, content)
    with pytest.raises(InvalidInput, match=said):
        [(_, path)] = files_of(tmp_path)
        reader(path).survey(10)


def test_files_of_a_folder_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a/z.csv", "a/_SUCCESS", "a.csv", ".DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path, name, "x\n1\n")
    assert [name for name, _ in files_of(tmp_path)] == ["a.csv", "a/z.csv", "b.csv"]
