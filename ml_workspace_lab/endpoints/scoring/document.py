"""The OpenAPI 3.1 document of an endpoint."""

from typing import Any

from ml_workspace_lab.endpoints.folder import Deployment

_ERROR = {
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"message": {"type": "string"}}}
        }
    }
}


def openapi(deployment: Deployment) -> dict[str, Any]:
    """What a client needs to know; without a script the body's shape is known too."""
    body = {} if deployment.has_script else _rows()
    answer = {} if deployment.has_script else {"type": "array", "items": {}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": deployment.endpoint,
            "version": str(deployment.version),
            "description": f"Scores {deployment.model}:{deployment.version}.",
        },
        "security": [{"key": []}],
        "paths": {
            "/": {
                "get": {
                    "summary": "Health",
                    "security": [],
                    "responses": {"200": {"description": "Healthy"}},
                }
            },
            "/score": {
                "post": {
                    "summary": "Score",
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": body}},
                    },
                    "responses": {
                        "200": {
                            "description": "What the model says.",
                            "content": {"application/json": {"schema": answer}},
                        },
                        "400": {"description": "The body is not what the model takes.", **_ERROR},
                        "401": {"description": "No key, or a wrong one.", **_ERROR},
                        "413": {"description": "The body is too large.", **_ERROR},
                        "415": {"description": "The body is not called JSON.", **_ERROR},
                        "500": {"description": "The scoring code raised.", **_ERROR},
                    },
                }
            },
        },
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _rows() -> dict[str, Any]:
    row = {"anyOf": [{"type": "array", "items": {}}, {"type": "object"}]}
    return {
        "type": "object",
        "properties": {"data": {"type": "array", "items": row, "minItems": 1}},
        "required": ["data"],
    }
