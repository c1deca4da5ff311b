"""A forked runner: it waits for its order, then is the runner of that attempt and no other."""

import contextlib
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path

from msgspec import convert

from ml_workspace_lab.jobs.prewarmed import kernel
from ml_workspace_lab.jobs.prewarmed.orders import Channel, Order


def be_spare(orders: socket.socket, sockets: Path | None) -> None:
    """In the forked child: never returns. With `sockets`, a folder, a kernel waits beside it."""
    code = 1
    try:
        held = kernel.hold(sockets) if sockets is not None else None
        order = _await_order(Channel(orders), held)
        if order is None:
            if held is not None:
                held.end()
            os._exit(0)
        orders.close()
        code = _run(order)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - the last word of a process
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _await_order(channel: Channel, held: "kernel.SpareKernel | None") -> Order | None:
    """The order; None where the zygote is gone or lets this one go, or its kernel has died."""
    while not channel.gone:
        ready, _, _ = select.select([channel], [], [], 1.0)
        if ready and (messages := channel.receive()):
            return convert(messages[0], Order)
        if held is not None and held.process.poll() is not None:
            return None
    return None


def _run(order: Order) -> int:
    """What `python -m ml_workspace_lab.jobs.runner` does with these arguments."""
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.folder)
    with Path(order.log).open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    kernel.show_mark(order.environment, order.argv)
    sys.argv[:] = ["runner", *order.argv[3:]]
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from ml_workspace_lab.jobs.runner.__main__ import main

    root, run_id, attempt = order.argv[3:6]
    return main(Path(root), run_id, int(attempt))
