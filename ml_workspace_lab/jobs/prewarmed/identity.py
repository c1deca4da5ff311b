"""What a forked process shows of itself to others: the command line and the mark of its run.

`ps` and `processes.marked` read the memory in which the kernel once put a program's arguments and
environment, and a fork has its parent's. Room is left there when the zygote is started, and the
forked process writes over it.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path

ROOM = 1024
MARK_ROOM = 128
_ARGUMENTS = 45
"""Fields of /proc/self/stat after the name: arg_start, arg_end, env_start, env_end."""
_stretches: tuple[int, int, int, int] | None = None


def room() -> str:
    """The last argument of a zygote, which is written over."""
    return " " * ROOM


def mark_room() -> str:
    """The value of the mark's variable in a zygote's environment, which is written over."""
    return " " * MARK_ROOM


def show(arguments: Sequence[str], mark_name: str, mark: str) -> None:
    """Show these arguments as the command line, cut to the room there is, and the mark."""
    first, end, environment, environment_end = _places()
    line = b"\0".join(argument.encode(errors="surrogateescape") for argument in arguments)
    line = line[: end - first - 1]
    # Spaces to the end, which nobody sees: NULs would be as many empty arguments.
    _write(first, line.ljust(end - first - 1) + b"\0")
    block = ctypes.string_at(environment, environment_end - environment)
    at = block.find(f"{mark_name}=".encode())
    value = mark.encode()
    if at < 0 or len(value) >= MARK_ROOM:
        raise ValueError(f"There is no room for the mark {mark!r}.")
    start = at + len(mark_name) + 1
    # Not NULs to the end: two of them in a row end an environment.
    _write(environment + start, value + b"\0" + b" " * (MARK_ROOM - len(value) - 1))


def _places() -> tuple[int, int, int, int]:
    global _stretches
    if _stretches is None:
        after_name = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()
        numbers = [int(word) for word in after_name[_ARGUMENTS : _ARGUMENTS + 4]]
        _stretches = (numbers[0], numbers[1], numbers[2], numbers[3])
    return _stretches


def _write(address: int, content: bytes) -> None:
    ctypes.memmove(address, content, len(content))
