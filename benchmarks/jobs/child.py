"""Executes notebooks in process, with nbclient or papermill, when it is told to on its input.

python child.py nbclient|papermill NOTEBOOK
A line `run` executes it; the answer is the time of the call, in seconds since 1970. With `cpu` the
answer is the processor time of this process and of its children so far.
"""

import os
import subprocess
import sys
import time


def nbclient(path: str) -> None:
    import nbformat
    from nbclient import NotebookClient

    NotebookClient(nbformat.read(path, 4)).execute(stderr=subprocess.DEVNULL)


def papermill(path: str) -> None:
    import papermill

    papermill.execute_notebook(path, path + ".out.ipynb", progress_bar=False)


if __name__ == "__main__":
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    execute = {"nbclient": nbclient, "papermill": papermill}[sys.argv[1]]
    for line in sys.stdin:
        if line.strip() == "cpu":
            print(sum(os.times()[:4]), flush=True)
            continue
        began = time.time()
        execute(sys.argv[2])
        print(repr(began), flush=True)
