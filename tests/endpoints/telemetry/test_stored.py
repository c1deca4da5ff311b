"""What is to be kept and exported, in a file's database and in PostgreSQL."""

from pathlib import Path

import msgspec

from ml_workspace_lab import Workspace
from ml_workspace_lab.endpoints.folder import NO_EXPORT, EndpointFolder, Rules, as_written
from tests.endpoints.support import scale_endpoint
from tests.postgresql import database_url as database_url


def test_sampling_and_export_are_kept_told_and_forgotten(ws: Workspace, tmp_path: Path) -> None:
    endpoint = scale_endpoint(ws, tmp_path, wait=False)
    endpoint.sample(0.25, hash_fields=["name"], days=3)
    endpoint.export("http://127.0.0.1:9", trace_share=0.5)
    info = Workspace.open(ws.location).endpoints["scale"].info()
    sampling, export = info.deployments[0].sampling, info.export
    assert sampling is not None
    assert (sampling.share, sampling.hash_fields, sampling.days) == (0.25, ["name"], 3)
    assert export is not None
    assert (export.url, export.trace_share) == ("http://127.0.0.1:9", 0.5)
    folder = EndpointFolder(ws.connection.storage.endpoint("scale"))
    rules = msgspec.json.decode(folder.keys.read_bytes(), type=Rules)
    written = {"default": as_written(sampling)}
    assert (rules.sampling, rules.export) == (written, as_written(export))

    endpoint.export(None)
    ws.export_endpoints("http://127.0.0.1:8")
    ws.export_endpoints("http://127.0.0.1:7")
    rules = msgspec.json.decode(folder.keys.read_bytes(), type=Rules)
    told = endpoint.telemetry()
    assert told.export is not None
    assert (told.export.url, told.is_default) == ("http://127.0.0.1:7", True)
    assert rules.export == as_written(told.export)
    ws.export_endpoints(None)

    endpoint.sample(0)
    endpoint.export(None)
    info = endpoint.info()
    assert (info.deployments[0].sampling, info.export) == (None, None)
    rules = msgspec.json.decode(folder.keys.read_bytes(), type=Rules)
    assert (rules.sampling, rules.export) == ({}, NO_EXPORT)
    kinds = [event.kind for event in ws.connection.events.list(0).events]
    assert kinds.count("endpoint.sampling") == 2
    assert kinds.count("endpoint.export") == kinds.count("endpoint.default_export") == 3
