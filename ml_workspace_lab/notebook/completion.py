"""What Tab offers after a magic: its options, and the names that the workspace knows."""

from contextlib import suppress

from ml_workspace_lab.client.workspace import Workspace
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.notebook.arguments import Parser


def complete(parser: Parser, line: str, symbol: str) -> list[str]:
    """The words that `symbol`, the last of `line`, may become."""
    words = line.split()
    before = words[-1] if line.endswith(" ") else words[-2] if len(words) > 1 else ""
    found = parser.options() if symbol.startswith("-") else _names(before, parser.prog)
    return sorted(word for word in found if word.startswith(symbol))


def _names(before: str, magic: str) -> list[str]:
    """Names of what the word before asks for. A workspace that can't be opened has none."""
    with suppress(WorkspaceError, OSError):
        workspace = Workspace.from_config()
        if before in ("-e", "--experiment") or magic == "%ws_runs":
            return list(workspace.experiments)
        if before in ("-c", "--compute"):
            return list(workspace.compute_targets)
        if before == "--run":
            return [run.id for run in workspace.runs(limit=20)]
        if magic in ("%ws_register", "%ws_deploy") and not before.startswith("-"):
            return list(workspace.models)
    return []
