"""The routes of a server, derived from declared operations and a protocol's table; no others."""

import re
from functools import cache
from importlib.util import find_spec
from typing import Any

from tornado.routing import PathMatches, Rule, RuleRouter

from ml_workspace_lab.api.openapi import all_operations
from ml_workspace_lab.mlflow.wire import Response
from ml_workspace_lab.server.answering import Answering
from ml_workspace_lab.server.handlers import OpenApiHandler, OperationHandler, UnknownPathHandler
from ml_workspace_lab.server.host import WorkspaceHost
from ml_workspace_lab.server.protocol import ProtocolHandler, Table

NAMESPACE = "/ml-workspace-lab"
API = f"{NAMESPACE}/api/v1"
MLFLOW = f"{NAMESPACE}/mlflow"

Route = tuple[str, type[Answering], dict[str, Any]]


@cache
def mlflow() -> Table:
    """The table of the MLflow protocol."""
    if find_spec("ml_workspace_lab.mlflow.routes") is None:
        return Table([], lambda error, _: Response(error.status))
    from ml_workspace_lab.mlflow.routes import error_response
    from ml_workspace_lab.mlflow.routes import routes as declared

    return Table(declared, error_response)


def routes(host: WorkspaceHost, server: type[Answering], base: str = "/") -> list[Route]:
    """One route for each path that operations are declared on, then the document, then nothing;
    before them the protocol. `server` is the class that admits and identifies, `base` the path
    that the server itself puts before ours."""
    options = {"host": host}
    found = [protocol_route(host, server, base.rstrip("/") + MLFLOW, MLFLOW)]
    found += [
        (API + _pattern(path), _handler(path, methods, server), options)
        for path, methods in sorted(_by_path().items(), key=lambda item: _precedence(item[0]))
    ]
    found.append((f"{API}/openapi\\.json", _over(OpenApiHandler, server), options))
    found.append((f"{NAMESPACE}/.*", _over(UnknownPathHandler, server), options))
    return found


def protocol_route(host: WorkspaceHost, server: type[Answering], mount: str, pattern: str) -> Route:
    """The one route of the whole protocol below `mount`: it looks the paths up by itself."""
    handler = _over(ProtocolHandler, server, table=mlflow())
    return f"{pattern}/.*", handler, {"host": host, "mount": mount}


class UndeclaredRoute(Exception):
    """A handler that no operation was declared for, where only such may be."""


def check(router: RuleRouter, below: str = f"{NAMESPACE}/") -> None:
    """Raise UndeclaredRoute where a handler whose path has `below` in it is not derived from a
    declaration.

    `router` is that of the whole server, so that no other extension, too, can add a route that no
    permission stands before.
    """
    for rule in router.rules:
        if isinstance(rule.target, RuleRouter):
            check(rule.target, below)
        elif isinstance(rule.matcher, PathMatches) and not _is_declared(rule, below):
            raise UndeclaredRoute(
                f"{rule.target} serves {rule.matcher.regex.pattern} without a declared operation."
                " Declare it with @operation on a service."
            )


def _is_declared(rule: Rule, below: str) -> bool:
    assert isinstance(rule.matcher, PathMatches)
    if below not in rule.matcher.regex.pattern.replace("\\", ""):
        return True
    target = rule.target
    if not isinstance(target, type):
        return False
    if issubclass(target, ProtocolHandler):
        return target.table is mlflow()
    return issubclass(target, (OperationHandler, OpenApiHandler, UnknownPathHandler))


def _by_path() -> dict[str, dict[str, Any]]:
    by_path: dict[str, dict[str, Any]] = {}
    for service, operation in all_operations():
        methods = by_path.setdefault(operation.path, {})
        if operation.method in methods:
            raise RuntimeError(f"{operation.method} {operation.path} is declared twice")
        methods[operation.method] = (service, operation)
    return by_path


def _precedence(path: str) -> list[str]:
    """Words before arguments, so that `/blobs/missing` is not taken for a blob called missing."""
    return [("1" if part.startswith("{") else "0") + part for part in path.split("/")]


def _handler(path: str, methods: dict[str, Any], server: type[Answering]) -> type[Answering]:
    name = "".join(part.title() for part in re.findall(r"\w+", path))
    return _over(OperationHandler, server, name, operations=methods)


def _over(
    handler: type[Answering], server: type[Answering], path: str = "", **given: Any
) -> type[Answering]:
    """The handler as `server` runs it."""
    return type(path + handler.__name__, (handler, server), given)


def _pattern(path: str) -> str:
    """The path as a regular expression: an argument is one part, a last `path` is all the rest."""
    escaped = "".join(
        part if part.startswith("{") else re.escape(part) for part in re.split(r"({\w+})", path)
    )
    return re.sub(r"{\w+}", r"([^/]+)", escaped.replace("/{path}", "/(.+)"))
