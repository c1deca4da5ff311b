"""The OpenAPI 3.1 document of all operations, derived from their declarations."""

import inspect
import json
from typing import Any

import msgspec

from ml_workspace_lab.api.operation import Operation
from ml_workspace_lab.services import SERVICES, service_class

REFS = "#/components/schemas/{name}"


class ErrorBody(msgspec.Struct):
    """What every refusal looks like: `field` names the input at fault, `hint` what to do."""

    error_code: str
    message: str
    field: str | None
    hint: str | None
    request_id: str


def all_operations() -> list[tuple[str, Operation]]:
    """Every operation with the name of its service, in the order of the services' list."""
    return [
        (service, operation)
        for service in SERVICES
        for operation in service_class(service).operations.values()
    ]


def document() -> dict[str, Any]:
    operations = all_operations()
    types: list[Any] = [ErrorBody]
    for _, operation in operations:
        if operation.body is not None:
            types.append(operation.body)
        if not operation.downloads:
            types.append(operation.result)
    _, components = msgspec.json.schema_components(types, ref_template=REFS)
    paths: dict[str, dict[str, Any]] = {}
    for service, operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(
            service, operation
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "ML Workspace Lab", "version": "1"},
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items()))},
    }


def text() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _describe(service: str, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{service}.{operation.name}",
        "tags": [service],
        "summary": (inspect.getdoc(operation.function) or "").partition("\n")[0],
        "x-action": operation.action,
        "parameters": _parameters(operation),
        "responses": {
            "200": {"description": "Done.", "content": _answer(operation)},
            "default": {"description": "Refused.", "content": _json(ErrorBody)},
        },
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _json(operation.body)}
    elif operation.uploads:
        described["requestBody"] = {"required": True, "content": _bytes()}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    fields = {field.name: field for field in msgspec.structs.fields(operation.arguments)}
    found = []
    for name in (*operation.path_names, *operation.query_names):
        (schema,), _ = msgspec.json.schema_components([fields[name].type], ref_template=REFS)
        in_path = name in operation.path_names
        found.append(
            {
                "name": name,
                "in": "path" if in_path else "query",
                "required": in_path or fields[name].required,
                "schema": schema,
            }
        )
    return found


def _answer(operation: Operation) -> dict[str, Any]:
    return _bytes() if operation.downloads else _json(operation.result)


def _json(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REFS)
    return {"application/json": {"schema": schema}}


def _bytes() -> dict[str, Any]:
    return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
