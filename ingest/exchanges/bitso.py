"""Bitso, spot. Evidence: docs/exchanges.md."""

import json
import re
from collections.abc import Callable, Sequence
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
    Told,
    Top,
    Upwards,
    fields,
)
from ingest.settings import PAIR

_BOOK = re.compile(r"[a-z0-9]+_[a-z0-9]+")


def _book(pair: str) -> str:
    """BTC-MXN -> btc_mxn."""
    if not PAIR.fullmatch(pair):
        raise ValueError(f"pair {pair!r}: BASE-QUOTE of A-Z and 0-9, such as BTC-MXN")
    return pair.lower().replace("-", "_")


def _pair(book: str) -> str:
    """btc_mxn -> BTC-MXN."""
    if not _BOOK.fullmatch(book):
        raise ValueError(f"book {book!r}: base_quote of a-z and 0-9, such as btc_mxn")
    return book.upper().replace("_", "-")


def _subscriptions(streams: Sequence[str]) -> Sequence[str]:
    """A message a stream: the venue takes no lists."""
    parts = [stream.partition(":") for stream in streams]
    messages = [{"action": "subscribe", "book": book, "type": channel} for channel, _, book in parts]
    return [json.dumps(message, separators=(",", ":")) for message in messages]


def _recognise(frame: Any) -> Seen:  # noqa: ANN401 - any JSON value
    if not isinstance(frame, dict):
        return Seen("unknown")
    if "action" in frame and "response" in frame:
        refused = frame["response"] != "ok"
        return Seen("control", error=f"{frame['action']}: {frame['response']}" if refused else None)
    type_, book, payload = frame.get("type"), frame.get("book"), frame.get("payload")
    if type_ == "ka":
        return Seen("control")
    if type_ == "trades" and isinstance(book, str) and isinstance(payload, list):
        ids = [item["i"] for item in payload if isinstance(item, dict) and type(item.get("i")) is int]
        sent = frame.get("sent")
        event_ms = sent if type(sent) is int else None
        return Seen("trade", f"trades:{book}", min(ids, default=None), max(ids, default=None), event_ms)
    if type_ in ("orders", "diff-orders") and isinstance(book, str):
        return _book_frame(frame, f"{type_}:{book}")
    return Seen("unknown")


def _book_frame(frame: dict[str, Any], stream: str) -> Seen:
    sent, number = frame.get("sent"), frame.get("sequence")
    event_ms = sent if type(sent) is int else None
    if stream.startswith("orders:"):
        return Seen("book", stream, event_ms=event_ms)
    number = number if type(number) is int else None
    return Seen("book_diff", stream, number, number, event_ms)


_PAGE = 100  # trades in a response at most
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ask(pair: str, low: int, high: int) -> str:
    """Upwards from an id, as many as the venue gives: how many trades there are between two ids nobody knows."""
    return _upwards(pair, low, high, _PAGE)


def _latest(pair: str) -> str:
    return f"/api/v3/trades?book={_book(pair)}&sort=desc&limit={_PAGE}"


def _upwards(pair: str, low: int, _high: int, most: int) -> str:
    return f"/api/v3/trades?book={_book(pair)}&sort=asc&limit={most}&marker={low - 1}"


