"""Candles of the simulated market: sums over the very trades that it sends."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from ingest.simulator.listings import Listing, Style, writer
from ingest.simulator.ticks import MINUTE, Tick, ticks
from ingest.simulator.wire import DELAYS, sent_ms

SECOND = 1_000_000
_DAY = 1440 * MINUTE
_MONDAY = 4 * _DAY  # 1970 began on a Thursday
INTERVALS: Mapping[str, int] = {  # microseconds; a month is a calendar's
    "1s": SECOND,
    **{f"{count}m": count * MINUTE for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * 60 * MINUTE for count in (1, 2, 4, 6, 8, 12)},
    "1d": _DAY,
    "3d": 3 * _DAY,
    "1w": 7 * _DAY,
    "1M": 31 * _DAY,
}


class Candle(NamedTuple):
    """Prices and quantities in the listing's units; amounts in the product of both."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    amount: int
    trades: int
    bought: int  # by takers
    bought_amount: int
    first_id: int
    last_id: int


def opening(interval: str, at: int) -> int:
    """When the candle began that is open at this moment."""
    if interval == "1M":
        found = datetime.fromtimestamp(at // SECOND, UTC).replace(day=1, hour=0, minute=0, second=0)
        return int(found.timestamp()) * SECOND
    offset = _MONDAY if interval == "1w" else 0
    return at - (at - offset) % INTERVALS[interval]


def closing(interval: str, start: int) -> int:
    """When the next candle begins."""
    return opening(interval, start + INTERVALS[interval]) if interval == "1M" else start + INTERVALS[interval]


def candle(listing: Listing, seed: int, start: int, end: int, now: int) -> Candle:
    """The trades from `start` until before `end`, as far as they were sent until `now`; none: the price stands still."""
    return _joined(_parts(listing, seed, start, end, now)) or _still(_last_price(listing, seed, start))


def _parts(listing: Listing, seed: int, start: int, end: int, now: int) -> Iterator[Candle | None]:
    for minute in range(start // MINUTE, min(-(-end // MINUTE), now // MINUTE + 1)):
        first, last = minute * MINUTE, (minute + 1) * MINUTE
        if start <= first and last <= min(end, now + 1):
            yield _minute(listing, seed, minute)
        else:
            delay = DELAYS[listing.market]
            happened = ticks(listing, seed, minute)
            yield _sum(tick for tick in happened if start <= tick.at < end and sent_ms(tick, delay) * 1000 <= now)


@lru_cache(maxsize=50_000)
def _minute(listing: Listing, seed: int, minute: int) -> Candle | None:
    return _sum(ticks(listing, seed, minute))


def _sum(happened: Iterable[Tick]) -> Candle | None:
    found = list(happened)
    if not found:
        return None
    prices = [tick.price for tick in found]
    bought = [tick for tick in found if tick.is_buy]
    return Candle(
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(tick.quantity for tick in found),
        amount=sum(tick.price * tick.quantity for tick in found),
        trades=sum(tick.fills for tick in found),
        bought=sum(tick.quantity for tick in bought),
        bought_amount=sum(tick.price * tick.quantity for tick in bought),
        first_id=found[0].first_fill,
        last_id=found[-1].first_fill + found[-1].fills - 1,
    )


def _joined(parts: Iterable[Candle | None]) -> Candle | None:
    found = [part for part in parts if part is not None]
    if not found:
        return None
    return Candle(
        open=found[0].open,
        high=max(part.high for part in found),
        low=min(part.low for part in found),
        close=found[-1].close,
        volume=sum(part.volume for part in found),
        amount=sum(part.amount for part in found),
        trades=sum(part.trades for part in found),
        bought=sum(part.bought for part in found),
        bought_amount=sum(part.bought_amount for part in found),
        first_id=found[0].first_id,
        last_id=found[-1].last_id,
    )


def _last_price(listing: Listing, seed: int, before: int) -> int:
    for minute in range(before // MINUTE, -1, -1):
        earlier = [tick.price for tick in ticks(listing, seed, minute) if tick.at < before]
        if earlier:
            return earlier[-1]
    return listing.price


def _still(price: int) -> Candle:
    return Candle(price, price, price, price, 0, 0, 0, 0, 0, -1, -1)


class Words(NamedTuple):
    """A candle as Binance writes it."""

    open: str
    high: str
    low: str
    close: str
    volume: str
    amount: str
    bought: str
    bought_amount: str


def words(listing: Listing, found: Candle) -> Words:
    """Eight places on spot, the listing's own on futures; amounts with as many as they need."""
    is_spot, places = listing.market == "spot", listing.price_places + listing.quantity_places
    style: Style = "eight" if is_spot else "plain"
    price, quantity = writer(listing.price_places, style), writer(listing.quantity_places, style)
    amount = writer(places, "eight" if is_spot and places <= 8 else "plain")  # noqa: PLR2004 - places that `eight` pads to
    return Words(
        open=price(found.open),
        high=price(found.high),
        low=price(found.low),
        close=price(found.close),
        volume=quantity(found.volume),
        amount=amount(found.amount),
        bought=quantity(found.bought),
        bought_amount=amount(found.bought_amount),
    )
