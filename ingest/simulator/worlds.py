"""What the venues have: a market made from a seed, or a recording. With the faults that were asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingest.exchanges.exchange import Exchange
from ingest.simulator.faults import Fault, check
from ingest.simulator.listings import LISTINGS, Listing, Series, series
from ingest.simulator.live import common, live
from ingest.simulator.live.stream import Live
from ingest.simulator.market import market
from ingest.simulator.past import Made, Past, Recorded
from ingest.simulator.recording import recording
from ingest.simulator.ticks import MINUTE
from ingest.simulator.wire import Frame

Key = tuple[str, str, str]  # venue, market, stream


@dataclass(frozen=True)
class World:
    """What the venues have."""

    frames: Iterable[Frame]
    offered: Mapping[Key, Series]
    past: Past
    start: int  # market time
    end: int | None  # None: it does not end, or nobody knows
    speed: float | None  # None: flat out
    live: Callable[
        [tuple[str, str], str], Live | None
    ]  # a stream of a venue's market, by name, that is made while somebody listens
    seed: int | None = None  # None: a recording
    faults: Sequence[Fault] = ()
    listings: Sequence[Listing] = ()  # none for a recording, which does not tell them
    before: Sequence[Frame] = ()  # the last ones before the start, which Coinbase tells a new subscriber
    is_recorded: bool = False  # then only what was recorded is sent: no heartbeats, no last match, on any path


def made(seed: int, start: int, end: int | None, speed: float | None, faults: Sequence[Fault] = ()) -> World:
    """The market of a seed."""
    offered = _offered(feed for listing in LISTINGS for feed in series(listing).values())
    find = partial(live, seed, LISTINGS)
    check(faults, [*offered.values(), *_made_while_heard(faults, find)])
    past = Made(seed, {(listing.venue, listing.market, listing.pair): listing for listing in LISTINGS})
    before = {
        frame.series: frame for frame in market(seed, start - 5 * MINUTE, start, wanted=lambda feed: feed.venue == "coinbase")
    }
    return World(market(seed, start, end), offered, past, start, end, speed, find, seed, faults, LISTINGS, tuple(before.values()))


def recorded(path: Path, exchange: Exchange, speed: float | None, faults: Sequence[Fault] = ()) -> World:
    """A recording, read once to see what is in it: better refused now than in the middle."""
    offered: dict[Key, Series] = {}
    start = None
    for frame in recording(path, exchange):
        start = frame.at if start is None else start
        offered.update(_offered([frame.series]))
    if start is None:
        raise ValueError(f"{path}: no frame of {exchange.name} in it; --venue and --market say whose recording it is")
    check(faults, offered.values())
    past = Recorded()
    frames = _remembered(recording(path, exchange), past)
    return World(frames, offered, past, start, None, speed, live=_nothing, faults=faults, is_recorded=True)


def _nothing(_place: tuple[str, str], _name: str) -> Live | None:
    """A recording sends what was recorded."""
    return None


def _made_while_heard(faults: Iterable[Fault], find: Callable[[tuple[str, str], str], Live | None]) -> Iterator[Series]:
    """Those that most people ask for, and those that a fault names."""
    named = {fault.stream for fault in faults if fault.stream}
    for listing in LISTINGS:
        for name in {*common(listing), *named}:
            found = find((listing.venue, listing.market), name)
            if found is not None:
                yield found.series


def _remembered(frames: Iterable[Frame], past: Recorded) -> Iterator[Frame]:
    for frame in frames:
        past.add(frame)
        yield frame


def _offered(feeds: Iterable[Series]) -> dict[Key, Series]:
    return {(feed.venue, feed.market, feed.stream): feed for feed in feeds}
