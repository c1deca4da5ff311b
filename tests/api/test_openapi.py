"""What is derived from the operations is current, and no operation escapes."""

import re
from pathlib import Path

from ml_workspace_lab.access.authorize import ROLES
from ml_workspace_lab.api import openapi

HERE = Path(openapi.__file__).parent


def test_the_written_document_is_the_derived_one() -> None:
    assert (HERE / "openapi.json").read_text(encoding="utf-8") == openapi.text(), (
        "run `python -m ml_workspace_lab.api` and `jlpm api`"
    )


def test_the_types_of_the_front_end_have_every_schema_of_the_document() -> None:
    schema = (HERE.parents[1] / "src" / "api" / "schema.ts").read_text(encoding="utf-8")
    for name in openapi.document()["components"]["schemas"]:
        assert re.search(rf"^export type {name} =", schema, re.MULTILINE), f"run `jlpm api`: {name}"


def test_every_operation_says_what_right_it_needs_and_what_it_does() -> None:
    for service, operation in openapi.all_operations():
        assert re.fullmatch(r"[a-zA-Z]+(/[a-zA-Z]+)*", operation.action), operation.name
        assert operation.action.split("/")[-1] in {"read", "write", "delete", "action"}
        assert operation.function.__doc__ or operation.name in ("list", "get", "version"), (
            f"{service}.{operation.name} has no docstring"
        )


def test_no_path_and_method_is_declared_twice() -> None:
    found = [(op.method, op.path) for _, op in openapi.all_operations()]
    assert len(found) == len(set(found))


def test_the_rights_of_a_run_are_rights_that_exist() -> None:
    actions = {op.action for _, op in openapi.all_operations()}
    assert set(ROLES["Run"]) <= actions
