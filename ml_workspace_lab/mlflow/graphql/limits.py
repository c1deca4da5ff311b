"""How much one query may ask for: how it is written, and how large its answer becomes.

The first is counted before anything is looked up, in each fragment wherever it is spread. The
second shows only while lists are read, and each is counted before it is written out.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLResolveInfo,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_nullable_type,
    is_list_type,
)

from ml_workspace_lab.errors import InvalidInput

TOKENS = 5_000
ERRORS = 10
"""Mistakes of a query that are told, each with its place and surroundings."""
DEPTH = 10
SELECTIONS = 1_000
SCHEMA_DEPTH = 20
"""Levels below `__schema` and `__type`, more than tools ask for."""
VALUES = 500_000
"""Values in an answer."""
ROOT_FIELDS = ("root fields", "MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS")
ALIASES = ("aliases", "MLFLOW_SERVER_GRAPHQL_MAX_ALIASES")
AT_MOST = "10"
"""Root fields, and aliases on one level, unless the server's environment says otherwise."""

Fragments = Mapping[str, FragmentDefinitionNode]


def check(document: DocumentNode) -> None:
    """Raise GraphQLError where a query is too deep, too long or asks too much at once."""
    fragments = {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    selections = roots = aliases = 0
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            continue
        # A fragment is as deep as where it is spread; by itself it counts for its length.
        is_asked = isinstance(definition, OperationDefinitionNode)
        waiting = [(definition.selection_set, 1 if is_asked else -SCHEMA_DEPTH)]
        while waiting:
            selected, depth = waiting.pop()
            if depth > DEPTH:
                raise GraphQLError(f"Query exceeds maximum depth of {DEPTH}")
            renamed = 0
            for one in _level(selected, fragments):
                selections += 1
                if selections > SELECTIONS:
                    raise GraphQLError(f"Query exceeds maximum total selections of {SELECTIONS}")
                if isinstance(one, FieldNode):
                    roots += is_asked and depth == 1
                    renamed += one.alias is not None
                    if one.selection_set is not None:
                        of_schema = one.name.value.startswith("__")
                        deeper = depth - SCHEMA_DEPTH if of_schema else depth + 1
                        waiting.append((one.selection_set, deeper))
            aliases = max(aliases, renamed)
    _check_count(roots, *ROOT_FIELDS)
    _check_count(aliases, *ALIASES)


class Budget:
    """What is left of the values that one answer may have."""

    def __init__(self) -> None:
        self.left = VALUES
        self._widths: dict[int, int] = {}

    def spend(self, values: int) -> None:
        """Raises GraphQLError where no more are left."""
        self.left -= values
        if self.is_spent:
            raise GraphQLError(
                f"The answer would have more than {VALUES} values. Ask for fewer runs, points or"
                " fields at once."
            )

    @property
    def is_spent(self) -> bool:
        return self.left < 0

    def resolve(
        self,
        following: Callable[..., Any],
        source: Any,
        info: GraphQLResolveInfo[Any],
        **arguments: Any,
    ) -> Any:
        """The value of a field, paid for if it is a list. The library calls this for each field."""
        value = following(source, info, **arguments)
        if value and is_list_type(get_nullable_type(info.return_type)):
            self.spend(len(value) * self._width(info))
        return value

    def _width(self, info: GraphQLResolveInfo[Any]) -> int:
        """How many values each item of a list has, those of lists in it once."""
        key = id(info.field_nodes[0])  # which lives as long as the query
        if key not in self._widths:
            self._widths[key] = 1 + sum(
                1 for one in info.field_nodes for _ in _below(one, info.fragments)
            )
        return self._widths[key]


def _level(selected: SelectionSetNode, fragments: Fragments) -> Iterator[SelectionNode]:
    """What is selected of one object: fields, and fragments with what is in them."""
    waiting, spread = list(selected.selections), set()
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, InlineFragmentNode):
            waiting += one.selection_set.selections
        elif isinstance(one, FragmentSpreadNode):
            fragment = fragments.get(one.name.value)
            if fragment is not None and one.name.value not in spread:
                spread.add(one.name.value)
                waiting += fragment.selection_set.selections


def _below(field: FieldNode, fragments: Fragments) -> Iterator[SelectionNode]:
    waiting = [field]
    while waiting:
        selected = waiting.pop().selection_set
        if selected is not None:
            for one in _level(selected, fragments):
                yield one
                if isinstance(one, FieldNode):
                    waiting.append(one)


def _check_count(count: int, what: str, variable: str) -> None:
    given = os.environ.get(variable, AT_MOST)
    if not given.isdecimal():
        raise InvalidInput(f"{variable}: {given[:80]!r} is no whole number.", field=variable)
    if count > int(given):
        raise GraphQLError(
            f"GraphQL queries should have at most {given} {what}, got {count} {what}. To increase"
            f" the limit, set the {variable} environment variable."
        )
