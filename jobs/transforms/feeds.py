"""What the stream knows of each feed between two batches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ingest.exchanges import exchange as venues
from ingest.exchanges.exchange import Exchange
from jobs.tables.trades import TRADES
from jobs.transforms.ranges import MINUTE, Mark, Range, Ranges, ranges

Mark_ = tuple[str, str, str, str, int, int, bool, bool]  # a row of `fresh.marks`


class Feed(NamedTuple):
    """A series: the key of everything that the stream remembers."""

    venue: str
    market: str
    feed: str
    pair: str

    @property
    def kind(self) -> str:
        """The feed without its epoch."""
        return self.feed.partition(".")[0]


@dataclass
class Known:
    """One feed's past."""

    ranges: Ranges = field(default_factory=Ranges)  # empty where ids are not dense
    top: int | None = None  # the latest minute with a committed trade
    highest: int | None = None  # the greatest id of a committed trade
    bare: bool = False  # this run knows that the top minute has no row yet
    shown: bool = False  # this run wrote a row of the top minute
    newest: float = 0.0  # when the newest trade was committed, by the driver's monotonic clock


State = dict[Feed, Known]


def is_dense(exchange: Exchange, kind: str) -> bool:
    """Is a missing id a missing trade?"""
    return offered(exchange)[kind].dense


def offered(exchange: Exchange) -> Mapping[str, venues.Feed]:
    """Every kind that may lie in the landing zone, live or recorded."""
    return {**exchange.recorded, **exchange.feeds}


def dense(exchanges: Mapping[tuple[str, str], Exchange]) -> Mapping[tuple[str, str, str], bool]:
    """Of each (venue, market, kind) of trades: is a missing id a missing trade?"""
    return {
        (*market, kind): feed.dense
        for market, exchange in exchanges.items()
        for kind, feed in offered(exchange).items()
        if feed.channel == TRADES.name
    }


def plain(state: State) -> list[dict[str, Any]]:
    """As JSON holds it. What only this run knows stays out."""
    return [
        {"feed": list(feed), "ranges": known.ranges.plain(), "top": known.top, "highest": known.highest}
        for feed, known in state.items()
    ]


def state(rows: Iterable[Mapping[str, Any]]) -> State:
    """The inverse of `plain`."""
    return {Feed(*row["feed"]): Known(ranges(row["ranges"]), row["top"], row["highest"]) for row in rows}


@dataclass
class Brought:
    """What arrived of one feed: the ids as ranges, the minutes of its trades."""

    islands: list[Range] = field(default_factory=list)
    minutes: set[int] = field(default_factory=set)


def brought(marks: Iterable[Mark_]) -> dict[Feed, Brought]:
    """Marks of trades, in any order -> what arrived of each feed."""
    found: dict[Feed, Brought] = {}
    first: Mark | None = None
    for venue, market, name, pair, id_, ts, starts, ends in sorted(marks, key=lambda mark: mark[:5]):
        here = found.setdefault(Feed(venue, market, name, pair), Brought())
        mark = Mark(id_, ts)
        here.minutes.add(mark.ts // MINUTE)
        first = mark if starts else first
        if ends:
            assert first is not None, f"{venue} {market} {name} {pair}: id {id_} ends a run of ids that never began"
            here.islands.append(Range(first.id, id_, first, mark))
    return found


def voids(marks: Iterable[Mark_]) -> dict[Feed, Brought]:
    """The same of ids that are no trades: covered, without a minute."""
    return {
        feed: Brought([Range(island.low, island.high, None, None) for island in here.islands])
        for feed, here in brought(marks).items()
    }
