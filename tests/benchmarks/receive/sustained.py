"""A share of the peak for minutes, one process on one core: does anything pile up, and does the lag stay what it was?"""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.benchmarks import cpu
from tests.benchmarks.receive.contest import contenders, ended, landed, measured, ours, running, summary
from tests.benchmarks.worker import Worker

SHARE = 0.8
PARTS = 5  # of the run, each with a median of its own
EVERY = 97  # lines, one of which is looked at; prime, so that no rhythm of the market hides the others
UNREAD_NS = 1_000_000_000  # what is read later than so long after the last was sent was a backlog
_TIMES = re.compile(rb'"recv_ns":(\d+),"raw":\{[^{]*\{"e":"aggTrade","E":(\d+)')
Lag = tuple[int, float]  # received at (ns), how long after it was sent (ms)


def one_core(sender: Worker) -> Sequence[str]:
    """What a command begins with that is to run on one core. The sender goes to the others."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(sender.process.pid, cores[1:] or cores)
    return ["taskset", "-c", str(cores[0])]


def peak(sender: Worker, hour: Sequence[bytes], folder: Path, per_cpu_second: float, rounds: int = 3) -> float:
    """Frames a second that one core can take: by the clock where the core has other work, too, else by processor seconds."""
    ours_ = contenders(None)["ours"]
    walls = [measured(ours_, sender, hour, folder, one_core(sender))["wall"] for _ in range(rounds)]
    return min(per_cpu_second, len(hour) / median(walls))


def sustained(sender: Worker, rate: float, seconds: float, folder: Path) -> Mapping[str, Any]:
    """Frames a second for so long, and what became of them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [*one_core(sender), *ours(sender.ask("port"), 0, folder)]
    with running(command, folder) as process:
        sender.ask("accept")
        before, began = cpu.seconds(process.pid), time.monotonic()
        with watched(process.pid, folder) as looks:
            told = sender.ask("pace", rate=rate, seconds=seconds)
            waiting = _waiting(folder)
        used, passed = cpu.seconds(process.pid) - before, time.monotonic() - began
        process.send_signal(signal.SIGTERM)
        ended(process, folder)
    lines, unread, lags = read(landed(folder), told["ended_ns"])
    expected = (told["frames"] + 1, told["frames"], 0, 0, 0)
    if (summary(folder), lines) != (expected, told["frames"]):
        raise AssertionError(f"{told['frames']} frames were sent; {lines} landed, the collector says {summary(folder)}")
    return {
        "rate": rate,
        "seconds": seconds,
        "frames": told["frames"],
        "backlog_end": told["late"] + unread + waiting,
        "late_most": told["latest"],
        "waiting_most": max((look["waiting"] for look in looks), default=0),
        "rss_mb": round(max((look["rss"] for look in looks), default=0) / 1e6, 1),
        "core_share": round(used / passed, 3),
        **lag_figures(lags),
    }


def lag_figures(lags: Sequence[Lag]) -> Mapping[str, Any]:
    """Medians by part of the run, and how long all but one in a hundred took."""
    first, last = min(lags)[0], max(lags)[0] + 1
    parts: list[list[float]] = [[] for _ in range(PARTS)]
    for at, lag in lags:
        parts[(at - first) * PARTS // (last - first)].append(lag)
    each = [lag for _, lag in lags]
    return {
        "lag_ms": [round(median(part), 2) if part else None for part in parts],
        "lag_p99_ms": round(quantiles(each, n=100)[98], 2),
        "lag_max_ms": round(max(each), 2),
    }


def read(objects: Iterable[bytes], ended_ns: int) -> tuple[int, int, Sequence[Lag]]:
    """Lines that landed, those that were received too long after the last was sent, and the lags of some."""
    count = unread = 0
    lags: list[Lag] = []
    for text in objects:
        count += text.count(b"\n")
        lines = text.splitlines()
        some = _lags(lines[::EVERY])
        lags += some
        if some and some[-1][0] > ended_ns:
            unread += sum(at > ended_ns + UNREAD_NS for at, _ in _lags(lines))
    return count, unread, lags


def _lags(lines: Iterable[bytes]) -> Sequence[Lag]:
    found = (_TIMES.search(line) for line in lines)
    return [(at := int(hit[1]), at / 1e6 - int(hit[2])) for hit in found if hit]


def _waiting(folder: Path) -> int:
    """Lines in sealed segments, but for the one that is being uploaded."""
    segments = sorted((folder / "spool" / "collect" / "sealed").iterdir())
    count = 0
    for path in segments[1:]:
        with suppress(FileNotFoundError):  # it landed meanwhile
            count += path.read_bytes().count(b"\n")
    return count


@contextmanager
def watched(process: int, folder: Path, every: float = 1.0) -> Iterator[Sequence[Mapping[str, int]]]:
    """Resident bytes of a process and the number of its sealed segments, from time to time."""
    found: list[Mapping[str, int]] = []
    enough = threading.Event()
    sealed = folder / "spool" / "collect" / "sealed"

    def look() -> None:
        while not enough.wait(every):
            with suppress(FileNotFoundError):  # before it has begun, after it has ended
                found.append({"rss": cpu.resident(process), "waiting": len(list(sealed.iterdir()))})

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        enough.set()
        watcher.join()
