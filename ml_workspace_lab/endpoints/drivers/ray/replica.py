"""A replica of a deployment on Ray Serve. It is sent to the cluster as it is, and finds Ray and
what comes with `ray[serve]`, but nothing of this package.

It starts the scoring process of the deployment's image, with the packages of that alone, and sends
it requests. The image lies in the cluster's own key-value store: Ray forgets packages that no
process names at the moment, and a replica may be started on another node at any time.
"""

import fcntl
import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

STORE = "ml-workspace-lab"
HOME = "/opt/ml-workspace"
"""Where an image has what it needs."""
START_SECONDS = 600
FINISH_SECONDS = 30
IDLE_SECONDS = 0.5
"""For how long a connection to the scoring process is kept: for less than one that leaves waits."""
LAST_LINES = 40
ENDED = "The scoring process ended"
"""How it begins to say why."""
PROBED = b"GET /healthz 200 "
"""How the line begins that it prints whenever it is asked how it is: every other second."""
_OF_CONNECTION = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
     "upgrade", "expect", "content-length", "host")
)  # fmt: skip
_START = """
import ctypes, os, runpy, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv.pop()):
    sys.exit("The replica is gone.")
runpy.run_module("ml_workspace_lab.models.packages.contained", run_name="__main__")
"""
"""A process that does not outlive the replica, whatever ends that."""


class Scoring:
    """A replica. Serve makes one, asks it how it is, and hands it requests."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._prefix = asked["route"].encode()
        self._session: Any = None
        self._lock, folder = unpack(asked["name"], asked["digest"], asked["parts"])
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        with listening:
            self._port: int = listening.getsockname()[1]
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", _START, str(os.getpid())],
                env=environment_of(asked, folder, listening.fileno()),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[listening.fileno()],
            )
        # Nobody but the process has its socket now: when that ends, connections do.
        self._said: deque[bytes] = deque(maxlen=LAST_LINES)
        self._is_ready = False
        self._printing = threading.Thread(target=self._print, daemon=True)
        self._printing.start()
        self._wait_until_ready()

    async def __call__(self, request: Any) -> Any:
        """Have the scoring process answer."""
        import aiohttp
        from starlette.responses import Response
        from yarl import URL

        scope = request.scope
        path = scope.get("raw_path") or quote(scope["path"]).encode()
        query = b"?" + scope["query_string"] if scope.get("query_string") else b""
        target = (path.removeprefix(self._prefix) + query).decode("ascii")
        headers = [(n, v) for n, v in request.headers.items() if n.lower() not in _OF_CONNECTION]
        try:
            async with self._asking().request(
                request.method,
                URL(f"http://127.0.0.1:{self._port}{target}", encoded=True),
                headers=headers,
                data=await request.body(),
                allow_redirects=False,
            ) as answer:
                told = Response(await answer.read(), answer.status)
                own = [
                    (name.lower(), value)
                    for name, value in answer.raw_headers
                    # Serve gives each answer the id of its request, which is the same.
                    if name.lower().decode() not in {*_OF_CONNECTION, "x-request-id"}
                ]
                counted = [(n, v) for n, v in told.raw_headers if n == b"content-length"]
                told.raw_headers = own + counted
                return told
        except aiohttp.ClientError:
            return Response(b"The scoring process does not answer.", 503, {"Retry-After": "1"})

    async def check_health(self) -> None:
        """Raise where it does not answer; Serve then has another replica in its place."""
        async with self._asking().get(f"http://127.0.0.1:{self._port}/healthz") as answer:
            answer.raise_for_status()

    def __del__(self) -> None:
        """Serve lets go of a replica that has answered everything."""
        process = getattr(self, "_process", None)
        if process is not None and process.poll() is None:
            self._is_ready = False
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(FINISH_SECONDS)
            process.kill()

    def _asking(self) -> Any:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                skip_auto_headers=["Accept", "Accept-Encoding", "Content-Type", "User-Agent"],
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _wait_until_ready(self) -> None:
        """Returns when the process has loaded the model. Raises what it said last where it ends."""
        asking = http.client.HTTPConnection("127.0.0.1", self._port, timeout=START_SECONDS)
        try:
            asking.request("GET", "/healthz")
            asking.getresponse().read()
        except (OSError, http.client.HTTPException):
            self._process.kill()
            self._printing.join(FINISH_SECONDS)
            raise RuntimeError(self._ending()) from None
        finally:
            asking.close()
        self._is_ready = True

    def _print(self) -> None:
        """Pass on what the process prints. When it ends by itself, this one does, too: Serve sees
        that at once."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(PROBED):
                continue
            self._said.append(line)
            with suppress(OSError):
                os.write(1, line)
        self._process.wait()
        if self._is_ready:
            print(self._ending(), flush=True)  # noqa: T201
            threading.Timer(IDLE_SECONDS, os._exit, [1]).start()  # Who waits is told so before.

    def _ending(self) -> str:
        code = self._process.wait()
        how = f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
        said = b"".join(self._said).decode("utf-8", "replace").strip()
        return f"{ENDED}: {how}.\n{said}".strip()


