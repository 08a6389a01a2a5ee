"""Coinbase Exchange, spot. Evidence: docs/exchanges.md."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.exchanges.exchange import (
    BookReading,
    Depth,
    Exchange,
    Feed,
    History,
    InstrumentReading,
    Instruments,
    Limits,
    Page,
    Reading,
    Request,
    Rest,
    Seen,
    Time,
    Told,
    Top,
    Upwards,
    fields,
)
from ingest.settings import PAIR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _product(text: str) -> str:
    """The venue writes pairs as we do."""
    if not PAIR.fullmatch(text):
        raise ValueError(f"product {text!r}: BASE-QUOTE of A-Z and 0-9, such as BTC-USD")
    return text


_CHANNELS = {  # of a stream's name -> what is subscribed to
    "matches": ["matches", "heartbeat"],  # the venue may drop matches, and the heartbeat tells the last trade's id every second
    "level2_batch": ["level2_batch"],
}


def _subscriptions(streams: Sequence[str]) -> Sequence[str]:
    products: dict[str, list[str]] = {}
    for stream in streams:
        channel, _, product = stream.partition(":")
        products.setdefault(channel, []).append(product)
    messages = [
        {"type": "subscribe", "product_ids": found, "channels": _CHANNELS[channel]} for channel, found in products.items()
    ]
    return [json.dumps(message, separators=(",", ":")) for message in messages]


def _recognise(frame: Any) -> Seen:  # noqa: ANN401, PLR0911 - any JSON value; one case a type of frame
    if not isinstance(frame, dict):
        return Seen("unknown")
    type_, product = frame.get("type"), frame.get("product_id")
    if type_ in ("match", "last_match") and isinstance(product, str):
        number = _whole(frame.get("trade_id"))
        return Seen("trade", f"matches:{product}", number, number, _milliseconds(frame.get("time")))
    if type_ == "heartbeat" and isinstance(product, str):
        last = _whole(frame.get("last_trade_id"))
        at = _milliseconds(frame.get("time"))
        return Seen("control", f"heartbeat:{product}", last_id=last, event_ms=at, about=f"matches:{product}")
    if type_ in ("snapshot", "l2update") and isinstance(product, str):
        kind = "book" if type_ == "snapshot" else "book_diff"
        return Seen(kind, f"level2_batch:{product}", event_ms=_milliseconds(frame.get("time")))
    if type_ == "subscriptions":
        return Seen("control")
    if type_ == "error":
        return Seen("control", error=f"{frame.get('message')}: {frame.get('reason')}")
    return Seen("unknown")


def _whole(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    return value if type(value) is int else None  # isinstance would let true and false through


def _milliseconds(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    try:
        return (datetime.fromisoformat(value) - _EPOCH) // timedelta(milliseconds=1)
    except (TypeError, ValueError, OverflowError):
        return None


_PAGE = 1000  # trades in a response at most


def _ask(pair: str, low: int, high: int) -> str:
    """Newest first: what is below `after`, as many as are wanted."""
    return f"/products/{pair}/trades?limit={min(_PAGE, high - low + 1)}&after={high + 1}"


def _latest(pair: str) -> str:
    return f"/products/{pair}/trades?limit={_PAGE}"


def _upwards(pair: str, _low: int, high: int, most: int) -> str:
    """Newest first here, too; where some ids are absent, the answer goes on below the least one that is wanted."""
    return f"/products/{pair}/trades?limit={most}&after={high + 1}"


def _told(body: Any) -> Sequence[Told]:  # noqa: ANN401 - any JSON value
    return [
        Told(int(item["trade_id"]), (datetime.fromisoformat(item["time"]) - _EPOCH) // timedelta(milliseconds=1)) for item in body
    ]


def _read(body: Any, low: int, _high: int) -> Page:  # noqa: ANN401 - any JSON value
    if not isinstance(body, list):
        raise TypeError(f"no list of trades: {body!r:.200}")
    ids = [item["trade_id"] for item in body]
    newest = max((found for item in body if (found := _milliseconds(item["time"])) is not None), default=None)
    # what is above the newest of them proves nothing: REST may be a moment behind the stream
    return Page(ids, max(low, min(ids, default=low)), max(ids, default=low - 1), newest)


def _asked_book(pair: str, asked: Depth) -> Request:
    if asked.depth is not None or asked.aggregate is not None:
        raise ValueError(f"{asked.depth or asked.aggregate!r}: Coinbase knows level alone, 1 to 3")
    level = asked.level or 2
    if level not in (1, 2, 3):
        raise ValueError(f"level {level}: 1 the best, 2 a sum a price, 3 each order")
    return Request(f"/products/{pair}/book?level={level}", 1)


def _time(body: Any) -> int:  # noqa: ANN401 - any JSON value
    return (datetime.fromisoformat(body["iso"]) - _EPOCH) // timedelta(microseconds=1)  # `epoch` beside it is a float


def _traded(body: Any) -> Sequence[str]:  # noqa: ANN401 - any JSON value
    return [item["id"] for item in body if item["status"] == "online" and not item.get("trading_disabled")]


_FEEDS = {"trade": Feed("trade", "trades", lambda pair: f"matches:{pair}", dense=True)}
_ASIDE = {
    "book_diff": Feed(
        "book_diff", "diffs", lambda pair: f"level2_batch:{pair}", dense=False, ordered=False, also={"book": "books"}
    ),
}
_SHAPES = {
    "trade": (fields("", "type trade_id sequence maker_order_id taker_order_id time product_id size price side"),),
    "book": (fields("", "type product_id bids asks"),),
    "book_diff": (fields("", "type product_id time changes"),),
}
_MATCH = Reading(
    trade_id="trade_id",
    price="price",
    quantity="size",
    time="time",
    time_unit="iso",
    taker="side",  # the maker's: where the maker sold, the taker bought
    buy="sell",
    sell="buy",
)

COINBASE = Exchange(
    venue="coinbase",
    market="spot",
    hosts=("wss://ws-feed.exchange.coinbase.com",),
    feeds=_FEEDS,
    aside=_ASIDE,
    limits=Limits(
        streams_per_connection=100,  # ours: the venue names no number, and one connection should not carry everything
        messages_per_second=100,
        connections_per_5_minutes=2400,  # 8 a second
        connection_hours=None,
        ping_seconds=None,
    ),
    time_unit="us",
    symbol=_product,
    pair=_product,
    address=lambda host, streams: host,  # noqa: ARG005 - streams are asked for by message
    subscriptions=_subscriptions,
    recognise=_recognise,
    books={
        "ws": BookReading(Top("bids", "asks")),
        **dict.fromkeys(("rest", "adopted"), BookReading(Top("bids", "asks"), sequence="sequence", time="time", time_unit="iso")),
    },
    listing=InstrumentReading(
        items="",
        symbol="id",
        status="status",
        base="base_currency",
        quote="quote_currency",
        tick_size="quote_increment",
        lot_size="base_increment",
        min_notional="min_market_funds",
    ),
    shapes=_SHAPES,
    rest=Rest(
        hosts=("https://api.exchange.coinbase.com",),
        budget=10,
        seconds=1,
        histories={"trade": History(_ask, _read, _latest, weight=1, upwards=Upwards(_upwards, _told, _PAGE))},
        book=_asked_book,
        instruments=Instruments(Request("/products", 1), _traded),
        time=Time(Request("/time", 1), _time),
    ),
    readings={("trade", "ws"): _MATCH, ("trade", "rest"): replace(_MATCH, items="")},
)
