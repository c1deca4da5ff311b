"""The files that a run keeps, and its log."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from ml_workspace_lab.client.files import is_folder
from ml_workspace_lab.client.run_record import RunRecord
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.experiments.model import ArtifactInfo


class RunFiles(RunRecord):
    """The part of `Run` that reads and writes artifacts."""

    def get_artifacts(self) -> list[ArtifactInfo]:
        return self.workspace.connection.artifacts.list(self.id).items

    def get_file_names(self) -> list[str]:
        return [artifact.path for artifact in self.get_artifacts()]

    def upload_file(self, name: str, path_or_stream: str | Path | BinaryIO) -> ArtifactInfo:
        """Keep a file, or what an open binary file still holds, as the artifact `name`."""
        if not isinstance(path_or_stream, str | Path):
            return self.workspace.connection.artifacts.put(self.id, name, path_or_stream)
        with Path(path_or_stream).open("rb") as content:
            return self.workspace.connection.artifacts.put(self.id, name, content)

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
        self.upload_file(start + Path(local_path).name, local_path)

    def log_artifacts(self, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """MLflow's name for `upload_folder`."""
        self.upload_folder(artifact_path or "", local_dir)

    def read_artifact(self, name: str) -> bytes:
        """The bytes of an artifact. Raises NotFound."""
        return self.workspace.connection.artifacts.get(self.id, name).read()

    def download_file(self, name: str, output_path: str | Path | None = None) -> Path:
        """Copy an artifact to `output_path` (default: its own name here); where it lies now."""
        target = Path(output_path or Path(name).name)
        content = self.workspace.connection.artifacts.get(self.id, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for part in content.chunks():
                file.write(part)
        return target

    def get_log(self) -> str:
        """The whole log as it is now."""
        return "".join(self._log_parts())

    def _log_parts(self) -> Iterator[str]:
        offset = 0
        while True:
            part = self.workspace.connection.artifacts.log(self.id, offset)
            yield part.text
            if part.next >= part.size or part.next == offset:
                return
            offset = part.next

    def _put(self, path: str, content: bytes) -> None:
        self.workspace.connection.artifacts.put(self.id, path, BytesIO(content))
