"""A device keeps up with what is wanted of it, and a bad version costs nobody an answer."""

import json
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests import http
from tests.models.packages import registry
from tests.models.packages.edge_agent.conftest import push
from tests.models.packages.edge_agent.device import NAME, Device, is_silent
from tests.waiting import eventually

Images = Callable[[str], Path]


def test_an_image_of_a_registry_is_run_and_updated_without_fetching_anything_twice(
    edge_device: Device, image: Images, tmp_path: Path
) -> None:
    with registry.running(tmp_path / "registry") as host:
        first = push(image("one"), f"{host}/models/scale:1")
        edge_device.want(first)
        edge_device.start()
        before = edge_device.runs(first)
        assert edge_device.ask().json == {"v": 1, "y": 6.0}
        assert http.request("POST", f"{edge_device.address}/score", "1", {}).status == 401
        assert before["port"] == edge_device.port
        second = push(image("two"), f"{host}/models/scale:2")
        edge_device.want(second)
        after = edge_device.runs(second)
        assert edge_device.ask().json == {"v": 2, "y": 6.0}
        assert after["pid"] != before["pid"]
        assert not psutil.pid_exists(before["pid"])
        assert edge_device.processes() == [after["pid"]]
        log = (tmp_path / "registry" / "log.txt").read_text()
    fetched = [
        line.split("/blobs/")[1][:71]
        for line in log.splitlines()
        if '"GET ' in line and "/blobs/" in line
    ]
    assert len(fetched) > 4
    assert len(fetched) == len(set(fetched))
    # It goes on without the registry, and starts again without it.
    assert edge_device.stop() == 0
    assert is_silent(edge_device.port)
    edge_device.start()
    edge_device.runs(second)
    assert edge_device.ask().json["v"] == 2


def test_a_version_that_does_not_start_is_not_put_in_place(
    edge_device: Device, image: Images
) -> None:
    edge_device.want(image("one"))
    edge_device.start()
    before = edge_device.runs(image("one"))
    edge_device.want(image("broken"))
    found = edge_device.until(lambda m: m.get("update", {}).get("status") == "failed", "it fails")
    assert "no such sensor" in found["update"]["reason"]
    assert (found["image"], found["pid"]) == (str(image("one")), before["pid"])
    assert edge_device.ask().json["v"] == 1
    tried = edge_device.said().count("scale: trying")
    # Not once more, not even by the next agent.
    assert edge_device.stop() == 0
    edge_device.start()
    found = edge_device.runs(image("one"))
    assert found["update"]["status"] == "failed"
    edge_device.want(image("two"))
    edge_device.runs(image("two"))
    assert edge_device.said().count("scale: trying") == tried + 1
    assert "update" not in edge_device.module()


def test_a_version_that_dies_in_its_probation_makes_room_for_the_one_before(
    edge_device: Device, image: Images
) -> None:
    edge_device.want(image("one"))
    edge_device.start()
    edge_device.runs(image("one"))
    edge_device.want(image("mortal"))
    found = edge_device.until(lambda m: m.get("update", {}).get("status") == "failed", "it fails")
    assert "exit code 7" in found["update"]["reason"]
    edge_device.runs(image("one"))
    assert edge_device.ask().json["v"] == 1
    assert f"goes back to {image('one')}" in edge_device.said()


def test_a_killed_agent_leaves_a_module_that_the_next_one_takes_up(
    edge_device: Device, image: Images
) -> None:
    edge_device.want(image("one"))
    edge_device.start()
    before = edge_device.runs(image("one"))
    edge_device.stop(signal.SIGKILL)
    assert edge_device.ask().json["v"] == 1
    (edge_device.folder / "reported.json").unlink()
    edge_device.start()
    assert edge_device.runs(image("one"))["pid"] == before["pid"]
    # Killed while a new version is tried: that is begun again, and nobody is left over.
    edge_device.want(image("two"))
    eventually(lambda: len(edge_device.processes()) > 1, 60, "the new version is tried")
    edge_device.stop(signal.SIGKILL)
    edge_device.start()
    after = edge_device.runs(image("two"))
    assert edge_device.processes() == [after["pid"]]
    assert edge_device.ask().json["v"] == 2
    assert edge_device.stop() == 0
    assert edge_device.processes() == []


