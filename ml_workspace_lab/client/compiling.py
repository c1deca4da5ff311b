"""Compiling a registered model where its user is, and keeping what is found."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.client.contents import put_file
from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.compiled import tables
from ml_workspace_lab.models.compiled.model import GRAPH, Compilation, KeepCompilation
from ml_workspace_lab.models.compiled.process import compile_apart
from ml_workspace_lab.models.flavors import loading
from ml_workspace_lab.models.trust import untrusted

if TYPE_CHECKING:
    from ml_workspace_lab.client.model import Model


def compile_model(model: "Model", data: Any) -> Compilation:
    """See `Model.compile`."""
    connection = model.workspace.connection
    trust = connection.model_trust.get(model.name, model.version)
    if not trust.allowed:
        raise untrusted(model.name, model.version)
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "compiled"
        folder = loading.find(model.download(Path(place) / "model"))
        if folder is None:
            raise InvalidInput(
                f"{model.id} is no folder with an MLmodel file.",
                field="model",
                hint="Register the model itself: Model.register(..., model=...).",
            )
        rows = None if data is None else Path(place) / "rows.json"
        if rows is not None:
            tables.write(data, rows)
        verdict = compile_apart(folder, target, clean_environment(), rows)
        if not verdict.packages:
            raise InvalidInput(f"{model.id} was not compiled: {verdict.reason}", field="model")
        graph = put_file(connection, target / GRAPH)[0] if verdict.kept else None
    body = KeepCompilation(trust.content, verdict, graph)
    return connection.compilations.keep(model.name, model.version, body)
