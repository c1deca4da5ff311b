"""Reading a query, checking it, answering it."""

from typing import Any

import msgspec
from graphql import ExecutionResult, GraphQLError, execute_sync, parse, validate
from msgspec import Struct, field

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.mlflow import answers
from ml_workspace_lab.mlflow.errors import message
from ml_workspace_lab.mlflow.graphql import limits
from ml_workspace_lab.mlflow.graphql.fields import Asking, schema
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response


class Asked(Struct):
    query: str
    variables: dict[str, Any] = field(default_factory=dict)
    operation: str = field(default="", name="operationName")


def answered(request: Request) -> Response:
    asked = body(request, Asked)
    try:
        result = _result(request, asked)
    except GraphQLError as error:
        result = ExecutionResult(None, [error])
    except RecursionError:
        result = ExecutionResult(None, [GraphQLError("Query is nested too deep.")])
    errors = [_told(error) for error in result.errors or ()]
    return answers.raw(msgspec.json.encode({"data": result.data, "errors": errors or None}))


def _result(request: Request, asked: Asked) -> ExecutionResult:
    document = parse(asked.query, no_location=True, max_tokens=limits.TOKENS)
    limits.check(document)
    if errors := validate(schema(), document, max_errors=limits.ERRORS):
        return ExecutionResult(None, errors)
    asking = Asking(request)
    result = execute_sync(
        schema(),
        document,
        context_value=asking,
        variable_values=asked.variables,
        operation_name=asked.operation or None,
        middleware=[asking.budget],
    )
    if asking.budget.is_spent:  # Half of an answer would be taken for the whole.
        return ExecutionResult(None, (result.errors or [])[:1])
    return result


def _told(error: GraphQLError) -> str:
    """What is said of an error. Raises what is no fault of the query's."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, WorkspaceError):
        return message(cause)
    if not isinstance(cause, GraphQLError):
        raise cause or error
    return error.message
