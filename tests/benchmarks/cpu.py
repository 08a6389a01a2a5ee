"""Processor time and memory as the kernel counts them, from /proc: of processes, and of threads by what they are there for."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
STARTED = 19  # which of the fields says when, in ticks since the machine did
LOOK = 0.2  # seconds between two looks: a worker ends when it has had nothing to do for a minute
PAGE = os.sysconf("SC_PAGE_SIZE")
# a thread's name (the kernel keeps 15 letters of it) -> what it does; the first that fits
GROUPS = {
    r"Executor task": "tasks",
    r"C2 Comp": "compiler C2",
    r"C1 Comp": "compiler C1",
    r"GC Thread|ParGC|G1 |VM Thread": "garbage collection, VM",
    r"Thread-\d|main|java|stream exec": "driver: planning, commits",
}


def seconds(process: int) -> float:
    """User and system time of a process, all threads, ended ones too."""
    return _used(Path(f"/proc/{process}/stat"))


def resident(process: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE


def of_threads(process: int) -> Mapping[str, float]:
    """The same by group of threads that live."""
    found: dict[str, float] = {}
    for thread in Path(f"/proc/{process}/task").iterdir():
        try:
            name, used = (thread / "comm").read_text().strip(), _used(thread / "stat")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        group = next((group for pattern, group in GROUPS.items() if re.match(pattern, name)), "other threads")
        found[group] = found.get(group, 0.0) + used
    return found


def of_session(leader: int) -> float:
    """The same of all processes of a session, and of those they have started that ended."""
    return sum(sum(map(int, fields[11:15])) * TICK for _, fields in _session(leader))


@contextmanager
def watched(leader: int) -> Iterator["Spent"]:
    """What a session's processes take until the block ends, those that end meanwhile with what they had when they were last seen.

    Not by the parent's word: the one that starts Spark's Python workers does not wait for them, and what they took is gone with them.
    """
    spent = Spent(leader)
    with looking(LOOK, spent.look):
        yield spent
    spent.look()


@contextmanager
def looking(every: float, look: Callable[[], None]) -> Iterator[None]:
    """Have a thread look every so many seconds, until the block ends."""
    enough = threading.Event()

    def again() -> None:
        while not enough.wait(every):
            look()

    thread = threading.Thread(target=again, daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


class Spent:
    """Processor seconds of each process, by when it was first and when it was last seen."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._first = dict(self._seen())
        self._last = dict(self._first)

    def look(self) -> None:
        self._last |= self._seen()

    @property
    def seconds(self) -> float:
        return sum(used - self._first.get(process, 0) for process, used in self._last.items())

    def _seen(self) -> Iterator[tuple[tuple[int, str], float]]:
        for process, fields in _session(self._leader):
            yield (process, fields[STARTED]), sum(map(int, fields[11:13])) * TICK


def resident_of_session(leader: int, of: Callable[[int], int] = resident) -> int:
    """Bytes of memory that all processes of a session hold; what two of them share counts twice, unless `of` tells otherwise.

    One that was started within the last second does not count: until it runs a program of its own it holds all that the one holds
    that has started it.
    """
    total, now = 0, time.clock_gettime(time.CLOCK_BOOTTIME)
    for process, fields in _session(leader):
        if process != leader and now - int(fields[STARTED]) * TICK < 1:
            continue
        try:
            total += of(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def its_part(process: int) -> int:
    """Bytes of memory that a process holds, of what it shares with others its part. It takes the kernel milliseconds to say."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def _session(leader: int) -> Iterator[tuple[int, list[str]]]:
    """Each process that lives, and what the kernel says of it."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = _fields(stat)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader:
            yield int(stat.parent.name), fields


def _used(stat: Path) -> float:
    return sum(map(int, _fields(stat)[11:13])) * TICK


def _fields(stat: Path) -> list[str]:
    """What follows the name, which may hold spaces: state, parent, group, session …, user and system time, ended children's."""
    return stat.read_text().rpartition(")")[2].split()
