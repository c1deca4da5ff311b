"""From schema 8 to schema 9: what endpoints served before decisions were asked for goes on."""

import hashlib
import json
from pathlib import Path

import msgspec

from ml_workspace_lab.storage.database import Transaction, now


def fill(transaction: Transaction, folder: Path) -> None:  # noqa: ARG001 - one shape for all steps
    """Trust the versions that endpoints serve, which are loaded already."""
    rows = transaction.all(
        'SELECT v.model, v.version, v.files_json, min(e."user") AS who FROM endpoint e'
        " JOIN model m ON m.name = e.model"
        " JOIN model_version v ON v.model = m.id AND v.version = e.version"
        " WHERE v.executes_code = 1 GROUP BY v.model, v.version, v.files_json"
    )
    for row in rows:
        transaction.insert(
            "model_trust",
            model=row["model"],
            version=row["version"],
            digest=_content(row["files_json"]),
            user=row["who"],
            note="an endpoint served it before decisions were asked for",
            created=now(),
        )


def _content(files: str) -> str:
    """The digest that decisions hold for: of the pairs of path and SHA-256, as JSON without
    blanks."""
    listed = [(file["path"], file["digest"]) for file in json.loads(files)]
    return hashlib.sha256(msgspec.json.encode(listed)).hexdigest()
