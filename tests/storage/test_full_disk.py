"""A full disk: what was acknowledged stays, the rest is refused whole, and deleting works."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = "mount -t tmpfs -o size=3m tmpfs {folder} && exec {python} -c '{code}' {folder}"

BEGIN = """
import os, sys, warnings
from pathlib import Path
from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import StorageFull

warnings.simplefilter("ignore")
root = Path(sys.argv[1])

def fill():
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass

def refused(action):
    try:
        action()
    except StorageFull as error:
        assert "full" in error.message and error.hint, error
        return error
    raise AssertionError("this was not refused")

ballast = root / "ballast"
ws = Workspace.create("lab", root / "store")
run = ws.experiment("e").start_logging()
run.log("loss", 0)
"""

HOLDS = (
    BEGIN
    + """
fill()
for step in range(1, 20000):
    run.log("loss", step)
refused(lambda: [ws.experiment("e").start_logging(str(n)) for n in range(2000)])
refused(lambda: run._put("large.bin", os.urandom(100_000)))
assert run.info().display_name == "run 1", "reading works"
ballast.unlink()
run.log("loss", -1)
run._put("large.bin", os.urandom(100_000))
run.complete()
assert run.get_metrics()["loss"] == [*range(20000), -1]
again = Workspace.open(root / "store")
assert again.run(run.id).get_status() == "Completed"
assert again.diagnose().items[0].level == "Information"
print("held")
"""
)

DELETES = (
    BEGIN
    + """
database = ws.connection.storage.database
reserve = root / "store" / "workspace.db.reserve"
assert reserve.stat().st_size > 0
runs = [ws.experiment("e").start_logging() for _ in range(20)]
for one in runs:
    one.log_params({str(n): "x" * 1000 for n in range(100)})
    one.complete()
fill()
refused(lambda: [ws.experiment("e").start_logging(str(n)) for n in range(2000)])
assert reserve.stat().st_size == 0, "its room is there for what frees more"
error = refused(lambda: ws.experiment("e").start_logging())
assert "MiB are needed" in error.message, error
assert len(ws.runs(limit=None)) >= 21, "reading works"
assert len(Workspace.open(root / "store").runs(limit=None)) >= 21, "opening, too"
for one in runs:
    with database.write(frees=True) as transaction:
        transaction.execute("DELETE FROM run WHERE uid = :uid", uid=one.id)
row = database.one("SELECT count(*) AS n FROM attribute")
assert row["n"] == 0
refused(lambda: ws.experiment("e").start_logging())
ballast.unlink()
ws.experiment("e").start_logging().complete()
assert reserve.stat().st_size > 0, "laid by again"
run.complete()
assert database.findings() == []
print("held")
"""
)

UPLOADS = (
    BEGIN
    + """
import hashlib
from io import BytesIO
from ml_workspace_lab.api.parts import PART
from ml_workspace_lab.experiments.uploads import ArtifactUpload

content = os.urandom(PART + 1_000_000)
wanted = ArtifactUpload("model.bin", hashlib.sha256(content).hexdigest(), len(content))
uploads = ws.connection.artifact_uploads
assert uploads.begin(run.id, wanted).missing == [1, 2]

def put(part):
    body = BytesIO(content[(part - 1) * PART : part * PART])
    uploads.put_part(run.id, wanted.digest, part, "model.bin", content=body)

put(1)
fill()
refused(lambda: put(2))
ballast.unlink()
assert uploads.begin(run.id, wanted).missing == [2], "the first part is not sent again"
put(2)
fill()
refused(lambda: uploads.end(run.id, wanted))
assert run.get_file_names() == []
ballast.unlink()
assert uploads.begin(run.id, wanted).missing == [], "nothing is sent again"
uploads.end(run.id, wanted)
assert run.read_artifact("model.bin") == content
run.complete()
print("held")
"""
)


def can_mount() -> bool:
    probe = ["unshare", "--mount", "--map-root-user", "true"]
    return bool(shutil.which("unshare")) and subprocess.run(probe, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a small disk")
@pytest.mark.parametrize(
    ("size", "code"),
    [
        pytest.param("3m", HOLDS, id="what-holds"),
        pytest.param("48m", DELETES, id="what-deletes"),
        pytest.param("48m", UPLOADS, id="what-came-in-parts"),
    ],
)
def test_on_a_full_disk(tmp_path: Path, size: str, code: str) -> None:
    assert "'" not in code
    command = SMALL.format(folder=tmp_path, python=sys.executable, code=code).replace("3m", size)
    ended = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stdout == "held\n", ended.stderr
