"""Bitso over REST, below /bitso/spot."""

import re
from datetime import UTC, datetime
from typing import NoReturn

from ingest.simulator.books import DEPTH, STEP, Level, Side
from ingest.simulator.books import book as made_book
from ingest.simulator.listings import writer
from ingest.simulator.live.bitso import EVERY, number, order
from ingest.simulator.rest.ask import Ask, Endpoint, RefusedError, Reply, told

REQUESTS_A_MINUTE = 60
_DEFAULT, _MOST, _TOP = 25, 100, 50


def refusal(code: str, reason: str, status: int = 400) -> Reply:
    """Why, in the venue's way."""
    return told({"success": False, "error": {"code": code, "message": reason}}, status)


def refuse(code: str, reason: str) -> NoReturn:
    """Say why."""
    raise RefusedError(refusal(code, reason))


def book(ask: Ask) -> str:
    """The pair of the book that was asked for."""
    name = ask.query.get("book")
    if not name:
        refuse("0303", "Required field missing: book")
    if name not in ask.symbols:
        refuse("0301", f"Unknown OrderBook {name}")
    return ask.symbols[name]


def moment(at: int) -> str:
    """Microseconds since 1970 as REST writes them here: whole seconds."""
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m-%dT%H:%M:%S}.000+00:00"


def _trades(ask: Ask) -> Reply:
    """`marker` asks for what comes after that id in the order asked for: older ones, or with `sort=asc` newer ones."""
    feed = ask.series(book(ask), "trade")
    marker, limit, order = ask.query.get("marker"), ask.query.get("limit", str(_DEFAULT)), ask.query.get("sort", "desc")
    if not re.fullmatch(r"\d{1,3}", limit) or not 0 < int(limit) <= _MOST or order not in ("asc", "desc"):
        refuse("0320", "Invalid pagination parameters")
    if marker is not None and not re.fullmatch(r"\d{1,19}", marker):
        refuse("0321", f"Incorrect TID {marker}")
    if order == "asc":
        found = ask.past.since(feed, 0 if marker is None else int(marker) + 1, int(limit), ask.now)
    else:
        found = ask.past.newest(feed, int(limit), ask.now, below=None if marker is None else int(marker))[::-1]
    rows = [
        {
            "book": ask.query["book"],
            "created_at": moment(trade.ts),
            "amount": trade.quantity,
            "maker_side": "sell" if trade.taker_side == "buy" else "buy",
            "price": trade.price,
            "tid": trade.trade_id,
        }
        for trade in found
    ]
    return told({"success": True, "payload": rows})


def _available_books(ask: Ask) -> Reply:
    rows = []
    for name, pair in ask.symbols.items():
        listing = ask.listings.get(pair)
        steps = {}
        if listing is not None:
            price, quantity = writer(listing.price_places, "trimmed"), writer(listing.quantity_places, "trimmed")
            steps = {
                "minimum_amount": quantity(listing.quantity // 100),
                "maximum_amount": quantity(10_000 * listing.quantity),
                "minimum_price": price(listing.price // 100),
                "maximum_price": price(100 * listing.price),
                "minimum_value": "10",
                "maximum_value": "10000000",
                "tick_size": price(1),
            }
        rows.append({"book": name, **steps})
    return told({"success": True, "payload": rows})


def _order_book(ask: Ask) -> Reply:
    """The book after the last message of `diff-orders`, whose number is a text here."""
    listing, seed = ask.made(book(ask))
    aggregate = ask.query.get("aggregate", "true")
    if aggregate not in ("true", "false"):
        refuse("0304", "Required field not valid: aggregate")
    is_whole = aggregate == "false"
    price, quantity = writer(listing.price_places, "trimmed"), writer(listing.quantity_places, "trimmed")
    last = number(ask.now) * EVERY
    bids, asks = made_book(listing, seed, last // STEP, DEPTH if is_whole else _TOP)

    def told_side(side: Side, levels: list[Level]) -> list[dict[str, str]]:
        rows = [{"book": ask.query["book"], "price": price(level.price), "amount": quantity(level.quantity)} for level in levels]
        return [{**row, "oid": order(side, level)} for row, level in zip(rows, levels, strict=True)] if is_whole else rows

    payload = {
        "asks": told_side("ask", asks),
        "bids": told_side("bid", bids),
        "updated_at": moment(last),
        "sequence": str(number(last)),
    }
    return told({"success": True, "payload": payload})


ENDPOINTS = (
    Endpoint("/api/v3/trades", _trades),
    Endpoint("/v3/trades", _trades),
    Endpoint("/api/v3/order_book", _order_book),
    Endpoint("/v3/order_book", _order_book),
    Endpoint("/api/v3/available_books", _available_books),
    Endpoint("/v3/available_books", _available_books),
)
