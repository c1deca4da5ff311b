"""What `import ml_workspace_lab` and the first run cost a fresh interpreter.

python benchmarks/import_time.py [repetitions]
"""

import subprocess
import sys
import tempfile
import time

from timing import HEADER, row

TARGET = 0.080
FIRST_RUN = """
from ml_workspace_lab import Workspace
ws = Workspace.create("bench", FOLDER)
with ws.experiment("e").start_logging() as run:
    for step in range(100):
        run.log("loss", 1 / (step + 1), step=step)
"""


def main(repetitions: int) -> int:
    nothing, imported, logged = [], [], []
    for _ in range(repetitions):
        nothing.append(seconds("pass"))
        imported.append(seconds("import ml_workspace_lab"))
        with tempfile.TemporaryDirectory() as folder:
            logged.append(seconds(f"FOLDER = {folder + '/store'!r}{FIRST_RUN}"))
    print(HEADER)
    print(row("python -c pass", nothing))
    print(row("import ml_workspace_lab", imported, nothing))
    print(row("create a workspace, a run, log 100 values", logged, nothing))
    more = sorted(imported)[len(imported) // 2] - sorted(nothing)[len(nothing) // 2]
    print(f"target: at most {TARGET * 1000:.0f} ms more; measured {more * 1000:.0f} ms")
    return 0 if more <= TARGET else 1


def seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
