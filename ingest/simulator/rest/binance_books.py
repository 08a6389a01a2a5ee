"""Binance's books and candles over REST, as both markets tell them."""

from typing import Any

from ingest.simulator.books import STEP, book
from ingest.simulator.candles import INTERVALS, candle, closing, opening, words
from ingest.simulator.live.binance import last_update, writers
from ingest.simulator.live.stream import written
from ingest.simulator.rest.ask import Ask
from ingest.simulator.rest.binance import moments, pair, refuse


def depth(ask: Ask, name: str, count: int) -> dict[str, Any]:
    """The book, so many levels a side; there are no more than a thousand."""
    listing, seed = ask.made(name)
    price, quantity = writers(listing)
    bids, asks = (written(side, price, quantity) for side in book(listing, seed, ask.now // STEP, count))
    return {"lastUpdateId": last_update(ask.now), "bids": bids, "asks": asks}


def klines(ask: Ask, count: int) -> list[list[Any]]:
    """Candles that begin between two moments, the oldest first; without a start the last ones. The newest may be open still."""
    listing, seed = ask.made(pair(ask))
    interval = ask.query.get("interval")
    if not interval:
        refuse(-1102, "Mandatory parameter 'interval' was not sent, was empty/null, or malformed.")
    if interval not in INTERVALS or (interval == "1s" and listing.market != "spot"):
        refuse(-1120, "Invalid interval.")
    start, end = moments(ask)
    last = ask.now if end is None else min(end, ask.now)
    if start is None:
        first = opening(interval, last)
        for _ in range(count - 1):
            first = opening(interval, first - 1)
    else:
        first = opening(interval, start)
        first = first if first == start else closing(interval, first)
    rows: list[list[Any]] = []
    while first <= last and len(rows) < count:
        after = closing(interval, first)
        found = candle(listing, seed, first, after, ask.now)
        told = words(listing, found)
        prices = [told.open, told.high, told.low, told.close]
        takers = [found.trades, told.bought, told.bought_amount, "0"]
        rows.append([first // 1000, *prices, told.volume, after // 1000 - 1, told.amount, *takers])
        first = after
    return rows
