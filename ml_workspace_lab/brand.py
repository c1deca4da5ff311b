"""A mark that no descendant of a process puts off: a number among its limits.

A variable is gone with `env -i`, a session with `setsid`, a parent with its death. Limits go to
every child and through every `exec`, and no program changes this one: that of file locks, which
Linux has not heeded since 2.4. So any number says whose a process is, and nothing else. (On Linux;
elsewhere nobody bears any.)
"""

import resource
import sys
from contextlib import suppress

_LOCKS = 10
"""RLIMIT_LOCKS, which the module `resource` has no name for."""
_LEAST = 1 << 61


def put_on(name: str, value: str) -> None:
    """Have this process, and all that it starts from now on, bear the brand `name=value`. Where the
    system does not let it, it bears none."""
    with suppress(OSError, ValueError):
        _set(_number(name, value))


def is_on(pid: int, name: str, value: str) -> bool:
    """Whether a process bears it. One of another user has none that we may see."""
    return _of(pid) == _number(name, value)


def put_off() -> None:
    """Bear no brand of anybody's: for a process that works on for others than who started it. A
    limit can always be made less."""
    found = _of(0)
    if found is not None and found >= _LEAST:
        with suppress(OSError, ValueError):
            _set(found - 1)


def _number(name: str, value: str) -> int:
    import hashlib  # not for those who bear none

    digest = hashlib.blake2b(f"{name}={value}".encode(), digest_size=8).digest()
    return _LEAST | (int.from_bytes(digest, "big") >> 3)


def _of(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    with suppress(OSError):
        return resource.prlimit(pid, _LOCKS)[1]
    return None


def _set(number: int) -> None:
    if sys.platform == "linux":
        resource.setrlimit(_LOCKS, (number, number))
