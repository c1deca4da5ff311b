"""Where the artifacts of an MLflow store lie: files below one folder, and nowhere else."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.storage.paths import relative

_OWN_PARTS = 3
"""The end of an artifact's address that says whose it is: experiment, run, `artifacts`."""
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")


NOT_THERE = "They are not on this machine, or were never made: those runs have no artifacts here."
NOT_FETCHED = "A server is not asked for artifacts: name the folder that has them (--artifacts)."


class ArtifactRoot:
    """A folder whose files may be taken over; None where there is no such folder."""

    def __init__(self, root: Path | None) -> None:
        self._root = root.resolve() if root is not None else None

    def folder(self, uri: str) -> tuple[Path | None, str]:
        """The folder (or file) that a URI of MLflow's names, None where there is none; why not,
        empty where it may just have no files."""
        path = _local(uri)
        if path is None:
            return None, f"It lies on {uri.partition(':')[0]}, not on this machine."
        if self._root is None:
            return None, NOT_FETCHED
        parts = path.strip("/").split("/")
        candidates = [self._root / path, self._root / "mlartifacts" / path.lstrip("/")]
        candidates += [
            self._root.joinpath(*parts[at:]) for at in range(max(1, len(parts) - _OWN_PARTS + 1))
        ]
        for candidate in candidates:
            if candidate.resolve().is_relative_to(self._root) and candidate.exists():
                return candidate.resolve(), ""
        if candidates[0].resolve().is_relative_to(self._root) or uri.startswith(
            "mlflow-artifacts:"
        ):
            return None, ""
        outside = "It lies outside of the folder of artifacts that was given."
        return None, outside if Path(path).exists() else NOT_THERE

    def files(
        self, place: Path, leave_out: Callable[[str, str], None]
    ) -> Iterator[tuple[str, Path]]:
        """The plain files below a folder and their names, or the one that `place` is."""
        if place.is_file():
            yield place.name, place
            return
        for folder, folders, names in os.walk(place):
            folders.sort()
            for name in sorted([*names, *(f for f in folders if (Path(folder) / f).is_symlink())]):
                path = Path(folder) / name
                shown = path.relative_to(place).as_posix()
                if not stat.S_ISREG(path.lstat().st_mode):
                    leave_out(shown, "It is not a plain file.")
                    continue
                try:
                    yield relative(shown), path
                except WorkspaceError as error:
                    leave_out(shown.encode("utf-8", "replace").decode(), error.message)


def _local(uri: str) -> str | None:
    """The path that a URI names, on this machine or on an artifact server; None for another's."""
    if not _SCHEME.match(uri):
        return uri
    parts = urlsplit(uri)
    if parts.scheme in ("file", "mlflow-artifacts"):
        path = unquote(parts.path)
        return path.lstrip("/") if parts.scheme == "mlflow-artifacts" else path
    return None
