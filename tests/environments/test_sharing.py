"""A build is one for all: whole or not there, made once, removed when nobody needs it."""

import ensurepip
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from packaging.version import Version

from ml_workspace_lab import Environment, NotebookRunConfig, Workspace
from ml_workspace_lab.environments import building, locking, runtime, tools
from ml_workspace_lab.environments.builds import Builds
from ml_workspace_lab.environments.model import CollectBuilds, Lock, PipRequirements
from ml_workspace_lab.environments.tools import BuildFailed
from ml_workspace_lab.errors import Denied, StorageFull
from tests.conftest import eventually
from tests.environments import wheels
from tests.environments.test_building import submit, tiny
from tests.notebooks import write_notebook

pytestmark = pytest.mark.usefixtures("wheelhouse")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds without what runs jobs take a second and not ten."""
    monkeypatch.setattr(runtime, "requirements", lambda: ["tiny"])
    monkeypatch.setattr(building, "NEEDED", ("sys",))


@pytest.fixture
def lock(wheelhouse: Path, small: None, tmp_path: Path) -> Lock:
    return locking.lock(PipRequirements(["tiny==1.0"]), tmp_path / "lock.log")


def _build(folder: Path, lock: Lock) -> None:
    building.build(Builds(folder), lock)


def _process(folder: Path, lock: Lock) -> "multiprocessing.context.ForkProcess":
    # Forked, to have what the fixtures have set.
    process = multiprocessing.get_context("fork").Process(target=_build, args=(folder, lock))
    process.start()
    return process


def test_many_at_once_build_it_once(builds: Builds, lock: Lock) -> None:
    processes = [_process(builds.folder, lock) for _ in range(4)]
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    folders = [path for path in builds.folder.iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(folders) == 1
    assert builds.find(building.key_of(lock)) is not None


def test_a_killed_build_leaves_nothing_that_is_taken_for_one(
    builds: Builds, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slowly:
        slowly.setattr(building, "NEEDED", ("time; time.sleep(3600)",))
        process = _process(builds.folder, lock)
    key = building.key_of(lock)
    installing = eventually(
        lambda: list(builds.folder.glob(f"{key}.*/lib/python3.*/site-packages/tiny.py")), 60
    )
    assert process.pid is not None
    tools_of_it = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.join()
    for left in tools_of_it:
        if left.is_running():
            left.kill()
    assert builds.find(key) is None
    build = building.build(builds, lock)
    assert subprocess.run([build.python, "-c", "import tiny"], check=False).returncode == 0
    assert not installing[0].exists(), "what the killed one left is gone"


def test_a_cancel_ends_the_build(
    ws: Workspace, tmp_path: Path, builds: Builds, wheelhouse: Path
) -> None:
    # A source archive whose build takes for ever: what the tool starts has to end, too.
    import tarfile
    from io import BytesIO

    archive = wheelhouse / "slow-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in {
            "slow-1.0/PKG-INFO": "Metadata-Version: 2.2\nName: slow\nVersion: 1.0\n",
            "slow-1.0/pyproject.toml": (
                '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n'
                '[project]\nname = "slow"\nversion = "1.0"\n'
            ),
            "slow-1.0/slow.py": "import time\ndef build_wheel(*a, **k): time.sleep(3600)\n",
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, BytesIO(text.encode()))
    try:
        run = submit(ws, tmp_path, Environment.from_pip_requirements("slow", ["slow"]))
        eventually(lambda: (p := run.info().progress) and "Installing packages" in p.label, 60)
        eventually(lambda: _sleepers(wheelhouse.parent), 60, "the tool builds")
        run.cancel()
        info = eventually(lambda: (i := run.info()).state.is_terminal and i, 60)
    finally:
        archive.unlink()
    assert info.state == "Canceled"
    eventually(lambda: not _sleepers(wheelhouse.parent), 20, "nothing goes on")
    assert [path for path in builds.folder.iterdir() if path.is_dir()] == []


def _sleepers(folder: Path) -> list[int]:
    """Processes that build the slow package."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if str(folder / "cache") in " ".join(words) and process.pid != os.getpid():
            found.append(process.pid)
    return found


def test_a_full_disk_is_said_and_leaves_room(
    lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    words = ["mount", "-t", "tmpfs", "-o", "size=32k,mode=700", "tmpfs", disk]
    if subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk takes root")
    try:
        with pytest.raises(StorageFull, match="MiB are needed"):
            building.build(Builds(disk), lock)
        monkeypatch.setattr(building, "LEAST_FREE", 0)
        with pytest.raises(StorageFull):
            building.build(Builds(disk), lock)
        assert [path for path in disk.iterdir() if path.is_dir()] == []
        assert shutil.disk_usage(disk).free > 16 * 1024
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, lock: Lock) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(Denied, match="Others could put programs"):
        building.build(Builds(open_to_all), lock)


