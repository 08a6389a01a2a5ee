"""Time as an argument: nothing below the composition root looks at a clock of its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """What time it is, and how long ago something was."""

    wall_ns: Callable[[], int]  # since 1970, UTC; may jump
    monotonic: Callable[[], float]  # seconds; never jumps: ages and time-outs are measured with it


SYSTEM = Clock(wall_ns=time.time_ns, monotonic=time.monotonic)


def day(ns: int) -> str:
    """The UTC date of a time in nanoseconds."""
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%d")


def iso(ns: int) -> str:
    """A time in nanoseconds as people read it, UTC, to the microsecond."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
