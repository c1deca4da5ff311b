"""The routes of the API, derived from the declared operations; no other can exist below it."""

import re
from typing import Any

from tornado.routing import PathMatches, Rule, RuleRouter

from ml_workspace_lab.api.openapi import all_operations, text
from ml_workspace_lab.server.handlers import ApiHandler, OperationHandler, UnknownPathHandler
from ml_workspace_lab.server.host import WorkspaceHost

NAMESPACE = "/ml-workspace-lab"
API = f"{NAMESPACE}/api/v1"

Route = tuple[str, type[ApiHandler], dict[str, Any]]


class OpenApiHandler(ApiHandler):
    """The OpenAPI document of this API."""

    async def get(self) -> None:
        self.finish(text())


def routes(host: WorkspaceHost) -> list[Route]:
    """One route for each path that operations are declared on, then the document, then nothing."""
    by_path: dict[str, dict[str, Any]] = {}
    for service, operation in all_operations():
        methods = by_path.setdefault(operation.path, {})
        if operation.method in methods:
            raise RuntimeError(f"{operation.method} {operation.path} is declared twice")
        methods[operation.method] = (service, operation)
    options = {"host": host}
    found: list[Route] = [
        (API + _pattern(path), _handler(path, methods), options)
        for path, methods in sorted(by_path.items(), key=lambda item: _precedence(item[0]))
    ]
    found.append((f"{API}/openapi\\.json", OpenApiHandler, options))
    found.append((f"{NAMESPACE}/.*", UnknownPathHandler, options))
    return found


class UndeclaredRoute(Exception):
    """A handler below our namespace that no operation was declared for."""


def check(router: RuleRouter) -> None:
    """Raise UndeclaredRoute where a handler below our namespace is not derived from a declaration.

    `router` is that of the whole server, so that no other extension, too, can add a route that no
    permission stands before.
    """
    for rule in router.rules:
        if isinstance(rule.target, RuleRouter):
            check(rule.target)
        elif isinstance(rule.matcher, PathMatches) and not _is_declared(rule):
            raise UndeclaredRoute(
                f"{rule.target} serves {rule.matcher.regex.pattern} without a declared operation."
                " Declare it with @operation on a service."
            )


def _is_declared(rule: Rule) -> bool:
    assert isinstance(rule.matcher, PathMatches)
    if f"{NAMESPACE}/" not in rule.matcher.regex.pattern.replace("\\", ""):
        return True
    derived = (OperationHandler, OpenApiHandler, UnknownPathHandler)
    return isinstance(rule.target, type) and issubclass(rule.target, derived)


def _precedence(path: str) -> list[str]:
    """Words before arguments, so that `/blobs/missing` is not taken for a blob called missing."""
    return [("1" if part.startswith("{") else "0") + part for part in path.split("/")]


def _handler(path: str, methods: dict[str, Any]) -> type[ApiHandler]:
    name = "".join(part.title() for part in re.findall(r"\w+", path)) + "Handler"
    return type(name, (OperationHandler,), {"operations": methods})


def _pattern(path: str) -> str:
    """The path as a regular expression: an argument is one part, a last `path` is all the rest."""
    escaped = "".join(
        part if part.startswith("{") else re.escape(part) for part in re.split(r"({\w+})", path)
    )
    return re.sub(r"{\w+}", r"([^/]+)", escaped.replace("/{path}", "/(.+)"))
