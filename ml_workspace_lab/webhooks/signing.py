"""Deliveries as receivers know them: the body, and headers that prove who sent it."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

HEADER = "X-MLflow-"


def body(kind: str, moment: int, data: dict[str, Any]) -> bytes:
    """What is sent of an event that happened at `moment` (ms)."""
    entity, _, action = kind.partition(".")
    stamp = datetime.fromtimestamp(moment / 1000, UTC).isoformat()
    return json.dumps(
        {"entity": entity, "action": action, "timestamp": stamp, "data": data}
    ).encode()


def headers(content: bytes, delivery: str, secret: str | None) -> dict[str, str]:
    """The same `delivery` says that it is the same message, sent again."""
    stamp = str(int(time.time()))
    found = {
        "Content-Type": "application/json",
        f"{HEADER}Delivery-Id": delivery,
        f"{HEADER}Timestamp": stamp,
    }
    if secret is not None:
        signed = f"{delivery}.{stamp}.".encode() + content
        digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
        found[f"{HEADER}Signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return found
