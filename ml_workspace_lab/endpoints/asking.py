"""Asking a scoring process as its clients do."""

import http.client
import json
from typing import Any

from ml_workspace_lab.endpoints.model import ScoreRequest

SCORING_SECONDS = 60.0
DEPLOYMENT_HEADER = "azureml-model-deployment"


def post(port: int, secret: str, asked: ScoreRequest) -> tuple[int, http.client.HTTPMessage, Any]:
    """Status, header fields and body of the answer, as JSON where it is. Raises OSError or
    HTTPException where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SCORING_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        if asked.deployment is not None:
            headers[DEPLOYMENT_HEADER] = asked.deployment
        connection.request("POST", "/score", json.dumps(asked.body).encode(), headers)
        response = connection.getresponse()
        raw = response.read()
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = raw.decode("utf-8", "replace")
        return response.status, response.headers, answer
    finally:
        connection.close()
