"""The lines of published files. A minute at a time, so that a month needs no more memory than a minute."""

from collections.abc import Callable, Iterator
from datetime import date

from ingest.simulator.candles import candle, closing, opening, words
from ingest.simulator.dumps.names import Dump
from ingest.simulator.listings import Listing, Style, writer
from ingest.simulator.ticks import MINUTE, Tick, ticks
from ingest.simulator.wire import fills

_MICROSECONDS_FROM = date(2025, 1, 1)  # spot's files tell microseconds since then
_HEADERS = {
    "trades": "id,price,qty,quote_qty,time,is_buyer_maker",
    "aggTrades": "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
    "klines": "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore",
}


def lines(dump: Dump, listing: Listing, seed: int) -> Iterator[str]:
    """The whole text, in pieces."""
    if dump.market != "spot":
        yield _HEADERS[dump.kind] + "\n"
    if dump.interval is not None:
        yield from _candles(dump, dump.interval, listing, seed)
        return
    make = _trades if dump.kind == "trades" else _aggregates
    for minute in range(dump.start // MINUTE, dump.end // MINUTE):
        yield "".join(make(dump, listing, ticks(listing, seed, minute)))


def _aggregates(dump: Dump, listing: Listing, happened: list[Tick]) -> Iterator[str]:
    price, quantity = _writers(listing)
    per, buy, sell = _unit(dump), *_ends(dump)
    for tick in happened:
        last = tick.first_fill + tick.fills - 1
        end = buy if tick.is_buy else sell
        yield f"{tick.number},{price(tick.price)},{quantity(tick.quantity)},{tick.first_fill},{last},{tick.at // per},{end}"


def _trades(dump: Dump, listing: Listing, happened: list[Tick]) -> Iterator[str]:
    price, quantity = _writers(listing)
    places = listing.price_places + listing.quantity_places
    amount = writer(places, "eight" if listing.market == "spot" and places <= 8 else "plain")  # noqa: PLR2004 - places that `eight` pads to
    per, buy, sell = _unit(dump), *_ends(dump)
    for tick in happened:
        price_text, end = price(tick.price), buy if tick.is_buy else sell
        for number, part in fills(tick):
            yield f"{number},{price_text},{quantity(part)},{amount(tick.price * part)},{tick.at // per},{end}"


def _candles(dump: Dump, interval: str, listing: Listing, seed: int) -> Iterator[str]:
    per, at = _unit(dump), opening(interval, dump.start)
    at = at if at == dump.start else closing(interval, at)
    while at < dump.end:
        end = closing(interval, at)
        found = candle(listing, seed, at, end, end)
        told = words(listing, found)
        prices = f"{told.open},{told.high},{told.low},{told.close}"
        yield (
            f"{at // per},{prices},{told.volume},{(end - 1) // per},{told.amount},{found.trades},{told.bought},{told.bought_amount},0\n"
        )
        at = end


def _unit(dump: Dump) -> int:
    return 1 if dump.market == "spot" and dump.day >= _MICROSECONDS_FROM else 1000


def _ends(dump: Dump) -> tuple[str, str]:
    """The end of a line where the taker bought, and where it sold."""
    return ("False,True\n", "True,True\n") if dump.market == "spot" else ("false\n", "true\n")


def _writers(listing: Listing) -> tuple[Callable[[int], str], Callable[[int], str]]:
    style: Style = "eight" if listing.market == "spot" else "plain"
    return writer(listing.price_places, style), writer(listing.quantity_places, style)
