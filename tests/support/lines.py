"""Landing lines and landing objects, built for a test: it names what it is about, the rest is filled in."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingest.envelope import Origin, head, line, object_key
from ingest.journal import event_text
from ingest.landing import Files
from ingest.spool.members import members

DAY = "2026-04-30"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: str, day: str = DAY) -> int:
    """`10:00:01` or `10:00:01.123456` of a day, in microseconds since 1970."""
    return (datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def moment(at: str, day: str = DAY) -> datetime:
    """The same as a time."""
    return EPOCH + timedelta(microseconds=micros(at, day))


@dataclass
class Collector:
    """Writes lines as one connection of a collector would: `seq` counts."""

    conn: str = "test-1-1"
    seqs: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def line(self, raw: Any, *, received: int, **said: Any) -> bytes:  # noqa: ANN401 - any JSON value; fields of an envelope
        """A line of Binance's spot aggregates unless told otherwise; `raw` is a text or a JSON value."""
        origin: dict[str, Any] = {
            "venue": "binance",
            "market": "spot",
            "channel": "trades",
            "kind": "agg_trade",
            "pair": "BTC-USDT",
            "stream": None,
            "source": "ws",
            "conn": self.conn,
        }
        origin |= said
        is_json = origin.pop("is_json", True)
        text = raw if isinstance(raw, bytes) else raw.encode() if isinstance(raw, str) else json.dumps(raw).encode()
        return line(head(Origin(**origin)), next(self.seqs), received * 1000, text, is_json=is_json)

    def aggregate(
        self,
        id_: int,
        at: str = "10:00:00",
        price: str = "100.00",
        quantity: str = "1.000",
        *,
        day: str = DAY,
        taker: str = "buy",
        fills: tuple[int, int] | None = None,
        late: float = 1.0,
        **said: Any,  # noqa: ANN401 - fields of an envelope
    ) -> bytes:
        """An aggregate of Binance; each of two trades, unless told otherwise; received `late` seconds after it happened."""
        ts = micros(at, day)
        first, last = fills or (2 * id_, 2 * id_ + 1)
        data = {"e": "aggTrade", "E": ts // 1000 + 1, "s": "BTCUSDT", "a": id_, "p": price, "q": quantity, "f": first, "l": last}
        data |= {"T": ts // 1000, "m": taker == "sell"}
        return self.line({"stream": "btcusdt@aggTrade", "data": data}, received=ts + int(late * 1_000_000), **said)

    def fill(
        self,
        id_: int,
        at: str = "10:00:00",
        price: str = "100.00",
        quantity: str = "1.000",
        *,
        day: str = DAY,
        taker: str = "buy",
        order_type: str | None = None,
        **said: Any,  # noqa: ANN401 - fields of an envelope
    ) -> bytes:
        """A single trade of Binance."""
        ts = micros(at, day)
        data = {"e": "trade", "E": ts // 1000 + 1, "s": "BTCUSDT", "t": id_, "p": price, "q": quantity, "T": ts // 1000}
        data |= {"m": taker == "sell"} | ({} if order_type is None else {"X": order_type})
        text = {"stream": "btcusdt@trade", "data": data}
        return self.line(text, received=ts + 1_000_000, **({"kind": "trade"} | said))

    def book(self, bid: str, at: str = "10:00:00", **said: Any) -> bytes:  # noqa: ANN401 - fields of an envelope
        """A snapshot of Binance with three levels a side, one apart."""
        bids, asks = (
            [[str(Decimal(bid) + step * sign), "1.5"] for step in range(start, start + 3)] for sign, start in ((-1, 0), (1, 1))
        )
        said = {"channel": "books", "kind": "book", "source": "rest", "stream": "/api/v3/depth?symbol=BTCUSDT&limit=3", **said}
        return self.line({"lastUpdateId": 7, "bids": bids, "asks": asks}, received=micros(at), **said)

    def candle(self, at: str = "10:00:00") -> bytes:
        """A closed minute of Binance."""
        start = micros(at) // 1000
        numbers = {"o": "1", "h": "1", "l": "1", "c": "1", "v": "1", "q": "1", "n": 1, "V": "1", "Q": "1"}
        raw = {"stream": "btcusdt@kline_1m", "data": {"k": {"t": start, "T": start + 59_999, "i": "1m", "x": True, **numbers}}}
        return self.line(raw, received=micros(at) + 61_000_000, channel="klines", kind="kline")

    def event(self, event: str, at: str = "10:00:00", **told: Any) -> bytes:  # noqa: ANN401 - the fields of an event
        """What a collector says of itself."""
        received = micros(at)
        raw = event_text(event, received * 1000, **told)
        return self.line(raw, received=received, channel="events", kind="control")

    def listing(self, *symbols: str, at: str = "00:00:07") -> bytes:
        """Binance's list of what it trades, all against USDT and in steps of a cent."""
        steps = [{"filterType": "PRICE_FILTER", "tickSize": "0.01"}]
        known = [{"symbol": f"{base}USDT", "baseAsset": base, "quoteAsset": "USDT", "status": "TRADING"} for base in symbols]
        said = {"channel": "events", "kind": "instruments", "pair": None, "source": "rest"}
        return self.line({"symbols": [symbol | {"filters": steps} for symbol in known]}, received=micros(at), **said)

    def bitso(self, ids: Sequence[int], at: str = "10:00:00", price: str = "1200000", *, day: str = DAY, late: int = 1) -> bytes:
        """Trades of Bitso in one frame, all at one time."""
        ts = micros(at, day)
        items = [{"i": id_, "a": "0.5", "r": price, "v": str(Decimal(price) / 2), "t": 0, "x": ts // 1000} for id_ in ids]
        frame = {"type": "trades", "book": "btc_mxn", "payload": items, "sent": ts // 1000 + 40}
        said = {"venue": "bitso", "kind": "trade", "pair": "BTC-MXN"}
        return self.line(frame, received=ts + late * 1_000_000, **said)


def put(
    lake: Path, lines: Sequence[bytes], *, day: str = DAY, venue: str = "binance", market: str = "spot", channel: str = "trades"
) -> str:
    """Land an object; its key."""
    key, data = landed(lines, day=day, venue=venue, market=market, channel=channel)
    Files(lake).create(key, data)
    return key


def landed(
    lines: Sequence[bytes],
    *,
    day: str = DAY,
    venue: str = "binance",
    market: str = "spot",
    channel: str = "trades",
    text_limit: int = 1_000_000,
) -> tuple[str, bytes]:
    """Key and bytes of an object. Its name tells its content, so equal lines are the same object."""
    text = b"".join(lines)
    key = object_key(
        channel=channel,
        venue=venue,
        market=market,
        day=day,
        first_recv_ns=micros("00:00:00", day) * 1000,
        collector="test",
        sha256=hashlib.sha256(text).hexdigest(),
    )
    return key, members(text, text_limit=text_limit)
