"""Work that starts what nobody finds by its environment, its session, its group or its parent."""

from pathlib import Path

from tests.compute.conformance.drivers import alive, words
from tests.conftest import eventually
from tests.notebooks import write_notebook

# The second time that it is begun, it does nothing and ends.
WORK = """
import subprocess, time
from pathlib import Path
told = Path(FOLDER, "pids")
if not told.exists():
    shell = ["/bin/sh", "-c", 'echo $$ >"$0"; exec sleep 1000', str(told)]
    subprocess.run(["env", "-i", "setsid", "--fork", *shell], check=True)
    time.sleep(1000)
"""


class Escape:
    """The work as the script `work.py` and the notebook `nb.ipynb` of the folder `code`."""

    def __init__(self, folder: Path) -> None:
        self.code = folder / "code"
        self.code.mkdir()
        self._told = folder / "pids"
        source = WORK.replace("FOLDER", repr(str(folder)))
        (self.code / "work.py").write_text(source)
        write_notebook(self.code / "nb.ipynb", source)

    def await_pid(self) -> int:
        """The process that has got away."""
        return int(eventually(lambda: words(self._told), 90, "it has got away")[0])

    def check_gone(self) -> None:
        pid = self.await_pid()
        eventually(lambda: not alive(pid), what="what has got away is ended, too")
