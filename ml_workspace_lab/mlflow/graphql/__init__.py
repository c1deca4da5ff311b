"""MLflow's GraphQL: what its pages ask in one request, answered by the calls of the REST protocol.

The library that reads queries is loaded when somebody first asks.
"""

from ml_workspace_lab.mlflow.wire import Request, Response

BODY_LIMIT = 1024 * 1024


def query(request: Request) -> Response:
    """The answer to a query, `{"data", "errors"}`; what is wrong with it is said there."""
    from ml_workspace_lab.mlflow.graphql.execution import answered

    return answered(request)
