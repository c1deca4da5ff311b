"""The threads that do what waits for a disk: the loop carries every other request meanwhile."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="ml-workspace")


async def in_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    call = functools.partial(function, *arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_threads, call)
