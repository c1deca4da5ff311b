"""One notebook being executed: its cells, and what others see of it meanwhile."""

import asyncio
import json
import signal
import time
from contextlib import suppress
from queue import Empty
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, DeadKernelError
from nbformat.v4 import new_output

from ml_workspace_lab.errors import InvalidInput, WorkspaceError
from ml_workspace_lab.experiments.model import Progress, RunState
from ml_workspace_lab.jobs.parameters import tags_of
from ml_workspace_lab.jobs.runner.connecting import connected
from ml_workspace_lab.jobs.runner.link import Link
from ml_workspace_lab.jobs.runner.notebook_room import NotebookRoom, size_of
from ml_workspace_lab.jobs.runner.outcome import COMPLETED, Limits, Outcome
from ml_workspace_lab.jobs.runner.output_notebook import OutputNotebook
from ml_workspace_lab.jobs.runner.progress import bar_in, bar_of_widgets
from ml_workspace_lab.jobs.runner.streams import Stream, Together, overwritten

INTERRUPT_SECONDS = 5.0
LAST_WORDS_SECONDS = 0.2
PUBLISH_SECONDS = 0.2
SAVE_SHARE = 50
"""Saving may take one part in this many of the time: a large notebook is saved less often."""
INTERACTIVE = "interactive-only"
"""Cells with this tag are for the notebook on the screen; a job leaves them out."""