def _told(body: Any) -> Sequence[Told]:  # noqa: ANN401 - any JSON value
    moments = [(item["tid"], datetime.fromisoformat(item["created_at"])) for item in body["payload"]]
    return [Told(int(number), (at - _EPOCH) // timedelta(milliseconds=1)) for number, at in moments]


def _read(body: Any, low: int, _high: int) -> Page:  # noqa: ANN401 - any JSON value
    if not isinstance(body, dict) or not isinstance(body.get("payload"), list):
        raise TypeError(f"no list of trades: {body!r:.200}")
    ids = [int(item["tid"]) for item in body["payload"]]  # a number or a text
    newest = max((datetime.fromisoformat(item["created_at"]) for item in body["payload"]), default=None)
    last_ms = None if newest is None else (newest - _EPOCH) // timedelta(milliseconds=1)
    return Page(ids, low, max(ids, default=low - 1), last_ms)


def _asked_book(pair: str, asked: Depth) -> Request:
    if asked.depth is not None or asked.level is not None:
        raise ValueError(f"{asked.depth or asked.level}: Bitso knows aggregate alone, true or false")
    aggregate = asked.aggregate is None or asked.aggregate
    return Request(f"/api/v3/order_book?book={_book(pair)}&aggregate={'true' if aggregate else 'false'}", 1)


def _traded(body: Any) -> Sequence[str]:  # noqa: ANN401 - any JSON value
    return [item["book"] for item in body["payload"]]


def _stream(channel: str) -> Callable[[str], str]:
    return lambda pair: f"{channel}:{pair.lower().replace('-', '_')}"


_FEEDS = {"trade": Feed("trade", "trades", _stream("trades"), dense=False)}
_ASIDE = {
    "book": Feed("book", "books", _stream("orders"), dense=False, ordered=False),
    "book_diff": Feed("book_diff", "diffs", _stream("diff-orders"), dense=True),  # each order; `sequence` counts the messages
}
_ORDER = "o d r t s a v"
_SHAPES = {
    "trade": (fields("", "type book payload sent"), fields("payload[]", "i a r v mo to t x")),
    "book": (
        fields("", "type book payload sent"),
        fields("payload", "bids asks"),
        fields("payload.bids[]", _ORDER),
        fields("payload.asks[]", _ORDER),
    ),
    "book_diff": (fields("", "type book sequence payload sent"), fields("payload[]", "o d r t s", "a v z")),
}

BITSO = Exchange(
    venue="bitso",
    market="spot",
    hosts=("wss://ws.bitso.com",),
    feeds=_FEEDS,
    aside=_ASIDE,
    limits=Limits(  # the venue documents none for its websocket; these are ours, and low
        streams_per_connection=50,
        messages_per_second=5,
        connections_per_5_minutes=60,
        connection_hours=None,
        ping_seconds=None,
    ),
    time_unit="s",  # REST tells whole seconds
    symbol=_book,
    pair=_pair,
    address=lambda host, streams: host,  # noqa: ARG005 - streams are asked for by message
    subscriptions=_subscriptions,
    recognise=_recognise,
    books={
        "ws": BookReading(Top("payload.bids", "payload.asks", "r"), "a", time="sent", level=3, levels=20),
        "rest": BookReading(
            Top("payload.bids", "payload.asks", "price"),
            "amount",
            sequence="payload.sequence",
            time="payload.updated_at",
            time_unit="iso",
        ),
    },
    listing=InstrumentReading(items="payload", symbol="book", tick_size="tick_size", min_notional="minimum_value"),
    shapes=_SHAPES,
    rest=Rest(
        hosts=("https://api.bitso.com",),
        budget=60,
        seconds=60,
        histories={"trade": History(_ask, _read, _latest, weight=1, upwards=Upwards(_upwards, _told, _PAGE))},
        book=_asked_book,
        resync=Depth(aggregate=False),
        instruments=Instruments(Request("/api/v3/available_books", 1), _traded),
    ),
    readings={
        ("trade", "ws"): Reading(
            trade_id="i",
            price="r",  # rate
            quantity="a",  # amount
            time="x",  # when it was traded
            event_time="sent",
            taker="t",  # the taker's side: 0 bought, 1 sold
            buy="0",
            sell="1",
            items="payload",
        ),
        ("trade", "rest"): Reading(
            trade_id="tid",
            price="price",
            quantity="amount",
            time="created_at",
            time_unit="iso",
            taker="maker_side",  # the maker's: where the maker sold, the taker bought
            buy="sell",
            sell="buy",
            items="payload",
        ),
    },
)
