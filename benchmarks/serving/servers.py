"""Those that are measured: each is started with the same model and asked for the same row."""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
from train import ROWS, train

HERE = Path(__file__).parent
VENVS = Path(os.environ.get("BENCHMARK_PEERS", HERE.parents[1] / "build" / "serving-peers"))
PATIENCE_SECONDS = 120.0
KEY = "the key of a caller"


class Started(NamedTuple):
    """`cold` is the seconds from the start of the process to its first answer to the row, `memory`
    the MiB that it and its children have after that."""

    port: int
    request: bytes
    cold: float
    process: psutil.Process

    def memory(self) -> float:
        there = [self.process, *self.process.children(recursive=True)]
        return sum(one.memory_info().rss for one in there) / 2**20


class Server(NamedTuple):
    """What is started, in a folder of its own."""

    words: Sequence[str]
    environment: Mapping[str, str]
    path: str
    body: bytes
    headers: Mapping[str, str] = {}


def interpreter(name: str) -> Path:
    return VENVS / name / "bin" / "python"


def starlette(model: str, folder: Path, port: int) -> Server:
    """Under uvicorn with uvloop and httptools, one process, no log."""
    words = [
        "-m", "uvicorn", "--app-dir", str(HERE), "--port", str(port), "--no-access-log",
        "--log-level", "warning", "starlette_app:app",
    ]  # fmt: skip
    return _pickled("starlette", model, folder, words, "/score")


def bentoml(model: str, folder: Path, port: int) -> Server:
    words = [
        "-m", "bentoml", "serve", "bentoml_service:Model", "--working-dir", str(HERE),
        "--port", str(port),
    ]  # fmt: skip
    return _pickled("bentoml", model, folder, words, "/score", {"BENTOML_DO_NOT_TRACK": "True"})


def litserve(model: str, folder: Path, port: int) -> Server:
    words = [str(HERE / "litserve_server.py"), str(port)]
    return _pickled("litserve", model, folder, words, "/predict")


def azure(model: str, folder: Path, port: int) -> Server:
    """Azure Machine Learning's own inference server."""
    words = [
        "-m", "azureml_inference_server_http.amlserver", "--port", str(port),
        "--entry_script", str(HERE / "azure_score.py"),
    ]  # fmt: skip
    return _pickled("azure", model, folder, words, "/score")


def _pickled(
    peer: str,
    model: str,
    folder: Path,
    words: Sequence[str],
    path: str,
    environment: Mapping[str, str] = {},
) -> Server:
    """A server that opens the model from a pickle of its own Python."""
    python, file = str(interpreter(peer)), folder / "model.pkl"
    subprocess.run([python, str(HERE / "train.py"), model, str(file)], check=True)
    body = json.dumps({"data": [ROWS[model]]}).encode()
    return Server([python, *words], {"MODEL": str(file), **environment}, path, body)


def mlflow(model: str, folder: Path, port: int) -> Server:
    """What `mlflow models serve` starts, one worker."""
    saved = _register(model, folder)
    words = [
        str(interpreter("mlflow")), "-m", "uvicorn", "--port", str(port), "--log-level", "warning",
        "mlflow.pyfunc.scoring_server.app:app",
    ]  # fmt: skip
    environment = {"__pyfunc_model_path__": saved.as_uri(), "MLFLOW_DISABLE_TELEMETRY": "true"}
    body = json.dumps({"inputs": [ROWS[model]]}).encode()
    return Server(words, environment, "/invocations", body)


def ours(model: str, folder: Path, port: int) -> Server:
    """As the supervisor starts it: with keys, counts and the log."""
    return _ours(model, folder, port, engine="native")


def ours_one_by_one(model: str, folder: Path, port: int) -> Server:
    """The same with `batching` off: one call of the model for each request."""
    return _ours(model, folder, port, engine="native", batching=False)


def ours_onnx(model: str, folder: Path, port: int) -> Server:
    """The same by the model's verified graph."""
    return _ours(model, folder, port, engine="onnx")


def ours_onnx_one_by_one(model: str, folder: Path, port: int) -> Server:
    """The same with `batching` off."""
    return _ours(model, folder, port, engine="onnx", batching=False)


def _ours(
    model: str,
    folder: Path,
    port: int,
    *,
    engine: Literal["native", "onnx"],
    batching: bool = True,
) -> Server:
    import msgspec

    from ml_workspace_lab.endpoints.folder import Deployment, EndpointFolder, Keys
    from ml_workspace_lab.endpoints.model import RequestSettings
    from ml_workspace_lab.models.compiled.process import compile_apart

    generation = EndpointFolder(folder / "endpoint").generation(1)
    generation.path.mkdir(parents=True)
    registered = _register(model, folder)
    generation.model.symlink_to(registered, target_is_directory=True)
    if engine == "onnx":  # as when a version is registered or first served: once
        verdict = compile_apart(registered, generation.compiled, os.environ)
        if not verdict.kept:
            raise RuntimeError(verdict.reason)
    deployment = Deployment(
        "bench", model, 1, port, has_script=False, python=sys.executable, engine=engine,
        request_settings=RequestSettings(batching=batching),
    )  # fmt: skip
    generation.deployment.write_bytes(msgspec.json.encode(deployment))
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in (KEY, "another", "own")]
    generation.endpoint.write_keys(Keys(*hashes))
    return Server(
        [sys.executable, "-m", "ml_workspace_lab.endpoints.scoring", str(generation.path)],
        {},
        "/score",
        json.dumps({"data": [ROWS[model]]}).encode(),
        {"Authorization": f"Bearer {KEY}"},
    )


def _register(name: str, folder: Path) -> Path:
    """The model's folder, as it is registered."""
    from ml_workspace_lab.models.flavors import folder as flavors

    path = folder / "model"
    path.mkdir()
    model, rows = train(name)
    flavors.write(model, path, input_example=rows)
    return path


SERVERS = {
    "starlette": starlette,
    "mlflow": mlflow,
    "bentoml": bentoml,
    "litserve": litserve,
    "azure": azure,
    "ours-one-by-one": ours_one_by_one,
    "ours": ours,
    "ours-onnx": ours_onnx,
}
# For questions other than how it compares with others.
APART = {"ours-onnx-one-by-one": ours_onnx_one_by_one}


def missing(name: str) -> bool:
    return not name.startswith("ours") and not interpreter(name).exists()


@contextmanager
def started(name: str, model: str, folder: Path) -> Iterator[Started]:
    """A server that has answered the row. Raises RuntimeError with its log where it does not."""
    port = _free_port()
    server = {**SERVERS, **APART}[name](model, folder, port)
    headers = {"Content-Type": "application/json", **server.headers}
    log = folder / "log.txt"
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            server.words,
            stdout=out,
            stderr=out,
            env={**os.environ, "OMP_NUM_THREADS": "1", **server.environment},
        )
    try:
        while not _answers(port, server, headers):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE_SECONDS:
                raise RuntimeError(f"{name} does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.01)
        cold = time.perf_counter() - began
        lines = [f"POST {server.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: */*"]
        lines += [f"{field}: {value}" for field, value in headers.items()]
        lines += [f"Content-Length: {len(server.body)}", "", ""]
        request = "\r\n".join(lines).encode() + server.body
        yield Started(port, request, cold, psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int, server: Server, headers: Mapping[str, str]) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", server.path, server.body, dict(headers))
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    if answer.status != 200 or told not in ([0], {"predictions": [0]}):
        raise RuntimeError(f"the answer is {answer.status}: {told}")
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
