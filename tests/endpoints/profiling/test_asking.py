"""Asking scoring processes over many connections."""

import asyncio

from ml_workspace_lab.endpoints.profiling.asking import _Work


def test_what_is_stopped_before_it_has_begun_asks_nobody() -> None:
    work = _Work([1], b"", 1, 60.0)  # a port that nobody listens at
    work.stop()
    assert asyncio.run(work.do()).latencies == []