@pytest.mark.skipif(
    Version(ensurepip.version()) < Version("23.1"),
    reason="this Python brings a pip that tells no hash of what lies in a folder",
)
def test_without_uv_pip_does_its_work_and_says_so(
    small: None, builds: Builds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tools, "find_uv", lambda: None)
    found = locking.lock(PipRequirements(["tiny==2.0"]), tmp_path / "lock.log")
    assert found.tool == "pip"
    assert "tiny==2.0 \\\n    --hash=sha256:" in found.text
    build = building.build(builds, found)
    assert "uv is not installed" in (build.path / "build.log").read_text()
    words = [build.python, "-c", "import tiny; print(tiny.__version__)"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "2.0\n"


def test_what_is_tampered_with_is_not_installed(
    builds: Builds,
    small: None,
    wheelhouse: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheels.make(wheelhouse, "changing", "1.0")
    found = locking.lock(PipRequirements(["changing"]), tmp_path / "lock.log")
    wheels.make(wheelhouse, "changing", "1.0", "import os")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))  # which has what was locked
    with pytest.raises(BuildFailed, match=r"(?i)hash"):
        building.build(builds, found)
    assert builds.find(building.key_of(found)) is None


def test_builds_that_nobody_uses_are_collected(
    ws: Workspace, builds: Builds, tmp_path: Path
) -> None:
    environment = tiny("1.0").register(ws)
    info = environment.build(ws)
    assert info.state == "ready"
    assert info.python is not None
    connection = ws.connection.environments
    (stored,) = connection.builds().items
    assert (stored.environments, stored.in_use) == (["small:1"], False)
    assert stored.bytes > 1_000_000

    assert connection.collect(CollectBuilds()).removed == []
    unreferenced = CollectBuilds(unused_days=0, unreferenced=True)
    assert connection.collect(unreferenced).removed == []

    words = [info.python, "-c", "import sys; sys.stdin.read()"]
    holder = "from pathlib import Path; import sys\n" \
        "from ml_workspace_lab.environments.builds import Build\n" \
        "assert Build(Path(sys.prefix)).hold(); print(1, flush=True); sys.stdin.read()"  # fmt: skip
    words[2] = holder
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        assert connection.builds().items[0].in_use
        assert connection.collect(CollectBuilds(unused_days=0)).removed == []
        assert Path(info.python).exists()
        process.kill()
    collected = connection.collect(CollectBuilds(unused_days=0))
    assert collected.removed == [stored.key]
    assert collected.bytes > 1_000_000
    assert connection.builds().items == []
    assert [path for path in builds.folder.iterdir() if path.is_dir()] == []


def test_a_notebook_runs_with_the_packages_of_its_environment(
    ws: Workspace, tmp_path: Path
) -> None:
    write_notebook(tmp_path / "nb.ipynb", "import sys, tiny; print(sys.prefix, tiny.__version__)")
    config = NotebookRunConfig(tmp_path, "nb.ipynb", environment=tiny("1.0"))
    run = ws.experiment("e").submit(config)
    run.wait_for_completion(timeout_seconds=240)
    prefix, version = run.get_log().split()[-2:]
    assert version == "1.0"
    assert prefix.startswith(os.environ["ML_WORKSPACE_ENVIRONMENTS"])


def test_a_kernels_environment_is_used_as_it_is_while_it_is_the_same(
    ws: Workspace, tmp_path: Path
) -> None:
    environment = Environment.from_kernel("mine").register(ws)
    assert environment.build(ws).state == "unneeded"
    config = NotebookRunConfig(tmp_path, "nb.ipynb", environment=environment)
    write_notebook(tmp_path / "nb.ipynb", "import sys; print(sys.executable)")
    run = ws.experiment("e").submit(config)
    run.wait_for_completion(timeout_seconds=60)
    assert run.get_log().strip() == sys.executable


def test_a_kernels_environment_is_built_again_where_it_has_gone(
    ws: Workspace, builds: Builds, tmp_path: Path, wheelhouse: Path
) -> None:
    uv = tools.find_uv()
    assert uv is not None
    python = tmp_path / "v" / "bin" / "python"
    for words in (
        [uv, "venv", "--python", sys.executable, tmp_path / "v"],
        [uv, "pip", "install", "--python", python, "tiny==1.0", "ml_workspace_lab_needs"],
    ):
        wheels.make(
            wheelhouse, "ml_workspace_lab_needs", "1", requires="\nRequires-Dist: ".join(
                line for line in runtime.requirements()
            ),
        )  # fmt: skip
        subprocess.run(words, check=True, env=tools.environment(), capture_output=True)
    from ml_workspace_lab.environments.inspection import record_of
    from ml_workspace_lab.environments.model import KernelEnvironment

    environment = Environment("gone", KernelEnvironment(record_of(str(python)))).register(ws)
    shutil.rmtree(tmp_path / "v")
    info = environment.build(ws)
    assert info.state == "ready"
    assert info.python is not None
    words = [info.python, "-c", "import tiny; print(tiny.__version__)"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "1.0\n"
    lock = ws.connection.environments.get("gone").lock
    assert lock is not None
    assert "tiny==1.0" in lock.text
