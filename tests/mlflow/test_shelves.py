"""Paths of the artifact proxy."""

import pytest

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.mlflow.shelves import folder, safe


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../x",
        "a/../b",
        "a/..",
        "/etc",
        "//etc",
        "a//b",
        "./a",
        "a/./b",
        "a\\b",
        "a\0b",
        "a\nb",
        "a#b",
        "C:/x",
        "%2e%2e/x",
        "%252e%252e/x",
        "%25252e%25252e/x",
        "a%2f..%2fb",
        "a%5cb",
        "a%00b",
        "a%23b",
        "x" * 256,
        "/".join(["x" * 200] * 6),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="Invalid path"):
        safe(path)


@pytest.mark.parametrize(
    "path", ["", "a", "a/b.txt", "a b", "ä/実", "100%.txt", "a%20b", "...", "a..b", ".hidden"]
)
def test_a_path_that_names_a_file_is_kept_as_it_is(path: str) -> None:
    assert safe(path) == path
    assert safe(f"{path}/") == path


@pytest.mark.parametrize(
    ("path", "meant"), [(".", ""), ("./", ""), ("./a", "a"), ("a/.", "a"), ("a/./b/", "a/b")]
)
def test_a_listing_stays_where_it_is(path: str, meant: str) -> None:
    assert folder(path) == meant


@pytest.mark.parametrize("path", ["./..", "a/./../..", "%2e", "a/%2e/b", ".//a"])
def test_a_listing_leads_nowhere_else(path: str) -> None:
    with pytest.raises(InvalidInput, match="Invalid path"):
        folder(path)