def environment_of(asked: dict[str, Any], folder: Path, number: int) -> dict[str, str]:
    """The variables of the scoring process, which has the socket of that number: nothing of Ray's,
    whose token is among them."""
    config = json.loads((folder / "config.json").read_bytes())["config"]
    image = dict(line.split("=", 1) for line in config["Env"])
    found = {n: v for n, v in os.environ.items() if not n.startswith(("RAY_", "PYTHON"))}
    found |= {name: value.replace(HOME, str(folder)) for name, value in image.items()}
    return {**found, **asked["variables"], "ML_WORKSPACE_SCORING_SOCKET": str(number)}


def unpack(name: str, digest: str, parts: int) -> tuple[BinaryIO, Path]:
    """The folder of an image on this node, which is there once for all replicas, and what keeps it
    there. Those that nobody needs any more go."""
    root = Path(tempfile.gettempdir(), f"ml-workspace-lab-{os.getuid()}")
    root.mkdir(mode=0o700, exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise RuntimeError(f"{root} is not this user's own.")
    folder = root / digest
    with locked(root / "lock"):
        for other in root.iterdir():
            if other.is_dir() and other != folder and not is_held(other):
                shutil.rmtree(other, ignore_errors=True)
        if not folder.exists():
            part = root / f"{digest}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            fetch(name, digest, parts, part / "image.tar")
            extract(part / "image.tar", part)
            (part / "image.tar").unlink()
            (part / "held").touch()
            part.rename(folder)
        held = (folder / "held").open("rb")
        fcntl.flock(held, fcntl.LOCK_SH)
    return held, folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_held(folder: Path) -> bool:
    with suppress(FileNotFoundError), (folder / "held").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def extract(archive: Path, folder: Path) -> None:
    """The files of an image's own, and its configuration, from an archive of its layout."""
    with tarfile.open(archive) as layout:

        def blob(descriptor: dict[str, str]) -> Any:
            return layout.extractfile("blobs/sha256/" + descriptor["digest"].partition(":")[2])

        index = json.load(layout.extractfile("index.json"))  # type: ignore[arg-type]
        manifest = json.load(blob(index["manifests"][0]))
        (folder / "config.json").write_bytes(blob(manifest["config"]).read())
        below = HOME.lstrip("/") + "/"
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=blob(layer), mode="r|gz") as members:
                members.extraction_filter = getattr(tarfile, "data_filter", lambda one, _: one)
                for member in members:
                    if member.name.startswith(below):
                        member.name = member.name.removeprefix(below)
                        members.extract(member, folder)


def fetch(name: str, digest: str, parts: int, path: Path) -> None:
    """Write the image's archive from the cluster's store, part by part."""
    sum_ = hashlib.sha256()
    with path.open("wb") as target:
        for number in range(parts):
            content = stored(f"{name}/{number}")
            if content is None:
                raise RuntimeError(f"Part {number} of the image is gone from the cluster's store.")
            sum_.update(content)
            target.write(content)
    if sum_.hexdigest() != digest:
        raise RuntimeError("The image in the cluster's store is damaged.")


def stored(key: str, namespace: str | None = STORE) -> bytes | None:
    from ray.experimental import internal_kv

    found: bytes | None = internal_kv._internal_kv_get(key, namespace=namespace)
    return found
