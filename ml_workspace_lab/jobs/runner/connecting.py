"""Connecting to a kernel, as soon as it answers.

jupyter_client's own way asks again every second and then listens for 0.2 s of silence, which is
most of the time to the first cell of a kernel that is up already.
"""

import time
from queue import Empty
from typing import Any

from jupyter_core.utils import ensure_async
from nbclient.exceptions import DeadKernelError

PATIENCE_SECONDS = 60.0
ASK_AGAIN_SECONDS = 0.2
"""A request finds a kernel that binds its sockets later; what it publishes then may be missed."""


async def connected(manager: Any, client: Any, prepare: str) -> dict[str, Any]:
    """Open the channels and execute `prepare` silently; what the kernel says of its language.

    From here on nothing that it publishes is missed. Raises DeadKernelError where it ends first,
    or does not answer in a minute.
    """
    client.start_channels(stdin=False, hb=False)
    until = time.monotonic() + PATIENCE_SECONDS
    waited = {client.execute(prepare, silent=True, store_history=False)} if prepare else set()
    asked = {client.kernel_info()}
    answer: dict[str, Any] | None = None
    heard = False
    last = time.monotonic()
    while answer is None or waited or not heard:
        if answer is None or waited:
            parent, content = await _reply(client)
            if parent in waited:
                waited.discard(parent)
                if content["status"] != "ok":
                    said = f"{content.get('ename')}: {content.get('evalue')}"
                    raise DeadKernelError(f"The kernel that waited could not be taken: {said}")
            answer = content if parent in asked else answer
        heard = heard or await _published(client, asked)
        moment = time.monotonic()
        if not await ensure_async(manager.is_alive()):
            raise DeadKernelError("The kernel died before it was connected.")
        if moment > until:
            raise DeadKernelError("The kernel does not answer.")
        if answer is not None and not heard and moment - last > ASK_AGAIN_SECONDS:
            asked.add(client.kernel_info())
            last = moment
    await _drain(client)
    return dict(answer.get("language_info", {}))


async def _reply(client: Any) -> tuple[str, dict[str, Any]]:
    """The next reply and the request that it answers; empty where none comes soon."""
    try:
        message = await client.shell_channel.get_msg(timeout=ASK_AGAIN_SECONDS)
    except Empty:
        return "", {}
    return message["parent_header"].get("msg_id", ""), message["content"]


async def _published(client: Any, asked: set[str]) -> bool:
    """Whether something that it publishes has arrived."""
    try:
        message = await client.iopub_channel.get_msg(timeout=ASK_AGAIN_SECONDS)
    except Empty:
        return False
    return message["parent_header"].get("msg_id") in asked


async def _drain(client: Any) -> None:
    """Leave out what is here already; what is still to come names no cell as its parent."""
    while True:
        try:
            await client.iopub_channel.get_msg(timeout=0)
        except Empty:
            return
