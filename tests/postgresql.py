"""A PostgreSQL of the tests' own: started for the session, with a schema for each test."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

USERS = ("postgres", "nobody")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest where there are several."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[4])
    found = debian[-1] if debian else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class Cluster:
    """A server on a Unix socket in a folder of its own, which everybody on this machine may use."""

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._programs = programs
        self._user = _unprivileged()
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self.folder.chmod(0o755)
        words = ["initdb", "--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8"]
        self._run(*words, "--locale=C", f"--pgdata={self.folder / 'data'}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["postgres", "-D", str(self.folder / "data"), "-k", str(self.folder)]
        for setting in (*FAST, "listen_addresses="):
            words += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / words[0], *words[1:]], user=self._user, stdout=log, stderr=log
            )
        self._run("pg_isready", "--quiet", f"--host={self.folder}", attempts=200)

    def stop(self) -> None:
        """End the server at once, whoever is connected."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, schema: str) -> str:
        options = quote(f"-csearch_path={schema}")
        return f"postgresql://postgres@/postgres?host={self.folder}&options={options}"

    @contextmanager
    def schema(self) -> Iterator[str]:
        """The URL of an empty schema, which goes with the block."""
        name = f"t{secrets.token_hex(6)}"
        with psycopg.connect(self.url("public"), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
            yield self.url(name)
            # Who still holds a lock there is a process that a failed test left behind.
            connection.execute("SET lock_timeout = '10s'; SET client_min_messages = error")
            connection.execute(f"DROP SCHEMA {name} CASCADE")

    def _run(self, program: str, *words: str, attempts: int = 1) -> None:
        command = [self._programs / program, *words]
        for attempt in range(attempts):
            ended = subprocess.run(command, user=self._user, capture_output=True, check=False)
            if ended.returncode == 0:
                return
            if attempt < attempts - 1:
                time.sleep(0.05)
        raise AssertionError(f"{program}: {ended.stderr.decode()}")


def _unprivileged() -> str | None:
    """Whom to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name for user in pwd.getpwall()}
    return next(name for name in USERS if name in names)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A new server of its own."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL is not installed: scripts/install_postgresql")
    cluster = Cluster(found)
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """What a test runs on, twice: None for a file in the workspace's folder, then an URL."""
    if request.param == "sqlite":
        yield None
        return
    cluster: Cluster = request.getfixturevalue("postgresql")
    with cluster.schema() as url:
        yield url
