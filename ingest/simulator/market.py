"""The simulated market: every frame that its venues send, in order of time. Pure; tests and benchmarks need no socket."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from operator import attrgetter

from ingest.simulator.listings import LISTINGS, Listing, Series, series
from ingest.simulator.ticks import MINUTE, ticks
from ingest.simulator.wire import WIRES, Frame


def market(
    seed: int,
    start: int,
    end: int | None = None,
    *,
    listings: Iterable[Listing] = LISTINGS,
    wanted: Callable[[Series], bool] = lambda series: True,  # noqa: ARG005 - every series
) -> Iterator[Frame]:
    """The frames of the wanted series sent from `start` until before `end` (microseconds since 1970; None: for ever)."""
    offered = [(listing, [feed for feed in series(listing).values() if wanted(feed)]) for listing in listings]
    minutes = count(start // MINUTE) if end is None else range(start // MINUTE, -(-end // MINUTE))
    for minute in minutes:
        for frame in _minute(seed, minute, offered):
            if start <= frame.at and (end is None or frame.at < end):
                yield frame


def _minute(seed: int, minute: int, offered: Sequence[tuple[Listing, Sequence[Series]]]) -> list[Frame]:
    """No frame of a minute is sent in another, so sorting a minute at a time is enough; ties keep the order of their series."""
    frames: list[Frame] = []
    for listing, feeds in offered:
        happened = ticks(listing, seed, minute) if feeds else []
        for feed in feeds:
            frames.extend(WIRES[feed.venue, feed.market, feed.kind](listing, feed, happened))
    frames.sort(key=attrgetter("at"))
    return frames
