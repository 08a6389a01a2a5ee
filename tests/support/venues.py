"""The simulated venues for a while, and what they truly had: from the market itself, nothing of the simulator's server is asked."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ingest.simulator.market import market
from ingest.simulator.wire import Frame
from tests.support.desk import Desk, FeedName, TradeText, collected

BINANCE = ("binance", "spot", "agg_trade", "BTC-USDT")
FUTURES = ("binance", "usdm", "agg_trade", "BTC-USDT")
COINBASE = ("coinbase", "spot", "trade", "BTC-USD")
BITSO = ("bitso", "spot", "trade", "BTC-MXN")
FEEDS = {BINANCE, FUTURES, COINBASE, BITSO}
# holes are asked for at once and without a limit: what is shown is that they are, not how the venue is spared
PATIENCE = "silence: {at_least: 1s}\n  repair: {audit_every: 1s, weight_share: 1}"
YAML = "\n" + "\n".join(f"    - {{venue: {v}, market: {m}, kind: {k}, pairs: [{p}]}}" for v, m, k, p in sorted(FEEDS))
_SEED = 7


@dataclass
class Venues:
    """Four of them, from now on."""

    speed: int
    start: datetime = field(default_factory=lambda: datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=5))
    began: float = field(default_factory=time.monotonic)
    _frames: Iterator[Frame] | None = None
    _found: dict[FeedName, list[TradeText]] = field(default_factory=dict)

    @property
    def options(self) -> list[object]:
        """Of the simulator. It begins when everybody listens, and is not done before a test is."""
        given = ["--speed", self.speed, "--seed", _SEED, "--start", self.start.isoformat(), "--span", "4h", "--stay"]
        return [*given, "--wait-for", len(FEEDS), "--limits", "off"]

    def truth(self) -> Mapping[FeedName, list[TradeText]]:
        """Every trade until now, and some more."""
        begin = int(self.start.timestamp()) * 1_000_000
        if self._frames is None:
            before = begin - 60_000_000  # Coinbase begins with the last match there was
            self._frames = market(_SEED, before, wanted=lambda one: (*one[:3], one.pair) in FEEDS)
        until = begin + int((time.monotonic() - self.began) * self.speed + 60) * 1_000_000
        for frame in self._frames:
            feed = (frame.series.venue, frame.series.market, frame.series.kind, frame.series.pair)
            self._found.setdefault(feed, []).extend((trade.trade_id, trade.price, trade.quantity) for trade in frame.trades)
            if frame.at >= until:
                break
        return self._found


def landed(desk: Desk) -> Mapping[FeedName, AbstractSet[TradeText]]:
    """The trades of the landing zone after deduplication."""
    return {feed: set(trades) for feed, trades in collected(desk.lines()).items()}


def newest(found: Mapping[FeedName, Collection[TradeText]]) -> Mapping[FeedName, int]:
    """The greatest id of each feed."""
    return {feed: max(trade[0] for trade in trades) for feed, trades in found.items()}


def missing(
    there: Mapping[FeedName, list[TradeText]], found: Mapping[FeedName, AbstractSet[TradeText]]
) -> dict[FeedName, list[TradeText]]:
    """Of each feed, between the first trade that landed and the last one: what did not."""
    gone = {}
    for feed, trades in found.items():
        low, high = min(trade[0] for trade in trades), max(trade[0] for trade in trades)
        gone[feed] = [trade for trade in there[feed] if low <= trade[0] <= high and trade not in trades]
    return {feed: trades for feed, trades in gone.items() if trades}


def invented(
    there: Mapping[FeedName, list[TradeText]], found: Mapping[FeedName, AbstractSet[TradeText]]
) -> dict[FeedName, AbstractSet[TradeText]]:
    """What landed and never was."""
    odd = {feed: trades - set(there.get(feed, [])) for feed, trades in found.items()}
    return {feed: trades for feed, trades in odd.items() if trades}


def caught_up(desk: Desk, venues: Venues) -> Callable[[], bool]:
    """Whether everything is there, up to what the venues have not sent yet when this is called."""
    since = dict(newest(venues.truth()))

    def is_complete() -> bool:
        found = landed(desk)
        if set(found) != FEEDS or any(newest(found)[feed] <= since[feed] for feed in FEEDS):
            return False
        return not missing(venues.truth(), found)

    return is_complete
