"""Finding versions of models."""

from collections.abc import Iterator, Mapping, Sequence

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.models.model import ModelVersion, SearchModels

PAGE = 1000


def searched(
    connection: Connection, filter_: str, order_by: Sequence[str], limit: int | None
) -> Iterator[ModelVersion]:
    """The versions that a filter matches, page by page; at most `limit` of them."""
    token: str | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = connection.registry.versions(
            SearchModels(filter_, list(order_by), limit=size, after=token)
        )
        yield from page.items
        token = page.next
        if token is None:
            return
        left = None if left is None else left - len(page.items)


def listed(
    connection: Connection,
    attributes: Mapping[str, str | None],
    tags: Mapping[str, str],
    properties: Mapping[str, str],
    *,
    latest: bool,
) -> list[ModelVersion]:
    """The versions of these attributes, tags and properties; with `latest` the newest of each
    model. Those in the archive only where `stage` says so."""
    parts = [f"{name} = {_text(value)}" for name, value in attributes.items() if value is not None]
    if attributes.get("stage") is None:
        parts.append("stage != 'Archived'")
    found = [
        version
        for version in searched(connection, " and ".join(parts), (), None)
        if tags.items() <= version.tags.items() and properties.items() <= version.properties.items()
    ]
    if not latest:
        return found
    newest: dict[str, ModelVersion] = {}
    for version in sorted(found, key=lambda one: one.version):
        newest[version.name] = version
    return [version for version in found if newest[version.name] is version]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
