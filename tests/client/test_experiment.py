"""An experiment as its users hold it."""

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, NotFound


def test_it_is_renamed_described_and_tagged(ws: Workspace) -> None:
    wine = ws.experiment("wine")
    wine.info()
    info = wine.update(name="red wine", description="of 2019", tags={"team": "a", "old": "1"})
    assert (wine.name, info.description) == ("red wine", "of 2019")
    assert wine.update(remove_tags=["old"]).tags == {"team": "a"}
    assert wine.info().description == "of 2019"
    ws.experiment("white wine").info()
    with pytest.raises(Conflict):
        wine.update(name="white wine")
    assert wine.name == "red wine"
    with pytest.raises(NotFound):
        ws.experiment("never used").update(description="x")


def test_it_is_put_away_and_taken_out_again(ws: Workspace) -> None:
    wine = ws.experiment("wine")
    wine.start_logging().complete()
    assert wine.archive().archived
    assert [one.name for one in ws.connection.experiments.list().items] == []
    assert wine.reactivate().archived is None
    assert wine.delete().deleted
    assert wine.get_runs() == []
    assert wine.restore().deleted is None
    assert len(wine.get_runs()) == 1
