"""Landing lines to items in plain Python: what each line says, and why an item is no trade."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, cast

from ingest.exchanges.exchange import Exchange
from ingest.settings import Epoch
from tests.support.readings import Row, rows

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
PARTS = ("v", "channel", "venue", "market", "kind", "source", "conn", "seq", "recv_ns")
PAIR = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")
AMOUNT = Decimal(10) ** 20  # what no longer fits 38 digits with 18 decimals
Key = tuple[str, str, str, str]  # venue, market, feed, pair
Exchanges = Mapping[tuple[str, str], Exchange]


class Item(NamedTuple):
    """An item of a line."""

    columns: dict[str, Any]  # of `trades` and `quarantine`, as far as they are known
    reason: str | None = None  # why it is no trade
    is_control: bool = False

    @property
    def feed(self) -> Key:
        return cast("Key", tuple(self.columns[name] for name in ("venue", "market", "feed", "pair")))

    @property
    def arrival(self) -> tuple[Any, ...]:
        return tuple(self.columns[name] for name in ("recv_ts", "conn", "seq", "item", "object"))


def items_of(key: str, text: bytes, exchanges: Exchanges, epochs: Sequence[Epoch] = ()) -> Iterator[Item]:
    """All items of an object. A trade whose numbers cannot be read is an error here: those are tested line by line."""
    for line in text.splitlines():
        if b"".join(line.split()) not in (b"", b"[]"):  # what holds nothing is no line
            yield from _items(key, line.decode(), exchanges, epochs)


def _items(key: str, line: str, exchanges: Exchanges, epochs: Sequence[Epoch]) -> Iterator[Item]:
    columns: dict[str, Any] = {"object": key, "raw": line, "line_sha256": hashlib.sha256(line.encode()).hexdigest(), "item": 0}
    try:
        told = json.loads(line, parse_int=str, parse_float=str)
    except ValueError:
        told = {}
    columns |= {name: told.get(name) for name in ("venue", "market", "pair", "source", "conn")} | {"feed": told.get("kind")}
    columns["channel"] = told.get("channel") or key.split("/")[1].removeprefix("channel=")
    columns["seq"] = None if told.get("seq") is None else int(told["seq"])
    recv_ns = told.get("recv_ns")
    columns["recv_ts"] = None if recv_ns is None else BEGIN + timedelta(microseconds=int(recv_ns) // 1000)
    if told.get("kind") == "control":
        yield Item(columns, is_control=True)
        return
    reason, raw = _envelope(told, exchanges)
    if reason is not None:
        yield Item(columns, reason)
        return
    exchange = exchanges[told["venue"], told["market"]]
    found = rows(exchange, told["kind"], told["source"], raw)
    if not found:
        yield Item(columns, is_control=True)
    for row in found:
        named = columns | {name: value for name, value in asdict(row).items() if name != "reason"}
        named["feed"] = _feed(named, row, epochs)
        yield Item(named, _reason(row, columns["recv_ts"]))


def _envelope(told: Mapping[str, Any], exchanges: Exchanges) -> tuple[str | None, str]:
    """What is wrong with the envelope, and the raw text."""
    if any(told.get(part) is None for part in PARTS):
        return "not_envelope", ""
    if told["v"] != "1":
        return "version", ""
    if "raw_b64" in told:
        assert base64.b64decode(told["raw_b64"])
        return "not_utf8", ""
    raw = told.get("raw_text") or json.dumps(told["raw"])
    try:
        json.loads(raw)
    except ValueError:
        return "not_json", ""
    exchange = exchanges.get((told["venue"], told["market"]))
    if exchange is None or (told["kind"], told["source"]) not in exchange.readings:
        return "unreadable", ""
    return (None, raw) if PAIR.fullmatch(told.get("pair") or "") else ("pair", "")


def _reason(row: Row, recv_ts: datetime) -> str | None:
    if row.reason is not None:
        return row.reason
    if row.quote_quantity >= AMOUNT:
        return "overflow"
    return "future" if row.ts > recv_ts + timedelta(hours=1) else None


def _feed(columns: Mapping[str, Any], row: Row, epochs: Sequence[Epoch]) -> str:
    """The kind, with the number of the last epoch that began before the trade."""
    where = (columns["venue"], columns["market"], row.feed, columns["pair"])
    begun = [epoch for epoch in epochs if (epoch.venue, epoch.market, epoch.kind, epoch.pair) == where and row.ts >= epoch.since]
    return f"{row.feed}.{max(begun, key=lambda epoch: epoch.since).n}" if begun else row.feed
