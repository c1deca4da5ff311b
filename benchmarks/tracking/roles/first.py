"""The shortest program of a user."""

import sys

from adapters.base import Adapter

HEAVY = ("pandas", "sqlalchemy", "pyarrow")


def run(adapter: type[Adapter], location: str) -> int:
    store = adapter(location)
    run = store.start_run()
    run.log("loss", 0.5, 0)
    run.finish()
    store.close()
    return sum(name in sys.modules for name in HEAVY)
