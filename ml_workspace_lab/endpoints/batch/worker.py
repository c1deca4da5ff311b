"""A process that scores mini-batches: it loads the model once, and does what it is given until
nothing more comes."""

import sys
import traceback
from contextlib import suppress
from io import TextIOWrapper
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import msgspec

from ml_workspace_lab.endpoints.batch import scorers
from ml_workspace_lab.endpoints.batch.formats import Reader, files_of, reader
from ml_workspace_lab.endpoints.batch.model import Done, MiniBatch, Settings
from ml_workspace_lab.endpoints.batch.scoring import Scoring
from ml_workspace_lab.endpoints.batch.values import Kinds
from ml_workspace_lab.endpoints.model import ServedBy
from ml_workspace_lab.errors import WorkspaceError


class Task(msgspec.Struct, frozen=True):
    """What a process is told at its beginning: paths of the model and the input, and the kinds of
    the columns."""

    settings: Settings
    model: str
    source: str
    kinds: Kinds


class Word(msgspec.Struct, frozen=True):
    """What a process says: that it is `ready` and what scores, that a mini-batch is `done`, or that
    it, and every other process, can do nothing (`failed`), and why."""

    kind: Literal["ready", "done", "failed"]
    done: Done | None = None
    reason: str = ""
    served_by: ServedBy | None = None


def work(task: bytes, connection: Connection) -> None:
    """Score the mini-batches that come over the connection, until it is closed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # what a script prints is told, whatever comes
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            _work(msgspec.msgpack.decode(task, type=Task), connection)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except WorkspaceError as error:
            _say(connection, Word("failed", reason=str(error)))
        except BaseException as error:  # noqa: BLE001 - a script may raise anything, sys.exit() too
            traceback.print_exc()
            _say(connection, Word("failed", reason=f"{type(error).__name__}: {error}"))


def _work(task: Task, connection: Connection) -> None:
    settings = task.settings
    answerer, served_by = scorers.load(settings, Path(task.model), Path.cwd())
    scoring = Scoring(answerer, keeps_values=settings.output_action == "append_row")
    files = files_of(Path(task.source))
    decoder = msgspec.msgpack.Decoder(MiniBatch)
    opened: tuple[int, Reader] = (0, reader(files[0][1]))  # its libraries are loaded with the model
    _say(connection, Word("ready", served_by=served_by))
    while True:
        part = decoder.decode(connection.recv_bytes())
        if opened[0] != part.file:
            opened = part.file, reader(files[part.file][1])
        done = scoring.score(part.number, opened[1].read(part, task.kinds))
        _say(connection, Word("done", done))


def _say(connection: Connection, word: Word) -> None:
    connection.send_bytes(msgspec.msgpack.encode(word))
