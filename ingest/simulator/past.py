"""What has passed: the trades that a venue sent until a moment of market time, by id and by time, as its REST tells them.

Frames that were kept back on purpose have passed, too: that is how a collector repairs a hole.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple, Protocol

from ingest.simulator.listings import Listing, Series
from ingest.simulator.ticks import MINUTE, minute_of, minute_of_fill, ticks
from ingest.simulator.wire import BOOKS, TOLD, Frame, Trade


class Past(Protocol):
    """Answers in the order of ids; `now` is market time, and nothing that was sent after it is told."""

    def since(self, series: Series, number: int, limit: int, now: int) -> list[Trade]:
        """The first trades whose id is this one or greater."""

    def newest(self, series: Series, limit: int, now: int, below: int | None = None) -> list[Trade]:
        """The last trades; with `below`: those whose id is less."""

    def between(self, series: Series, first: int, last: int, now: int) -> Iterator[Trade]:
        """The trades that were traded at these moments or between them."""


@dataclass(frozen=True)
class Made:
    """The past of a market that is made from a seed: nothing is remembered, everything can be made again."""

    seed: int
    listings: dict[tuple[str, str, str], Listing]  # by venue, market, pair

    def since(self, series: Series, number: int, limit: int, now: int) -> list[Trade]:
        found: list[Trade] = []
        for minute in range(self._minute(series, max(number, 0)), now // MINUTE + 1):
            found += [trade for trade in self._until(series, minute, now) if trade.trade_id >= number]
            if len(found) >= limit:
                break
        return found[:limit]

    def newest(self, series: Series, limit: int, now: int, below: int | None = None) -> list[Trade]:
        found: list[Trade] = []
        last = now // MINUTE if below is None else min(self._minute(series, max(below, 0)), now // MINUTE)
        for minute in range(last, -1, -1):
            found[:0] = [trade for trade in self._until(series, minute, now) if below is None or trade.trade_id < below]
            if len(found) >= limit:
                break
        return found[-limit:]

    def between(self, series: Series, first: int, last: int, now: int) -> Iterator[Trade]:
        for minute in range(max(first, 0) // MINUTE, min(last, now) // MINUTE + 1):
            yield from (trade for trade in self._until(series, minute, now) if first <= trade.ts <= last)

    def _listing(self, series: Series) -> Listing:
        return self.listings[series.venue, series.market, series.pair]

    def _minute(self, series: Series, number: int) -> int:
        listing = self._listing(series)
        if series.kind == "agg_trade":
            return minute_of(listing, self.seed, number)
        return minute_of_fill(listing, self.seed, number // BOOKS if series.venue == "bitso" else number)

    def _until(self, series: Series, minute: int, now: int) -> list[Trade]:
        told = _told(self._listing(series), self.seed, series, minute)
        return [trade for at, trade in told if at <= now]


@lru_cache(maxsize=64)
def _told(listing: Listing, seed: int, series: Series, minute: int) -> list[tuple[int, Trade]]:
    """Each trade of a minute and when it was sent, which is never in another minute."""
    frames = TOLD[series.venue, series.market, series.kind](listing, series, ticks(listing, seed, minute))
    return [(frame.at, trade) for frame in frames for trade in frame.trades]


class _Sent(NamedTuple):
    number: int
    at: int
    trade: Trade


@dataclass(frozen=True)
class Recorded:
    """The past of a recording: the trades of the frames that have been read, each id once."""

    trades: dict[Series, list[_Sent]] = field(default_factory=dict)

    def add(self, frame: Frame) -> None:
        known = self.trades.setdefault(frame.series, [])
        for trade in frame.trades:
            sent = _Sent(trade.trade_id, frame.at, trade)
            if not known or known[-1].number < trade.trade_id:
                known.append(sent)
            elif known[bisect_left(known, trade.trade_id, key=attrgetter("number"))].number != trade.trade_id:
                insort(known, sent, key=attrgetter("number"))

    def since(self, series: Series, number: int, limit: int, now: int) -> list[Trade]:
        return [sent.trade for sent in self._until(series, now) if sent.number >= number][:limit]

    def newest(self, series: Series, limit: int, now: int, below: int | None = None) -> list[Trade]:
        return [sent.trade for sent in self._until(series, now) if below is None or sent.number < below][-limit:]

    def between(self, series: Series, first: int, last: int, now: int) -> Iterator[Trade]:
        return (sent.trade for sent in self._until(series, now) if first <= sent.trade.ts <= last)

    def _until(self, series: Series, now: int) -> list[_Sent]:
        return [sent for sent in self.trades.get(series, ()) if sent.at <= now]
