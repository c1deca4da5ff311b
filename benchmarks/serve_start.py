"""How soon `ml-workspace serve` answers, beside tornado alone: from the start of the process.

python benchmarks/serve_start.py [repetitions]
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from timing import HEADER, row

TARGET = 2.0
PATIENCE = 30.0
TORNADO = """
import sys
from tornado.ioloop import IOLoop
from tornado.web import Application, RequestHandler
class Health(RequestHandler):
    def get(self): self.finish("OK")
Application([("/health", Health)]).listen(int(sys.argv[1]), "127.0.0.1")
IOLoop.current().start()
"""


def main(repetitions: int) -> int:
    bare, served = [], []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "store")
        subprocess.run(
            [sys.executable, "-c", f"from ml_workspace_lab import Workspace;"
             f"Workspace.create('bench', {str(root)!r})"], check=True,
        )  # fmt: skip
        for _ in range(repetitions):
            bare.append(until_it_answers([sys.executable, "-c", TORNADO]))
            ours = [sys.executable, "-m", "ml_workspace_lab.cli.main", "serve"]
            served.append(until_it_answers([*ours, "--workspace", str(root), "--port"]))
    print(HEADER)
    print(row("tornado with one handler", bare))
    print(row("ml-workspace serve", served, bare))
    middle = statistics.median(served)
    print(f"target: at most {TARGET:.1f} s; measured {middle:.2f} s")
    return 0 if middle <= TARGET else 1


def until_it_answers(command: Sequence[str]) -> float:
    """Seconds until a server of that command, to which a port is added, answers /health."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, str(port)], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while not answers(port):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise SystemExit(f"{' '.join(command[:4])} … does not answer")
            time.sleep(0.005)
        return time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health") as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError):
        return False


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
