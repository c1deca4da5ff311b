"""Deployments and traffic as they are kept, in a file and in PostgreSQL."""

from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.endpoints import store
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.services import Services
from tests.conftest import eventually
from tests.endpoints.test_deployments import blue_and_green
from tests.postgresql import database_url as database_url


def test_traffic_is_kept_changed_and_put_back(ws: Workspace, tmp_path: Path) -> None:
    endpoint = blue_and_green(ws, tmp_path)
    endpoint.rollback_if(error_rate=0.5)
    endpoint.set_traffic({"blue": 60, "green": 40})
    services = Services(Workspace.open(ws.location).connection.storage)
    database = services.storage.database
    seen = store.get(database, "scale")
    assert seen.rollout is not None
    assert (seen.rollout.before, seen.rollout.watched) == ({"blue": 100}, ["green"])

    services.endpoint_traffic.roll_back(seen, "green", "it says so")
    info = endpoint.info()
    assert info.traffic == {"blue": 100, "green": 0}
    assert info.rolled_back is not None
    assert (info.rolled_back.reason, info.rolled_back.was["green"]) == ("it says so", 40)
    services.endpoint_traffic.roll_back(seen, "green", "what is over is not undone twice")
    assert endpoint.info() == info

    endpoint.scale((1, 2), "green")
    scaling = store.get(database, "scale").deployment("green").info.scaling
    assert (scaling.least, scaling.most) == (1, 2)
    endpoint.scale(1, "green")
    eventually(lambda: endpoint.deployments["green"].workers == 1)
    with pytest.raises(InvalidInput, match="Name the one"):
        endpoint.scale(2)
    with pytest.raises(NotFound):
        endpoint.scale(2, "red")

    endpoint.set_traffic(mirror_traffic={"green": 5})
    assert endpoint.info().rolled_back is None
    endpoint.set_traffic(mirror_traffic={})
    endpoint.delete_deployment("green")
    assert list(endpoint.deployments) == ["blue"]
    endpoint.delete()
    assert database.all("SELECT * FROM deployment") == []
    kinds = [event.kind for event in ws.connection.events.list(0).events]
    for kind in ("traffic", "rolled_back", "deployment_deleted", "scaled", "workers"):
        assert f"endpoint.{kind}" in kinds
