"""What a raw text means, by the exchange's readings, in plain Python: the oracle beside Spark's projection.

`rows(exchange, kind, source, raw)` gives one Row a trade, in the order of the text. All arithmetic is exact (Decimal, whole
microseconds). `reason` says why a row is no trade of the market; the numbers of such a row mean nothing.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from ingest.exchanges.exchange import Exchange, Reading, Source

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}


@dataclass(frozen=True)
class Row:
    """The columns of `trades` that come out of the text."""

    item: int
    feed: str
    trade_id: int
    first_id: int | None
    last_id: int | None
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    taker_side: str
    ts: datetime
    event_ts: datetime | None
    reason: str | None = None


def rows(exchange: Exchange, kind: str, source: Source, raw: str | bytes) -> list[Row]:
    """All rows of a text. An item that cannot be read is an error here: what Spark says of it has tests of its own."""
    reading = exchange.readings[kind, source]
    # numbers stay the texts they are, as in Spark, where every leaf of a path is read as a string
    top = json.loads(raw, parse_int=str, parse_float=str)
    items = [top] if reading.items is None else _at(top, reading.items)
    event = _at(top, reading.event_time) if reading.event_time else None
    event_ts = None if event is None else _time(event, "epoch")
    return [_row(exchange, reading, kind, place, item, event_ts) for place, item in enumerate(items)]


def _row(exchange: Exchange, reading: Reading, kind: str, place: int, item: Any, event_ts: datetime | None) -> Row:  # noqa: ANN401 - JSON
    price, quantity = Decimal(_at(item, reading.price)), Decimal(_at(item, reading.quantity))
    with localcontext(prec=60):  # Python rounds to 28 digits unless told otherwise
        amount = price * quantity
    first_id = _id(item, reading.first_id)
    row = Row(
        item=place,
        feed=kind,
        trade_id=int(_at(item, reading.trade_id)),
        first_id=first_id,
        last_id=_id(item, reading.last_id),
        price=price,
        quantity=quantity,
        quote_quantity=amount,
        taker_side={reading.buy: "buy", reading.sell: "sell"}[str(_at(item, reading.taker)).lower()],
        ts=_floor(_time(_at(item, reading.time), reading.time_unit), MICROSECONDS[exchange.time_unit]),
        event_ts=event_ts,
    )
    if reading.order_type is not None and _at(item, reading.order_type) not in (None, "MARKET"):
        return replace(row, reason="not_market")
    if price == 0 or first_id == -1:
        return replace(row, reason="void")
    return row


def _at(value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    for step in filter(None, path.split(".")):
        value = value.get(step)
    return value


def _id(item: Any, path: str | None) -> int | None:  # noqa: ANN401 - JSON
    return None if path is None else int(_at(item, path))


def _time(text: str, unit: str) -> datetime:
    """Milliseconds and microseconds are told apart by the number of digits."""
    if unit == "iso":
        return datetime.fromisoformat(text).astimezone(UTC)
    return EPOCH + timedelta(microseconds=int(text) * (1 if len(text) >= 16 else 1000))


def _floor(time: datetime, microseconds: int) -> datetime:
    whole = (time - EPOCH) // timedelta(microseconds=microseconds)
    return EPOCH + timedelta(microseconds=whole * microseconds)
