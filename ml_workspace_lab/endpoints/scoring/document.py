"""An endpoint's documents: OpenAPI 3.1 and 3.0, and Swagger 2.0, which Azure's clients read."""

from dataclasses import dataclass
from typing import Any

from ml_workspace_lab.endpoints.folder import Deployment

SWAGGERS = {"2.0": "2", "3.0": "3", "3.1": "3.1"}
"""The versions, and what else they are asked for by."""
ANYTHING: dict[str, Any] = {}
JSON = "application/json"
_ERROR = {"type": "object", "properties": {"message": {"type": "string"}}}
_ANSWERS = {
    "400": "The body is not what the model takes.",
    "401": "No key, or a wrong one.",
    "413": "The body is too large.",
    "415": "The body is not called JSON.",
    "500": "The scoring code raised.",
}


@dataclass(frozen=True)
class Schemas:
    """The JSON Schemas of body and answer, and the versions that can express them."""

    given: dict[str, Any]
    answer: dict[str, Any]
    versions: tuple[str, ...] = tuple(SWAGGERS)


def rows() -> dict[str, Any]:
    """The body that a model without a script takes."""
    return {
        "type": "object",
        "properties": {"data": {"type": "array", "items": {}, "minItems": 1}},
        "required": ["data"],
    }


def document(deployment: Deployment, schemas: Schemas, version: str) -> dict[str, Any]:
    """What a client needs to know. Raises ValueError where there is no such version."""
    found = next((v for v, short in SWAGGERS.items() if version in (v, short)), None)
    if found is None or found not in schemas.versions:
        known = ", ".join(SWAGGERS[v] for v in schemas.versions)
        raise ValueError(f"There is no document of the version {version[:20]!r}, but of {known}.")
    info = {
        "title": deployment.endpoint,
        "version": str(deployment.version),
        "description": f"Scores {deployment.model}:{deployment.version}.",
    }
    if found == "2.0":
        return _swagger(info, schemas)
    return _openapi(info, schemas, "3.1.0" if found == "3.1" else "3.0.3")


def _openapi(info: dict[str, str], schemas: Schemas, version: str) -> dict[str, Any]:
    def content(name: str) -> dict[str, Any]:
        return {"content": {JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}}

    answers = {
        status: {"description": said, **content("Error")} for status, said in _ANSWERS.items()
    }
    answers["200"] = {"description": "What the model says.", **content("ServiceOutput")}
    return {
        "openapi": version,
        "info": info,
        "security": [{"key": []}],
        "paths": {
            "/": {"get": {**_health(), "security": []}},
            "/score": {
                "post": {
                    "summary": "Score",
                    "operationId": "RunMLService",
                    "requestBody": {"required": True, **content("ServiceInput")},
                    "responses": answers,
                }
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _named(schemas),
        },
    }


def _swagger(info: dict[str, str], schemas: Schemas) -> dict[str, Any]:
    def schema(name: str) -> dict[str, Any]:
        return {"schema": {"$ref": f"#/definitions/{name}"}}

    answers = {
        status: {"description": said, **schema("Error")} for status, said in _ANSWERS.items()
    }
    answers["200"] = {"description": "What the model says.", **schema("ServiceOutput")}
    body = {"in": "body", "name": "serviceInputPayload", "required": True, **schema("ServiceInput")}
    return {
        "swagger": "2.0",
        "info": info,
        "schemes": ["http"],
        "consumes": [JSON],
        "produces": [JSON],
        "securityDefinitions": {
            "Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}
        },
        "paths": {
            "/": {"get": _health()},
            "/score": {
                "post": {
                    "summary": "Score",
                    "operationId": "RunMLService",
                    "security": [{"Bearer": []}],
                    "parameters": [body],
                    "responses": answers,
                }
            },
        },
        "definitions": _named(schemas),
    }


def _health() -> dict[str, Any]:
    return {
        "summary": "Health",
        "operationId": "ServiceHealthCheck",
        "responses": {"200": {"description": "Healthy"}},
    }


def _named(schemas: Schemas) -> dict[str, Any]:
    return {"ServiceInput": schemas.given, "ServiceOutput": schemas.answer, "Error": _ERROR}
