"""What Binance's two markets share over REST: parameters and their refusals, trades and aggregates as they are told."""

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, NoReturn

from ingest.simulator.listings import Listing, Series, writer
from ingest.simulator.rest.ask import Ask, RefusedError, Reply, told
from ingest.simulator.wire import Trade

DEFAULT, MOST = 500, 1000
_WHOLE = "^[0-9]{1,20}$"


def refuse(code: int, reason: str, status: int = 400) -> NoReturn:
    """Say why in the venue's way."""
    raise RefusedError(told({"code": code, "msg": reason}, status))


def pair(ask: Ask) -> str:
    """The pair of the symbol that was asked for."""
    if not ask.query.get("symbol"):
        refuse(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    symbol = ask.query["symbol"]
    if not re.fullmatch(r"[A-Z0-9_.-]{1,20}", symbol):
        refuse(-1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.")
    if symbol not in ask.symbols:
        refuse(-1121, "Invalid symbol.")
    return ask.symbols[symbol]


def whole(ask: Ask, name: str) -> int | None:
    """A parameter that is a whole number; None where it was not sent."""
    text = ask.query.get(name)
    if text is None:
        return None
    if not text:
        refuse(-1105, f"Parameter '{name}' was empty.")
    if not re.fullmatch(_WHOLE, text):
        refuse(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{_WHOLE}'.")
    return int(text)


def limit(ask: Ask, default: int = DEFAULT, most: int = MOST, *, cuts: bool) -> int:
    """How many rows; more than there may be are refused, or `cuts` down to what may be."""
    asked = whole(ask, "limit")
    if asked == 0 or (asked is not None and asked > most and not cuts):
        refuse(-1130, "Data sent for parameter 'limit' is not valid.")
    return default if asked is None else min(asked, most)


def weight(ask: Ask, default: int, steps: Sequence[tuple[int, int]], beyond: int) -> int:
    """What a request costs whose price depends on its limit: (up to, weight), and the weight beyond."""
    text = ask.query.get("limit", "")
    count = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else default
    return next((price for most, price in steps if count <= most), beyond)


def moments(ask: Ask) -> tuple[int | None, int | None]:
    """Start and end that were asked for, in market time; milliseconds or microseconds, as they have digits."""
    found: list[int | None] = []
    for name, rest in (("startTime", 0), ("endTime", 999)):
        value = whole(ask, name)
        found.append(value if value is None or value >= 10**14 else value * 1000 + rest)
    return found[0], found[1]


def aggregates(ask: Ask, count: int, oldest: int = 0) -> list[Trade]:
    """By id, else by time, else the newest; none that was traded before `oldest`."""
    feed = ask.series(pair(ask), "agg_trade")
    number, (start, end) = whole(ask, "fromId"), moments(ask)
    if number is not None:
        return _from(ask, feed, number, count, oldest)
    if start is not None:
        last = ask.now if end is None else end
        return list(islice(ask.past.between(feed, max(start, oldest), last, ask.now), count))
    if end is not None:
        later = next(ask.past.between(feed, end + 1, ask.now, ask.now), None)
        newest = ask.past.newest(feed, count, ask.now, below=later.trade_id if later else None)
        return [trade for trade in newest if trade.ts >= oldest]
    return ask.past.newest(feed, count, ask.now)


def trades(ask: Ask, count: int, oldest: int = 0) -> list[Trade]:
    """From an id on, else the newest; none that was traded before `oldest`."""
    feed = ask.series(pair(ask), "trade")
    number = whole(ask, "fromId")
    if number is None:
        return ask.past.newest(feed, count, ask.now)
    return _from(ask, feed, number, count, oldest)


def _from(ask: Ask, feed: Series, number: int, count: int, oldest: int) -> list[Trade]:
    """What is older than is told begins with the first that is told."""
    first = next(ask.past.between(feed, oldest, ask.now, ask.now), None) if oldest else None
    return ask.past.since(feed, max(number, first.trade_id) if first else number, count, ask.now)


def aggregate_rows(found: Iterable[Trade], *, is_spot: bool) -> list[dict[str, Any]]:
    """As both markets tell aggregates."""
    return [
        {
            "a": trade.trade_id,
            "p": trade.price,
            "q": trade.quantity,
            **({} if is_spot else {"nq": trade.quantity}),
            "f": trade.first_id,
            "l": trade.last_id,
            "T": trade.ts // 1000,
            "m": trade.taker_side == "sell",
            **({"M": True} if is_spot else {}),
        }
        for trade in found
    ]


def trade_rows(found: Iterable[Trade], *, is_spot: bool) -> list[dict[str, Any]]:
    """As both markets tell single trades."""
    return [
        {
            "id": trade.trade_id,
            "price": trade.price,
            "qty": trade.quantity,
            "quoteQty": value(trade.price, trade.quantity, 8 if is_spot else 2),
            "time": trade.ts // 1000,
            "isBuyerMaker": trade.taker_side == "sell",
            **({"isBestMatch": True} if is_spot else {"isRPITrade": False}),
        }
        for trade in found
    ]


def value(price: str, quantity: str, places: int) -> str:
    """Price times quantity, exactly, with at least so many decimal places."""
    text = f"{Decimal(price) * Decimal(quantity):f}"
    whole_part, _, rest = text.partition(".")
    return f"{whole_part}.{rest.rstrip('0').ljust(places, '0')}"


def limits(rows: Sequence[tuple[str, str, int, int]], factor: float | None) -> list[dict[str, Any]]:
    """The limits as the venue tells them, and as they are kept here: kind, interval, how many of it, and the limit."""
    times = 1.0 if factor is None else factor
    return [
        {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": max(1, int(most * times))}
        for kind, interval, number, most in rows
    ]


def filters(listing: Listing | None, notional: dict[str, Any]) -> list[dict[str, Any]]:
    """What an order has to fit; none for a recording, which does not tell."""
    if listing is None:
        return []
    price, quantity = writer(listing.price_places, "plain"), writer(listing.quantity_places, "plain")
    return [
        {"filterType": "PRICE_FILTER", "minPrice": price(1), "maxPrice": price(100 * listing.price), "tickSize": price(1)},
        {"filterType": "LOT_SIZE", "minQty": quantity(1), "maxQty": quantity(10**6 * listing.quantity), "stepSize": quantity(1)},
        notional,
    ]


def symbols_asked(ask: Ask) -> list[str]:
    """All, or those of `symbol` or `symbols`; each must be known."""
    asked = list(ask.symbols)
    if "symbol" in ask.query:
        asked = [ask.query["symbol"]]
    elif "symbols" in ask.query:
        try:
            asked = [str(name) for name in json.loads(ask.query["symbols"])]
        except (ValueError, TypeError):
            refuse(-1100, "Illegal characters found in parameter 'symbols'; a list such as [\"BTCUSDT\"] is legal.")
    if not all(name in ask.symbols for name in asked):
        refuse(-1121, "Invalid symbol.")
    return asked


def server_time(ask: Ask) -> Reply:
    """The market's clock."""
    return told({"serverTime": ask.now // 1000})


def ping(_ask: Ask) -> Reply:
    """It is there."""
    return told({})
