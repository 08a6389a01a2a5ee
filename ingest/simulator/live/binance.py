"""Binance's books and candles on the websocket. Update ids are a function of time: so many in each step of the book."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ingest.simulator.books import STEP, Book, book, changes
from ingest.simulator.candles import INTERVALS, candle, closing, opening, words
from ingest.simulator.listings import Listing, Series, Style, writer
from ingest.simulator.live.stream import Live, text, written

IDS = 64  # update ids in each step
_FIRST_OF_A_STEP = 24  # futures share their ids among symbols, so a symbol's do not join: that is what `pu` is for
_MILLISECOND = 1000
_SECOND = 1_000_000
_CHANNEL = re.compile(r"bookTicker|(depth)(5|10|20)?(?:@(100ms|250ms|500ms))?|kline_(\w+)")
_EVERY: Mapping[str, Mapping[str | None, int]] = {
    "spot": {None: 1_000 * _MILLISECOND, "100ms": 100 * _MILLISECOND},
    "usdm": {None: 250 * _MILLISECOND, "100ms": 100 * _MILLISECOND, "500ms": 500 * _MILLISECOND},
}


def last_update(at: int) -> int:
    """The last update id at a moment."""
    return at // STEP * IDS


def writers(listing: Listing) -> tuple[Callable[[int], str], Callable[[int], str]]:
    """Price and quantity as the market writes them."""
    style: Style = "eight" if listing.market == "spot" else "plain"
    return writer(listing.price_places, style), writer(listing.quantity_places, style)


def stream(listing: Listing, seed: int, name: str) -> Live | None:
    """The stream of that name."""
    found = _CHANNEL.fullmatch(name.partition("@")[2])
    if not found:
        return None
    _, levels, speed, interval = found.groups()
    if interval is not None:
        is_known = interval in INTERVALS and (interval != "1s" or listing.market == "spot")
        every = _SECOND if interval == "1s" else 2 * _SECOND
        return _live(listing, name, "kline", every, partial(_kline, listing, seed, interval)) if is_known else None
    if found[0] == "bookTicker":
        return _live(listing, name, "book_ticker", STEP, partial(_book_ticker, listing, seed))
    if speed not in _EVERY[listing.market]:
        return None
    every = _EVERY[listing.market][speed]
    if levels:
        return _live(listing, name, "partial_depth", every, partial(_partial_depth, listing, seed, int(levels), every))
    return _live(listing, name, "depth", every, partial(_depth, listing, seed, every))


def _live(listing: Listing, name: str, kind: str, every: int, make: Callable[[int], Any]) -> Live:
    def framed(at: int) -> str | None:
        data = make(at)
        return None if data is None else text({"stream": name, "data": data})

    return Live(Series(listing.venue, listing.market, kind, listing.pair, name), every, framed)


def _symbol(listing: Listing) -> str:
    return listing.pair.replace("-", "")


def _book_ticker(listing: Listing, seed: int, at: int) -> dict[str, Any] | None:
    step = at // STEP
    now, was = book(listing, seed, step, 1), book(listing, seed, step - 1, 1)
    if [level[:2] for side in now for level in side] == [level[:2] for side in was for level in side]:
        return None
    price, quantity = writers(listing)
    (bid,), (ask,) = now
    best = {
        "u": last_update(at),
        "s": _symbol(listing),
        "b": price(bid.price),
        "B": quantity(bid.quantity),
        "a": price(ask.price),
        "A": quantity(ask.quantity),
    }
    if listing.market == "spot":
        return best
    return {"e": "bookTicker", **best, "T": at // _MILLISECOND, "E": at // _MILLISECOND}


def _partial_depth(listing: Listing, seed: int, levels: int, every: int, at: int) -> dict[str, Any]:
    found = book(listing, seed, at // STEP, levels)
    if listing.market == "usdm":
        return _update(listing, found, every, at)
    price, quantity = writers(listing)
    bids, asks = (written(side, price, quantity) for side in found)
    return {"lastUpdateId": last_update(at), "bids": bids, "asks": asks}


def _depth(listing: Listing, seed: int, every: int, at: int) -> dict[str, Any]:
    return _update(listing, changes(listing, seed, (at - every) // STEP, at // STEP), every, at)


def _update(listing: Listing, found: Book, every: int, at: int) -> dict[str, Any]:
    price, quantity = writers(listing)
    bids, asks = (written(side, price, quantity) for side in found)
    before, last, ms, symbol = last_update(at - every), last_update(at), at // _MILLISECOND, _symbol(listing)
    if listing.market == "spot":
        return {"e": "depthUpdate", "E": ms, "s": symbol, "U": before + 1, "u": last, "b": bids, "a": asks}
    head = {"e": "depthUpdate", "E": ms, "T": ms, "s": symbol, "U": before + _FIRST_OF_A_STEP, "u": last, "pu": before}
    return {**head, "b": bids, "a": asks, "ps": symbol, "st": 1}


def _kline(listing: Listing, seed: int, interval: str, at: int) -> dict[str, Any]:
    """At the end of an interval the closed candle; the next one speaks when there may be something in it."""
    start = opening(interval, at - 1)
    end = closing(interval, start)
    found = candle(listing, seed, start, end, at)
    told = words(listing, found)
    return {
        "e": "kline",
        "E": at // _MILLISECOND,
        "s": _symbol(listing),
        "k": {
            "t": start // _MILLISECOND,
            "T": end // _MILLISECOND - 1,
            "s": _symbol(listing),
            "i": interval,
            "f": found.first_id,
            "L": found.last_id,
            "o": told.open,
            "c": told.close,
            "h": told.high,
            "l": told.low,
            "v": told.volume,
            "n": found.trades,
            "x": at >= end,
            "q": told.amount,
            "V": told.bought,
            "Q": told.bought_amount,
            "B": "0",
        },
    }