def test_a_process_that_ends_is_started_again_as_its_policy_says(
    edge_device: Device, image: Images
) -> None:
    edge_device.want(image("ending"), restartPolicy="on-failure")
    edge_device.start()
    first = edge_device.runs(image("ending"))

    def end(code: int) -> None:
        try:
            http.request(
                "POST", f"{edge_device.address}/score", str(code), {"Authorization": "Bearer a key"}
            )
        except OSError:
            """It is gone before it answers."""

    end(3)
    again = edge_device.until(
        lambda m: m.get("restarts") == 1 and m["status"] == "running", "it is started again"
    )
    assert again["pid"] != first["pid"]
    end(0)
    ended = edge_device.until(lambda m: m["status"] == "ended", "it has ended")
    assert ended["reason"].startswith("exit code 0")
    edge_device.want(image("ending"), status="stopped")
    edge_device.until(lambda m: m["status"] == "stopped", "it is stopped")
    edge_device.want(image("ending"))
    edge_device.until(lambda m: m["status"] == "running", "it runs again")


def test_a_broken_manifest_changes_nothing_and_a_module_that_is_no_more_wanted_goes(
    edge_device: Device, image: Images
) -> None:
    edge_device.want(image("one"))
    edge_device.start()
    before = edge_device.runs(image("one"))
    edge_device.manifest.write_text('{"modulesContent": {')
    eventually(lambda: "no JSON" in edge_device.reported()["desired"]["trouble"], what="it is told")
    assert edge_device.module()["pid"] == before["pid"]
    # The last good one holds for the next agent, too.
    edge_device.stop()
    edge_device.start()
    edge_device.runs(image("one"))
    document = edge_device.document(image("one"))
    document["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"] = {}
    edge_device.manifest.write_text(json.dumps(document))
    eventually(lambda: NAME not in edge_device.reported()["modules"], 60, "the module goes")
    assert is_silent(edge_device.port)
    assert not (edge_device.folder / "modules" / NAME).exists()
    eventually(lambda: not list((edge_device.folder / "images").iterdir()), what="its image goes")


def test_what_the_device_lacks_is_waited_for(edge_device: Device, image: Images) -> None:
    edge_device.keys.unlink()
    edge_device.want(image("one"))
    edge_device.start()
    found = edge_device.until(lambda m: m.get("update", {}).get("reason"), "it says why")
    assert found["update"]["status"] == "waiting"
    assert "no keys" in found["update"]["reason"]
    edge_device.keys.write_text("a key\n")
    edge_device.runs(image("one"))


def test_a_folder_has_one_agent(edge_device: Device, image: Images) -> None:
    edge_device.want(image("one"))
    edge_device.start()
    edge_device.until(bool, "the first is there")
    first, edge_device.agent = edge_device.agent, None
    edge_device.start()
    assert edge_device.agent is not None
    assert edge_device.agent.wait(60) == 5
    assert "Another agent has the folder" in edge_device.said()
    edge_device.agent = first


def test_an_update_leaves_the_port_for_a_moment_only(edge_device: Device, image: Images) -> None:
    edge_device.want(image("one"))
    edge_device.start()
    edge_device.runs(image("one"))
    edge_device.want(image("two"))
    answers: list[int] = []
    refused: list[float] = []
    while not answers or answers[-1] != 2:
        try:
            answers.append(edge_device.ask().json["v"])
        except ConnectionError:
            refused.append(time.monotonic())
    assert set(answers) == {1, 2}
    assert answers == sorted(answers)
    assert not refused or refused[-1] - refused[0] < 1


def test_a_port_that_a_stranger_has_is_waited_for(edge_device: Device, image: Images) -> None:
    with socket.create_server(("", edge_device.port)):
        edge_device.want(image("one"))
        edge_device.start()
        found = edge_device.until(lambda m: m.get("update", {}).get("reason"), "it says why")
        assert f"has the port {edge_device.port}" in found["update"]["reason"]
    edge_device.runs(image("one"))


def test_a_version_on_probation_is_gone_on_with_where_the_agent_was_killed(
    edge_device: Device, image: Images
) -> None:
    edge_device.want(image("one"))
    edge_device.start()
    edge_device.runs(image("one"))
    edge_device.want(image("two"))
    edge_device.until(lambda m: m["status"] == "probation", "it has the place")
    edge_device.stop(signal.SIGKILL)
    there = edge_device.processes()
    (edge_device.folder / "reported.json").unlink()
    edge_device.start()
    after = edge_device.runs(image("two"))
    assert after["pid"] in there
    assert edge_device.processes() == [after["pid"]]
    assert edge_device.ask().json["v"] == 2
