"""Where Ray Serve is reached."""

import pytest

from ml_workspace_lab.compute.driver import Refused
from ml_workspace_lab.compute.ray.settings import RaySettings, ServeSettings
from ml_workspace_lab.endpoints.drivers.ray.door import Door
from ml_workspace_lab.endpoints.drivers.ray.serve import HttpOptions, Instance
from ml_workspace_lab.errors import InvalidInput
from tests.endpoints.ray.support import answering

REMOTE = RaySettings("http://head:8265")
OPEN = Instance(http_options=HttpOptions("0.0.0.0", 8000), proxy_location="EveryNode")
CLOSED = Instance(http_options=HttpOptions("127.0.0.1", 8000), proxy_location="EveryNode")
UNSAID = Instance(http_options=HttpOptions(), proxy_location="EveryNode")
WITHOUT = Instance(http_options=HttpOptions("0.0.0.0", 8000), proxy_location="Disabled")


def told(address: str) -> RaySettings:
    return RaySettings("http://head:8265", endpoints=ServeSettings(address))


def test_it_is_on_the_dashboard_s_host_unless_the_settings_say_otherwise() -> None:
    assert Door(REMOTE).place(OPEN) == ("head", 8000)
    assert Door(REMOTE).place(UNSAID) == ("head", 8000)
    assert Door(told("http://proxy:81")).place(OPEN) == ("proxy", 81)
    assert Door(told("http://proxy:81")).place(CLOSED) == ("proxy", 81)
    assert Door(REMOTE).place(Instance()) is None, "Serve does not run"
    assert Door(RaySettings("http://localhost:8265")).place(CLOSED) == ("localhost", 8000)


@pytest.mark.parametrize(
    ("found", "words"),
    [(CLOSED, "listens on 127.0.0.1 only, and head is"), (WITHOUT, "without HTTP proxies")],
)
def test_one_that_is_not_reached_is_refused_with_what_to_do(found: Instance, words: str) -> None:
    with pytest.raises(Refused, match=f"{words}.*Start it with .*, or say in the target"):
        Door(REMOTE).place(found)


@pytest.mark.parametrize("address", ["https://proxy:443", "http://proxy/serve"])
def test_an_address_that_is_no_proxy_of_serve_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="must be http://HOST:PORT"):
        Door(told(address)).check()
    Door(told("http://proxy:80/")).check()


def test_only_a_scoring_process_s_own_word_counts() -> None:
    door = Door(REMOTE)
    with answering("/a-g1/healthz", 200, b"Healthy") as port:
        assert door.trouble(("127.0.0.1", port), "/a-g1") == ""
    with answering("/a-g1/healthz", 404, b"Path '/a-g1' not found.") as port:
        assert "answers 404 for it: Path" in door.trouble(("127.0.0.1", port), "/a-g1")
    with answering("/a-g1/healthz", 200, b"success") as port:
        assert "answers 200" in door.trouble(("127.0.0.1", port), "/a-g1")
    away = door.trouble(("127.0.0.1", 1), "/a-g1")
    assert "can't be reached" in away
    assert "endpoints.address" in away
