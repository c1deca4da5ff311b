"""The threads that do what waits for a disk: the loop carries every other request meanwhile. What
changes something has threads of its own, so that a database in which nobody can write now keeps no
reader waiting."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="ml-workspace")
_writing = ThreadPoolExecutor(max_workers=8, thread_name_prefix="ml-workspace-writing")


async def in_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    call = functools.partial(function, *arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_threads, call)


async def in_thread_for(method: str | None, call: Callable[[], Any]) -> Any:
    """Do what a request of that method asks for."""
    threads = _threads if method in ("GET", "HEAD") else _writing
    return await asyncio.get_running_loop().run_in_executor(threads, call)
