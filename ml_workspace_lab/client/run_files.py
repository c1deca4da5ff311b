"""The files that a run keeps, and its log."""

import time
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ml_workspace_lab.client.files import is_folder, save
from ml_workspace_lab.client.log_parts import log_parts
from ml_workspace_lab.client.run_record import RunRecord
from ml_workspace_lab.client.watch import FIRST_PAUSE, LONGEST_PAUSE
from ml_workspace_lab.errors import InvalidInput, NotFound, shown
from ml_workspace_lab.experiments.model import ArtifactInfo
from ml_workspace_lab.experiments.sending import send_artifact
from ml_workspace_lab.storage.paths import below

if TYPE_CHECKING:
    from ml_workspace_lab.experiments.logs import LogLine

LINES_AT_ONCE = 1000


class RunFiles(RunRecord):
    """The part of `Run` that reads and writes artifacts."""

    def get_artifacts(self) -> list[ArtifactInfo]:
        return self.workspace.connection.artifacts.list(self.id).items

    def get_file_names(self) -> list[str]:
        return [artifact.path for artifact in self.get_artifacts()]

    def upload_file(self, name: str, path_or_stream: str | Path | BinaryIO) -> ArtifactInfo:
        """Keep a file, or what an open binary file still holds, as the artifact `name`. Raises
        InvalidInput on what is neither, and Unavailable where the server can't be reached: called
        again, it goes on where it was."""
        if isinstance(path_or_stream, str | Path):
            return self._keep_file(name, path_or_stream, "path_or_stream")
        if not hasattr(path_or_stream, "read") or hasattr(path_or_stream, "encoding"):
            raise InvalidInput(
                f"path_or_stream: {type(path_or_stream).__name__} is no path and no binary file.",
                field="path_or_stream",
                hint='Open the file with "rb", or use log_text for text.',
            )
        return send_artifact(self.workspace.connection, self.id, name, path_or_stream)

    def _keep_file(self, name: str, path: str | Path, field: str) -> ArtifactInfo:
        try:
            content = Path(path).open("rb")  # noqa: SIM115 - not to name errors of sending
        except (OSError, ValueError) as error:  # the latter of a name with a NUL
            reason = f"{field}: {shown(str(path))}: {getattr(error, 'strerror', error)}."
            raise InvalidInput(reason, field=field) from None
        with content:
            return send_artifact(self.workspace.connection, self.id, name, content)

    def upload_folder(self, name: str, path: str | Path) -> list[ArtifactInfo]:
        """Keep every file below a folder as artifacts below `name` (empty: below none)."""
        root = Path(path)
        if not is_folder(root):
            raise InvalidInput(f"path: {shown(path)} is not a folder.", field="path")
        files = sorted(file for file in root.rglob("*") if file.is_file())
        start = f"{name}/" if name else ""
        return [self.upload_file(f"{start}{f.relative_to(root).as_posix()}", f) for f in files]

    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """MLflow's name for `upload_file`: keep a file under its own name, below `artifact_path`
        where that is given."""
        start = f"{artifact_path}/" if artifact_path else ""
        self._keep_file(start + Path(local_path).name, local_path, "local_path")

    def log_artifacts(self, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """MLflow's name for `upload_folder`."""
        self.upload_folder(artifact_path or "", local_dir)

    def read_artifact(self, name: str) -> bytes:
        """The bytes of an artifact. Raises NotFound."""
        return self.workspace.connection.artifacts.get(self.id, name).read()

    def download_file(self, name: str, output_path: str | Path | None = None) -> Path:
        """Copy an artifact to `output_path` (default: its own name here); where it lies now."""
        target = Path(output_path or Path(name).name)
        save(self.workspace.connection.artifacts.get(self.id, name), target)
        return target

    def download_files(self, prefix: str = "", output_directory: str | Path = ".") -> list[Path]:
        """Copy the artifacts whose names begin with `prefix` (empty: all) into a folder, each under
        its whole name; where they lie now. Raises NotFound where there is none."""
        names = [name for name in self.get_file_names() if name.startswith(prefix)]
        if not names:
            raise NotFound(f"No artifact of the run begins with {shown(prefix)}.", field="prefix")
        root = Path(output_directory)
        return [self.download_file(name, below(root, name)) for name in names]

    def get_log(self) -> str:
        """The whole log as it is now."""
        return "".join(self.log_parts())

    def log_lines(self, first: int = 0, *, follow: bool = False) -> "Iterator[LogLine]":
        """Lines of the log from line `first` on, below 0 counted from its end; with `follow` until
        the run's end, each when it is whole."""
        pause = FIRST_PAUSE
        while True:
            ended = not follow or self.info().state.is_terminal
            page = self.workspace.connection.logs.lines(self.id, first, LINES_AT_ONCE)
            first = max(page.total + first, 0) if first < 0 else first
            whole = [
                line
                for line in page.items
                if ended or not page.unended or line.number + 1 < page.total
            ]
            yield from whole
            first += len(whole)
            if whole:
                pause = FIRST_PAUSE
            elif ended:
                return
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)

    def search_log(
        self, pattern: str, *, regex: bool = False, ignore_case: bool = False
    ) -> "Iterator[LogLine]":
        """Lines of the log that hold a text; with `regex` those that an RE2 pattern matches."""
        first: int | None = 0
        while first is not None:
            page = self.workspace.connection.logs.search(
                self.id, pattern, regex, ignore_case, first, LINES_AT_ONCE
            )
            yield from page.items
            first = page.next

    def log_parts(self) -> Iterator[str]:
        return log_parts(partial(self.workspace.connection.artifacts.log, self.id))

    def _put(self, path: str, content: bytes) -> None:
        self.workspace.connection.artifacts.put(self.id, path, BytesIO(content))
