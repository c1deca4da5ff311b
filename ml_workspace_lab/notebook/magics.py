"""The `%ws_…` magics: two lines each over functions that know nothing of IPython."""

from collections.abc import Callable
from typing import Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class

from ml_workspace_lab.client.run import Run
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.notebook import arguments
from ml_workspace_lab.notebook.actions import Session
from ml_workspace_lab.notebook.arguments import Help
from ml_workspace_lab.notebook.completion import complete
from ml_workspace_lab.notebook.live_card import show

T = TypeVar("T")

PARSERS = {
    "ws_run": arguments.run_parser,
    "ws_register": arguments.register_parser,
    "ws_deploy": arguments.deploy_parser,
    "ws_runs": arguments.runs_parser,
    "ws_init": arguments.init_parser,
}


@magics_class
class WorkspaceMagics(Magics):
    """Run, register and deploy from a cell. Every magic takes `--help`."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.session = Session()
        self._shown_at: tuple[str, int] | None = None

    @line_magic
    def ws_init(self, line: str) -> Any:
        """Start a workspace in this folder."""
        return self._do("ws_init", line, lambda options: self.session.init(options))

    @line_cell_magic
    def ws_run(self, line: str, cell: str | None = None) -> Any:
        """Run this notebook (or this cell) as a tracked job."""
        return self._do("ws_run", line, lambda options: self._run(options, cell))

    @line_magic
    def ws_register(self, line: str) -> Any:
        """Register a model from a run or a live object."""
        return self._do(
            "ws_register", line, lambda options: self.session.register(self.shell, options)
        )

    @line_magic
    def ws_deploy(self, line: str) -> Any:
        """Serve a model behind a REST endpoint."""
        return self._do("ws_deploy", line, self.session.deploy)

    @line_magic
    def ws_runs(self, line: str) -> Any:
        """List the newest runs."""
        return self._do("ws_runs", line, self.session.runs)

    def _run(self, options: Any, cell: str | None) -> Any:
        run = self.session.run(self.shell, options, cell)
        for note in self.session.notes:
            print(f"Note: {note}")  # noqa: T201
        self.show_run(run)
        if options.wait:
            run.wait_for_completion(show_output=True)
        return run

    def show_run(self, run: Run) -> None:
        """Show a run's live card, once in a cell: a bare `%ws_run` is also the cell's result."""
        assert self.shell is not None
        here = (run.id, self.shell.execution_count)
        if here != self._shown_at:
            self._shown_at = here
            show(run)

    def _do(self, magic: str, line: str, action: Callable[[Any], T]) -> T | None:
        """Parse and act; a refusal is a short message in the cell, not a traceback."""
        if self.session.in_job and magic != "ws_runs":
            print(f"%{magic} does nothing inside a job.")  # noqa: T201
            return None
        try:
            return action(PARSERS[magic]().read(line))
        except Help as text:
            print(text)  # noqa: T201
            return None
        except WorkspaceError as error:
            raise UsageError(str(error)) from None


def load(shell: Any) -> None:
    """Register the magics and their completion with an IPython shell."""
    magics = WorkspaceMagics(shell)
    shell.register_magics(magics)
    magics.session.warm_up()
    # A run that is a cell's result shows the live card, too.
    shell.display_formatter.ipython_display_formatter.for_type(Run, magics.show_run)
    for magic in PARSERS:
        for prefix in ("%", "%%"):
            shell.set_hook("complete_command", _completer(magic), str_key=prefix + magic)


def _completer(magic: str) -> Callable[[Any, Any], list[str]]:
    def hook(_: Any, event: Any) -> list[str]:
        return complete(PARSERS[magic](), event.line, event.symbol)

    return hook
