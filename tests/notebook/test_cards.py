"""Cards have three forms, and what somebody named a thing is text in each of them."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client import card
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.notebook.actions import endpoint_name
from tests.endpoints.support import scale_endpoint

HOSTILE = "<script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;"


class Tags(HTMLParser):
    """The elements and attributes of some HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.shown = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.shown += data


def check_safe(html: str, *texts: str) -> None:
    tags = Tags(html)
    assert not tags.elements & {"script", "img", "iframe", "a"}
    assert tags.attributes <= {"style", "value", "max"}
    for text in texts:
        assert text in tags.shown


def test_a_run_with_hostile_names(ws: Workspace) -> None:
    run = ws.experiment(HOSTILE).start_logging(HOSTILE, tags={HOSTILE: HOSTILE})
    run.log(HOSTILE, 0.25)
    run.fail(HOSTILE)
    bundle = run._repr_mimebundle_()
    assert set(bundle) == {card.RUN_TYPE, "text/html", "text/plain"}
    assert bundle[card.RUN_TYPE] == {"run_id": run.id, "workspace": "lab"}
    check_safe(bundle["text/html"], HOSTILE, "0.25", "Failed", run.id)
    assert HOSTILE in bundle["text/plain"]
    listed = card.runs_bundle([run.info()])
    check_safe(listed["text/html"], HOSTILE, "0.25")


def test_a_model_with_hostile_tags(ws: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "<b>bold<b>.pkl"
    path.write_bytes(b"x")
    model = Model.register(ws, "m", path, tags={HOSTILE: HOSTILE}, model_framework=HOSTILE)
    bundle = model._repr_mimebundle_()
    check_safe(bundle["text/html"], HOSTILE, "<b>bold<b>.pkl", "m:1")
    assert "executes code" in bundle["text/plain"]


def test_an_endpoints_card_has_its_address_and_not_its_key(ws: Workspace, tmp_path: Path) -> None:
    endpoint = scale_endpoint(ws, tmp_path)
    assert endpoint.keys is not None
    bundle = endpoint._repr_mimebundle_()
    check_safe(bundle["text/html"], "scale:1", endpoint.scoring_uri, "Healthy")
    for form in bundle.values():
        assert str(endpoint.keys.primary) not in form
        assert str(endpoint.keys.secondary) not in form
    assert str(endpoint.keys.primary) not in repr(endpoint)


@pytest.mark.parametrize(
    ("model", "endpoint"),
    [
        ("words", "words-endpoint"),
        ("Words.V2_x", "words-v2-x-endpoint"),
        ("7seas", "m-7seas-endpoint"),
        ("m" * 200, "m" * 32),
        ("a" * 31 + "-b", "a" * 31),
        ("...", "m--endpoint"),
    ],
)
def test_an_endpoint_is_named_after_its_model(ws: Workspace, model: str, endpoint: str) -> None:
    assert endpoint_name(model) == endpoint
    with pytest.raises(InvalidInput):
        ws.connection.endpoints.get(endpoint + "_")
    from ml_workspace_lab.errors import NotFound

    with pytest.raises(NotFound):
        ws.connection.endpoints.get(endpoint)  # which is a name, though of nothing