def read(content: dict[str, Any]) -> Any:
    """The notebook of a file's content. Raises InvalidInput where it is none."""
    try:
        # Read from text: that joins the lines that a file keeps apart, and gives ids to old cells.
        notebook = nbformat.reads(json.dumps(content), as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise InvalidInput(f"This is not a notebook: {error.message}.", field="notebook") from None
    return notebook


class Execution(NotebookClient):
    """Drives the kernel; the log, the output notebook and the progress are kept up to date."""

    def __init__(
        self, link: Link, notebook: Any, manager: AsyncKernelManager, prepare: str = ""
    ) -> None:
        super().__init__(notebook, km=manager, timeout=None)
        self._manager: Any = manager
        self._prepare = prepare
        self._link = link
        self._code_cells = [
            index
            for index, cell in enumerate(notebook.cells)
            if cell.cell_type == "code" and cell.source.strip() and INTERACTIVE not in tags_of(cell)
        ]
        self._current = 0
        self._begun = False
        self._done = 0
        self._output = OutputNotebook(notebook)
        self._stream: Stream | None = None
        self._stream_cell = 0
        self._room = NotebookRoom()
        self._together = Together()
        self._redrawn = ""
        self._reported: Progress | None = None
        self._changed = True

    async def outcome(self, limits: Limits) -> Outcome:
        """Execute the notebook; how that ended."""
        task = asyncio.create_task(self._run())
        with limits.cancelling(task) as cut:
            try:
                await task
                return COMPLETED
            except CellExecutionError as error:
                return Outcome(RunState.FAILED, f"{self._where}: {_brief(error)}")
            except (DeadKernelError, asyncio.CancelledError) as error:
                # nbclient takes a cancelled wait for a dead kernel.
                if cut:
                    await self._interrupt()
                    return cut[0]
                if isinstance(error, DeadKernelError):
                    await self._hear_out()
                    return Outcome(RunState.FAILED, f"{self._where}: {_death(self.km)}")
                raise
            finally:
                self._close()

    async def _run(self) -> None:
        """Execute every cell in order. Raises what the first failing cell or the kernel raises."""
        self.reset_execution_trackers()
        self.kc = self._manager.client()
        language = await connected(self._manager, self.kc, self._prepare)
        self.nb.metadata["language_info"] = language
        self._link.move(RunState.RUNNING)
        publishing = asyncio.create_task(self._publish())
        try:
            for index in self._code_cells:
                self._current, self._begun = index, True
                self._redrawn = ""
                self._touch(index)
                await self.async_execute_cell(self.nb.cells[index], index)
                self._touch(index)
                self._done += 1
        finally:
            publishing.cancel()
        self._report()
        self.set_widgets_metadata()

    async def _publish(self) -> None:
        """Show others what has changed, soon after it did, however long the cell still takes."""
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            if self._changed:
                self._changed = False
                try:
                    self._report()
                    self._save()
                except WorkspaceError:  # A full disk, a busy database: the next time may do.
                    self._changed = True
            pause = max(PUBLISH_SECONDS, (time.monotonic() - began) * SAVE_SHARE)

    async def _interrupt(self) -> None:
        """Interrupt the cell that is being executed, and keep what it says to that."""
        if self.kc is None or self.km is None or not self._begun:
            return
        await ensure_async(self.km.interrupt_kernel())
        cell = self.nb.cells[self._current]
        until = time.monotonic() + INTERRUPT_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                message = await self.kc.iopub_channel.get_msg(timeout=left)
                self.process_message(message, cell, self._current)
            except (CellExecutionComplete, Empty, asyncio.CancelledError):
                return

    async def _hear_out(self) -> None:
        """Take what a kernel that has died had handed over before."""
        if self.kc is None or not self._begun:
            return
        cell = self.nb.cells[self._current]
        with suppress(Empty):
            while True:
                message = await self.kc.iopub_channel.get_msg(timeout=LAST_WORDS_SECONDS)
                with suppress(CellExecutionComplete):
                    self.process_message(message, cell, self._current)

    def _close(self) -> None:
        """Keep the notebook as it is now and let go of the kernel's channels."""
        self._save(durable=True)
        if self.kc is not None:
            self.kc.stop_channels()

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """As nbclient does it, and what the cell prints goes to the log as it comes."""
        content = msg["content"]
        if msg["msg_type"] == "stream":
            self._print(self._together.text(content["name"], content["text"]))
        elif msg["msg_type"] == "error":
            trace = "\n".join(content["traceback"])
            self._print(self._together.text("error", f"{trace}\n"))
        self._touch(cell_index)
        if msg["msg_type"] == "update_display_data":
            display_id = content.get("transient", {}).get("display_id")
            for index in self._display_id_map.get(display_id, {}):
                self._touch(index)
        return super().process_message(msg, cell, cell_index)

    def _touch(self, index: int) -> None:
        self._output.touched(index)
        self._changed = True

    def output(
        self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int
    ) -> Any:
        """As nbclient does it, but text that goes on where the last ended is one output with it."""
        stream, content = self._stream, msg["content"]
        if (
            msg["msg_type"] == "stream"
            and stream is not None
            and not self.clear_before_next_output
            and not self.output_hook_stack[msg["parent_header"].get("msg_id")]
            and stream.takes(outs, content)
        ):
            stream.add(content["text"])
            return stream.output
        self._end_stream()
        if not outs or self.clear_before_next_output:
            self._room.clear(cell_index)
        if self._room.left <= 0 and msg["msg_type"] != "error":
            if note := self._room.note(cell_index):
                outs.append(new_output("stream", name="stderr", text=note))  # type: ignore[no-untyped-call]
            return None
        made = super().output(outs, msg, display_id, cell_index)
        if made is None:
            return None
        if msg["msg_type"] == "stream":
            made["text"] = overwritten(made["text"])
            self._stream, self._stream_cell = Stream(made, self._room.left), cell_index
        else:
            self._room.take(cell_index, size_of(content))
        return made

    def _end_stream(self) -> None:
        """Another output follows."""
        self._join_stream()
        if self._stream is not None:
            self._room.take(self._stream_cell, len(self._stream.output["text"]))
            self._stream = None

    def _join_stream(self) -> None:
        if self._stream is not None:
            self._stream.join()

    def _print(self, text: str) -> None:
        if "\r" in text:
            self._redrawn = text
        elif "\n" in text:
            self._redrawn = ""
        self._link.write_log(text.encode("utf-8", "replace"))

    def _save(self, *, durable: bool = False) -> None:
        self._join_stream()
        if durable:
            text = nbformat.writes(self.nb, version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
            content = text.encode("utf-8", "replace")
        else:
            content = self._output.encoded()
        self._link.save_notebook(content, durable=durable)

    def _report(self) -> None:
        shown = overwritten(self._redrawn).rpartition("\n")[2]
        bar = bar_in(shown) if shown else bar_of_widgets(self.widget_state)
        progress = Progress(self._done, len(self._code_cells), self._where, bar)
        if progress != self._reported:
            self._link.report_progress(progress)
            self._reported = progress

    @property
    def _where(self) -> str:
        """The cell that is being executed, in words."""
        number = self._code_cells.index(self._current) + 1 if self._code_cells else 0
        return f"Cell {number} of {len(self._code_cells)}"


def _brief(error: CellExecutionError) -> str:
    text = f"{error.ename}: {error.evalue}".strip()
    return text if len(text) <= 500 else f"{text[:500]}… (the log has all of it)"


def _death(manager: Any) -> str:
    """What is known of the end of a kernel that was not asked to end."""
    process = getattr(manager.provisioner, "process", None)
    code = process.poll() if process else None
    if code is None:
        return "the kernel does not answer any more."
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the kernel died: killed by signal {-code} ({name}){hint}."
    return f"the kernel died: exit code {code}."
