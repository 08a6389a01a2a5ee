"""Coinbase Exchange over REST, below /coinbase/spot."""

import re
import zlib
from typing import Any, NoReturn
from uuid import UUID

from ingest.simulator.books import DEPTH, STEP, Level, book
from ingest.simulator.listings import writer
from ingest.simulator.rest.ask import Ask, Endpoint, RefusedError, Reply, told
from ingest.simulator.wire import iso, sequence

REQUESTS_A_SECOND, BURST = 10, 15
_MOST = 1000


def refuse(reason: str, status: int = 400) -> NoReturn:
    """Say why in the venue's way."""
    raise RefusedError(told({"message": reason}, status))


def product(ask: Ask) -> str:
    """The product in the path."""
    if not ask.headers.get("user-agent"):
        refuse("User-Agent header is required.")
    if ask.path["product"] not in ask.symbols:
        refuse("NotFound", 404)
    return ask.path["product"]


def _whole(ask: Ask, name: str) -> int | None:
    text = ask.query.get(name)
    if text is not None and not re.fullmatch(r"\d{1,19}", text):
        refuse(f"{name} is invalid")
    return None if text is None else int(text)


def _trades(ask: Ask) -> Reply:
    """Newest first. `before` asks for newer trades and gets the newest of them, not those next to the cursor."""
    feed = ask.series(product(ask), "trade")
    limit, before, after = (_whole(ask, name) for name in ("limit", "before", "after"))
    if limit is not None and not 0 < limit <= _MOST:
        refuse("limit is invalid")
    found = ask.past.newest(feed, limit or _MOST, ask.now, below=after)
    rows = [
        {
            "trade_id": trade.trade_id,
            "side": "sell" if trade.taker_side == "buy" else "buy",  # the maker's
            "size": trade.quantity,
            "price": trade.price,
            "time": iso(trade.ts),
        }
        for trade in reversed(found)
        if before is None or trade.trade_id > before
    ]
    cursors = {"CB-BEFORE": str(rows[0]["trade_id"]), "CB-AFTER": str(rows[-1]["trade_id"])} if rows else {}
    return told(rows, headers=cursors)


def _row(ask: Ask, pair: str) -> dict[str, object]:
    base, quote = pair.split("-")
    listing = ask.listings.get(pair)
    steps = {}
    if listing is not None:
        price, quantity = writer(listing.price_places, "plain"), writer(listing.quantity_places, "plain")
        steps = {"quote_increment": price(1), "base_increment": quantity(1)}
    return {
        "id": pair,
        "base_currency": base,
        "quote_currency": quote,
        **steps,
        "display_name": f"{base}/{quote}",
        "min_market_funds": "1",
        "status": "online",
        "status_message": "",
        "trading_disabled": False,
        "cancel_only": False,
        "post_only": False,
        "limit_only": False,
        "auction_mode": False,
    }


def _products(ask: Ask) -> Reply:
    return told([_row(ask, pair) for pair in ask.symbols.values()])


def _product(ask: Ask) -> Reply:
    return told(_row(ask, product(ask)))


def _time(ask: Ask) -> Reply:
    millis = ask.now // 1000
    return Reply(200, f'{{"iso":"{iso(ask.now)[:-4]}Z","epoch":{millis // 1000}.{millis % 1000:03d}}}'.encode())


def _book(ask: Ask) -> Reply:
    """Level 1: the best; 2: all, by price; 3: all, by order. Nobody but the sequence says how old it is."""
    pair, level = product(ask), ask.query.get("level", "1")
    if level not in ("1", "2", "3"):
        refuse("Invalid level")
    listing, seed = ask.made(pair)
    price, quantity = writer(listing.price_places, "plain"), writer(listing.quantity_places, "plain")
    step = ask.now // STEP
    bids, asks = book(listing, seed, step, 1 if level == "1" else DEPTH)
    last = ask.past.newest(ask.series(pair, "trade"), 1, ask.now)[-1]
    body: dict[str, Any] = {
        name: [[price(each.price), quantity(each.quantity), order(name, each) if level == "3" else 1] for each in side]
        for name, side in (("bids", bids), ("asks", asks))
    }
    body |= {"sequence": sequence(last.trade_id) + 1, "auction_mode": False, "auction": None, "time": iso(ask.now)}
    return told(body)


def order(side: str, level: Level) -> str:
    """The id of the one order that makes a level."""
    return str(UUID(int=zlib.crc32(side.encode()) << 96 | level.price << 48 | level.since))


ENDPOINTS = (
    Endpoint("/time", _time),
    Endpoint("/products", _products),
    Endpoint("/products/{product}", _product),
    Endpoint("/products/{product}/trades", _trades),
    Endpoint("/products/{product}/book", _book),
)
