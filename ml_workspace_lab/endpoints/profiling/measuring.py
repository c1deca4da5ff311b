"""What one scoring process gives at rising concurrency, then several of them together."""

import platform
import time
from collections.abc import Callable, Sequence

import psutil

from ml_workspace_lab.endpoints import scaling
from ml_workspace_lab.endpoints.profiling.asking import ask, request
from ml_workspace_lab.endpoints.profiling.recommending import goes_on, recommended, remark
from ml_workspace_lab.endpoints.profiling.subject import ScoringProcess, Subject
from ml_workspace_lab.models.profiles.model import Level, Machine, Measured, Workers

WARM_SECONDS = 0.3
"""Libraries do some of their work when they are asked for the first time."""
CONNECTIONS_EACH = 8
"""Connections for each of several processes, so that none of them waits for a request."""

Say = Callable[[str], None]


def measure(
    subject: Subject, body: bytes, concurrency: Sequence[int], seconds: float, say: Say
) -> Measured:
    """Start the version's processes and ask them. Raises ScoringFailed with what went wrong."""
    began = _Machine()
    say("Starting the scoring process.")
    first = subject.start()
    if first.has_compiled:
        first = subject.restart()  # what was compiled at the first start is there now
    resident = first.resident_mib
    say(f"It answers after {first.start_seconds:.1f} s, with {resident:.0f} MiB: {first.engine}.")
    sent = request(body, first.key)
    ask([first.port], sent, 1, WARM_SECONDS)
    levels, peak = [], resident
    for connections in concurrency:
        level = _level(first, sent, connections, seconds)
        levels.append(level)
        peak = max(peak, first.resident_mib)
        say(
            f"{connections:4} at once: {level.requests_per_second:,.0f} requests/s,"
            f" p50 {level.p50_ms:.2f} ms, p95 {level.p95_ms:.2f} ms, p99 {level.p99_ms:.2f} ms,"
            f" {level.cores:.2f} cores."
        )
    workers = _together(subject, sent, seconds, peak, say)
    busiest = max(levels, key=lambda level: level.requests_per_second)
    count, reason = recommended(workers, busiest, scaling.cores(), peak, _available_mib())
    machine = began.so_far(subject.processes)
    reason += remark(machine)
    say(f"Recommended: {count}. {reason}")
    return Measured(
        engine=first.engine,
        has_script=subject.has_script,
        sample=body.decode(),
        start_seconds=first.start_seconds,
        resident_mib=resident,
        peak_mib=peak,
        levels=levels,
        workers=workers,
        recommended_workers=count,
        reason=reason,
        machine=machine,
    )


def _level(process: ScoringProcess, sent: bytes, connections: int, seconds: float) -> Level:
    use = _Use([process])
    asked = ask([process.port], sent, connections, seconds)
    cores, waited = use.so_far()
    return Level(
        concurrency=connections,
        requests=len(asked.latencies),
        requests_per_second=asked.rate,
        p50_ms=asked.percentile_ms(0.5),
        p95_ms=asked.percentile_ms(0.95),
        p99_ms=asked.percentile_ms(0.99),
        cores=cores,
        waited_cores=waited,
    )


def _together(
    subject: Subject, sent: bytes, seconds: float, peak: float, say: Say
) -> list[Workers]:
    """What more and more processes answer, until more of them are of no use."""
    found: list[Workers] = []
    count = 1
    while True:
        while len(subject.processes) < count:
            process = subject.start()
            ask([process.port], sent, 1, WARM_SECONDS)
        ports = [process.port for process in subject.processes]
        use = _Use(subject.processes)
        asked = ask(ports, sent, CONNECTIONS_EACH * count, seconds)
        cores, waited = use.so_far()
        found.append(Workers(count, asked.rate, cores, waited))
        plural = "" if count == 1 else "es"
        say(f"{count:4} process{plural}: {asked.rate:,.0f} requests/s, {cores:.2f} cores.")
        if not goes_on(found, scaling.cores(), peak, _available_mib()):
            return found
        count *= 2


class _Use:
    """The processor time a second that processes take from now on, and what they wait for it."""

    def __init__(self, processes: Sequence[ScoringProcess]) -> None:
        self._processes = processes
        self._began = time.perf_counter()
        self._used, self._waited = self._now()

    def so_far(self) -> tuple[float, float]:
        seconds = time.perf_counter() - self._began
        used, waited = self._now()
        return (
            max(0.0, used - self._used) / seconds,
            max(0.0, waited - self._waited) / seconds,
        )

    def _now(self) -> tuple[float, float]:
        return (
            sum(one.cpu_seconds for one in self._processes),
            sum(one.waited_seconds for one in self._processes),
        )


class _Machine:
    """The machine, and how much of it others take from now on."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._busy = _busy_seconds()
        self._own = time.process_time()

    def so_far(self, processes: Sequence[ScoringProcess]) -> Machine:
        own = time.process_time() - self._own + sum(one.cpu_seconds for one in processes)
        others = _busy_seconds() - self._busy - own
        return Machine(
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            cores=scaling.cores(),
            memory_bytes=psutil.virtual_memory().total,
            busy_cores=max(0.0, others / (time.perf_counter() - self._began)),
        )


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system)


def _available_mib() -> float:
    return float(psutil.virtual_memory().available) / 2**20
