"""A disk that is full, and one that becomes read-only, seen over HTTP."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.test_full_disk import can_mount

BEGIN = """
import errno, os, subprocess, sys
from pathlib import Path
from tests.conftest import Workspace, end_agents
from tests.faults.servers import TOKEN, Server
from tests.server.http import Client

root = Path(sys.argv[1])
store = root / "store"
if os.fork() == 0:
    ws = Workspace.create("lab", store)
    for number in range(8):
        with ws.experiment("e").start_logging() as run:
            run.log("loss", number)
            run.log_params({str(n): "x" * 1000 for n in range(100)})
            run._put("large.bin", os.urandom(100_000))
    os._exit(0)
assert os.wait()[1] == 0
server = Server(store)
ask = Client(f"{server.url}/", f"Bearer {TOKEN}")
runs = [run["run_id"] for run in ask("GET", "/runs").json["items"]]
assert len(runs) == 8

def refused(status, words, *request, **more):
    answer = ask(*request, **more)
    assert answer.status == status, (request, answer.status, answer.content)
    assert words in answer.json["message"] and answer.json["hint"], answer.json
    if status == 503:
        assert answer.headers["Retry-After"], "a client knows when to try again"

def reads():
    assert len(ask("GET", "/runs").json["items"]) >= 1
    assert ask("GET", "/workspace").json["name"] == "lab"
    found = ask("GET", f"/runs/{runs[0]}").json
    assert found["metrics"]["loss"]["last"] == 7.0, found
    assert len(ask("GET", f"/runs/{runs[0]}/artifacts/large.bin").content) == 100_000

try:
    reads()
"""
END = """
    print("held")
finally:
    server.kill()
    end_agents(store)
"""
OCTETS = '{"Content-Type": "application/octet-stream"}'

FULL = (
    BEGIN
    + f"""
    octets = {OCTETS}
    ballast = root / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    for number in range(2000):
        if ask("POST", "/experiments/e/runs", {{"display_name": str(number)}}).status != 200:
            break
    refused(507, "full", "POST", "/experiments/e/runs", {{"display_name": "more"}})
    refused(507, "full", "PATCH", f"/runs/{{runs[0]}}", {{"tags": {{"a": "b"}}}})
    refused(507, "full", "PUT", f"/runs/{{runs[0]}}/artifacts/more.bin", raw=os.urandom(100_000),
            headers=octets)
    reads()
    for run in runs[1:]:
        assert ask("DELETE", f"/runs/{{run}}").status == 200
    purged = ask("POST", "/trash/purge", {{"older_than_days": 0}})
    assert (purged.status, purged.json["runs"]) == (200, 7), purged.content
    assert purged.json["bytes"] > 600_000, purged.json
    freed = ask("POST", "/gc")
    assert freed.status == 200, freed.content
    reads()
    ballast.unlink()
    assert ask("POST", "/experiments/e/runs", {{"display_name": "again"}}).status == 200
"""
    + END
)

READ_ONLY = (
    BEGIN
    + f"""
    octets = {OCTETS}
    device = subprocess.run(["findmnt", "-n", "-o", "SOURCE", str(root)],
                            check=True, capture_output=True, text=True).stdout.strip()
    Path(f"/sys/fs/ext4/{{Path(device).name}}/trigger_fs_error").write_text("1")
    try:
        (root / "more").touch()
        raise AssertionError("the disk takes writes")
    except OSError as error:
        assert error.errno == errno.EROFS, error
    for _ in range(2):
        words = "be"
        refused(503, words, "POST", "/experiments/e/runs", {{"display_name": "more"}})
        refused(503, words, "PATCH", f"/runs/{{runs[0]}}", {{"tags": {{"a": "b"}}}})
        refused(503, words, "DELETE", f"/runs/{{runs[0]}}")
        refused(503, words, "PUT", f"/runs/{{runs[0]}}/artifacts/more.bin",
                raw=os.urandom(100_000), headers=octets)
        reads()
"""
    + END
)


def run(before: str, code: str, folder: Path, how: list[str]) -> None:
    assert "'" not in code
    command = f"{before} && exec {sys.executable} -c '{code}' {folder}/disk"
    (folder / "disk").mkdir()
    ended = subprocess.run(
        ["unshare", "--mount", *how, "sh", "-c", command],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.stdout == "held\n", ended.stderr


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a small disk")
def test_on_a_full_disk_a_server_reads_and_deletes(tmp_path: Path) -> None:
    run(f"mount -t tmpfs -o size=48m tmpfs {tmp_path}/disk", FULL, tmp_path, ["--map-root-user"])


def can_have_a_disk(folder: Path) -> bool:
    """Whether a file can be mounted as a disk of its own."""
    return os.geteuid() == 0 and all(map(shutil.which, ("mkfs.ext4", "unshare", "findmnt")))


def test_on_a_disk_that_has_become_read_only_a_server_reads(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    made = f"mkfs.ext4 -q {image} && mount -o loop,errors=remount-ro {image} {tmp_path}/disk"
    (tmp_path / "disk").mkdir()
    probe = ["unshare", "--mount", "sh", "-c", made]
    if not can_have_a_disk(tmp_path) or subprocess.run(probe, check=False).returncode:
        pytest.skip("this machine lets nobody make a disk of a file (root, mkfs.ext4, loop)")
    (tmp_path / "disk").rmdir()
    run(f"mount -o loop,errors=remount-ro {image} {tmp_path}/disk", READ_ONLY, tmp_path, [])
