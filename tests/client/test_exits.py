"""What becomes of a run when its program ends."""

import subprocess
import sys

import pytest

from ml_workspace_lab import Workspace

RUN = """
import argparse, sys, threading
from ml_workspace_lab import Workspace
run = Workspace.open({root!r}).experiment("exits").start_logging()
print(run.id, flush=True)
"""


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("", "Completed"),
        ("sys.exit()", "Completed"),
        ("sys.exit(1)", "Failed"),
        ("sys.exit('no data')", "Failed"),
        ("argparse.ArgumentParser().parse_args(['--unknown'])", "Failed"),
        ("with run: sys.exit(0)", "Completed"),
        ("with run: sys.exit(2)", "Failed"),
        ("try: sys.exit(3)\nexcept SystemExit: run.log('caught', 1)", "Completed"),
        ("t = threading.Thread(target=sys.exit, args=(4,)); t.start(); t.join()", "Completed"),
    ],
)
def test_a_run_ends_as_its_program_does(ws: Workspace, body: str, state: str) -> None:
    program = RUN.format(root=ws.location) + body
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    found = ws.run(ended.stdout.split()[0]).info()
    assert (found.state, bool(found.reason)) == (state, state == "Failed")
    assert ("exit status" in found.reason) == (state == "Failed")
