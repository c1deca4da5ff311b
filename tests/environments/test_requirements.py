"""Lines of requirements: taken at their word, or refused by name."""

import pytest

from ml_workspace_lab.environments import requirements
from ml_workspace_lab.errors import InvalidInput

HASH = "sha256:" + "a1" * 32


def test_a_file_is_read_as_pip_reads_it() -> None:
    text = f"""\ufeff# packages
Num_Py >= 1.20 , <3 ; python_version > "3.8"   # a comment

six==1.17.0 \\
    --hash={HASH} \\
    --hash=sha512:{"0f" * 64}
requests[socks]
"""
    found = requirements.parse(requirements.read(text), "requirements")
    assert [one.line for one in found] == [
        'num-py<3,>=1.20; python_version > "3.8"',
        "requests[socks]",
        f"six==1.17.0 --hash={HASH} --hash=sha512:{'0f' * 64}",
    ]


def test_order_and_spelling_make_no_difference() -> None:
    one = requirements.parse(["Six == 1.17", "attrs"], "r")
    assert one == requirements.parse(["attrs", "six==1.17", "attrs"], "r")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--index-url https://packages.example", "pip or uv configuration"),
        ("-ihttps://packages.example", "pip or uv configuration"),
        ("six --index-url=https://packages.example", "pip or uv configuration"),
        ("--extra-index-url=https://packages.example", "pip or uv configuration"),
        ("six --trusted-host packages.example", "pip or uv configuration"),
        ("-e .", "from_existing"),
        ("--editable=/etc", "from_existing"),
        ("-r other.txt", "lines of that file"),
        ("-cother.txt", "lines of that file"),
        ("six --global-option=--x", "Only --hash"),
        ("six==1 --hash=md5:00", "Only --hash"),
        ("six\n--index-url=https://packages.example", "control characters"),
        ("six\x00", "control characters"),
        ("six\x7f", "control characters"),
        ("./six.whl", "files and folders"),
        ("/etc/passwd", "files and folders"),
        ("../six", "files and folders"),
        ("file:///etc/passwd", "not a requirement"),
        ("git+https://packages.example/six", "not a requirement"),
        ("https://packages.example/six.whl", "not a requirement"),
        ("$(id)", "not a requirement"),
        ("`id`", "not a requirement"),
        ("${HOME}", "not a requirement"),
        ("six; rm x", "not a requirement"),
        ("six && id", "not a requirement"),
        ("", "not a requirement"),
        ("six @ file:///etc/six.whl", "no https address"),
        ("six @ git+https://packages.example/six", "no https address"),
        ("six @ http://packages.example/six.whl", "no https address"),
        ("six @ https://", "no https address"),
        ("six @ https://me:secret@packages.example/six.whl", "netrc"),
        ("six @ https://packages.example/six.whl", r"allow_urls=\['six'\]"),
    ],
)
def test_whatever_is_no_requirement_is_refused(line: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refusal:
        requirements.parse(["attrs", line], "requirements")
    assert refusal.value.field == "requirements.1"
    assert "secret" not in str(refusal.value)


def test_an_address_is_taken_where_the_package_is_allowed_one() -> None:
    line = "Six @ https://packages.example/six-1.0.whl"
    (found,) = requirements.parse([line], "requirements", ["SIX"])
    assert found.line == "six @ https://packages.example/six-1.0.whl"
