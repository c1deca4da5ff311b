"""How it is kept what endpoints sample and export."""

import msgspec

from ml_workspace_lab.endpoints.telemetry.model import Export, Sampling
from ml_workspace_lab.storage.database import Queries, Transaction


def set_sampling(
    transaction: Transaction, endpoint: str, deployment: str, sampling: Sampling | None
) -> None:
    transaction.execute(
        "UPDATE deployment SET sampling_json = :sampling WHERE name = :deployment"
        " AND endpoint = (SELECT id FROM endpoint WHERE name = :endpoint)",
        sampling=None if sampling is None else msgspec.json.encode(sampling).decode(),
        deployment=deployment,
        endpoint=endpoint,
    )
    share = "0" if sampling is None else f"{sampling.share:g}"
    transaction.event("endpoint.sampling", endpoint, deployment=deployment, share=share)


def set_export(transaction: Transaction, endpoint: str, export: Export | None) -> None:
    transaction.execute(
        "UPDATE endpoint SET export_json = :export WHERE name = :endpoint",
        export=None if export is None else msgspec.json.encode(export).decode(),
        endpoint=endpoint,
    )
    transaction.event("endpoint.export", endpoint, url="" if export is None else export.url)


def default_export(queries: Queries) -> Export | None:
    """What counts for endpoints without a setting of their own."""
    row = queries.one("SELECT export_json FROM endpoint_export")
    return None if row is None else msgspec.json.decode(row["export_json"], type=Export)


def set_default_export(transaction: Transaction, export: Export | None) -> None:
    transaction.execute("DELETE FROM endpoint_export")
    if export is not None:
        text = msgspec.json.encode(export).decode()
        transaction.insert("endpoint_export", export_json=text)
    transaction.event("endpoint.default_export", "", url="" if export is None else export.url)
