"""How long to wait before trying again. Nothing here waits, and nothing here needs more than Python."""

import itertools
from collections.abc import Callable, Iterator


def delays(random: Callable[[], float], *, first: float = 0.5, cap: float = 60.0) -> Iterator[float]:
    """Seconds before each next attempt: doubling up to the cap, jittered down to the half so that clients spread."""
    for attempt in itertools.count():
        whole = min(cap, first * 2 ** min(attempt, 32))
        yield whole / 2 + whole / 2 * random()
