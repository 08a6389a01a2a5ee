"""What the tables must hold: computed plainly from landing objects, with Decimal, dicts and sets. No Spark, nothing of the jobs.

`Oracle.batch` takes the objects of a batch, as the stream does; `trades`, `quarantine` and `minutes` are whole rows after it.
"""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import pairwise
from typing import Any

from ingest.exchanges import EXCHANGES
from ingest.settings import Epoch
from jobs.tables.quarantine import QUARANTINE
from jobs.tables.trades import TRADES
from tests.support.items import AMOUNT, Exchanges, Item, Key, items_of

SEEN = ("void", "not_market", "overflow")
SAME = ("price", "quantity", "taker_side", "ts")
HOUR = timedelta(hours=1)
VOLUME = Decimal(10) ** 22  # what no longer fits 30 digits with 8 decimals
RESET_IDS, RESET_RANGE = 100_000, 1_000
TradeRow = dict[str, Any]
QUARANTINE_NAMES = tuple(name for name in QUARANTINE.names if name != "detail")


@dataclass
class Oracle:
    """The tables after some batches."""

    exchanges: Exchanges = field(default_factory=lambda: dict(EXCHANGES))
    epochs: Sequence[Epoch] = ()
    rows: dict[Key, dict[int, TradeRow]] = field(default_factory=dict)
    seen: dict[Key, set[int]] = field(default_factory=dict)
    quarantined: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)

    @property
    def trades(self) -> list[TradeRow]:
        """All of `trades`."""
        return [row for rows in self.rows.values() for row in rows.values()]

    @property
    def quarantine(self) -> list[dict[str, Any]]:
        """All of `quarantine`, but for the words of `detail`."""
        return list(self.quarantined.values())

    def minutes(self, *, open_too: bool = True) -> list[dict[str, Any]]:
        """All of `minute_aggregates` but `updated_at`, and 1 for every `revision` above 0."""
        return [
            minute
            for feed, rows in self.rows.items()
            for minute in minutes(rows.values(), self.seen.get(feed, set()), self.exchanges)
            if open_too or minute["revision"] > 0
        ]

    def batch(self, objects: Mapping[str, bytes]) -> dict[str, int]:
        """Take in the objects of a batch; what became of their items."""
        found = [
            item for key, data in objects.items() for item in items_of(key, gzip.decompress(data), self.exchanges, self.epochs)
        ]
        ends = {feed: self._ends(feed) for feed in {item.feed for item in found if item.reason is None and not item.is_control}}
        judged = [item._replace(reason="id_reset") if self._is_reset(item, ends) else item for item in found]
        told = dict.fromkeys(("items", "control", "trades", "duplicates", "conflicts", "quarantined"), 0) | {"items": len(found)}
        # an id that exists without a trade keeps trades of that id out, whichever came first in the batch
        for item in sorted(judged, key=lambda item: (item.reason not in SEEN, item.is_control or item.arrival[0] is None)):
            if item.is_control:
                told["control"] += 1
            elif item.reason is not None:
                told["quarantined"] += 1
                self._quarantine(item, item.reason)
        for item in sorted(
            (item for item in judged if item.reason is None and not item.is_control), key=lambda item: item.arrival
        ):
            told[self._traded(item)] += 1
        return told

    def _traded(self, item: Item) -> str:
        rows = self.rows.setdefault(item.feed, {})
        id_ = item.columns["trade_id"]
        if id_ not in rows and not (self._is_dense(item.feed) and id_ in self.seen.get(item.feed, ())):
            made = {"year": item.columns["ts"].year, "month": item.columns["ts"].month}
            rows[id_] = {name: (item.columns | made)[name] for name in TRADES.names}
            return "trades"
        if id_ in rows and all(rows[id_][name] == item.columns[name] for name in SAME):
            return "duplicates"
        self._quarantine(item, "conflict")
        return "conflicts"

    def _quarantine(self, item: Item, reason: str) -> None:
        columns = item.columns
        if reason in SEEN:
            self.seen.setdefault(item.feed, set()).add(columns["trade_id"])
        key = tuple(columns[name] for name in ("object", "line_sha256" if reason == "not_envelope" else "channel"))
        place = tuple(columns[name] for name in ("channel", "conn", "seq", "item"))
        day = datetime.fromisoformat(columns["object"].split("/dt=")[1][:10])
        told = dict.fromkeys(QUARANTINE_NAMES) | columns | {"reason": reason, "year": day.year, "month": day.month}
        self.quarantined.setdefault(key if reason == "not_envelope" else place, {name: told[name] for name in QUARANTINE_NAMES})

    def _is_dense(self, feed: Key) -> bool:
        exchange = self.exchanges[feed[:2]]
        return {**exchange.recorded, **exchange.feeds}[feed[2].partition(".")[0]].dense

    def _ends(self, feed: Key) -> list[tuple[int, datetime]]:
        """(Last id, time of the last trade) of each long run of ids that are there."""
        rows = self.rows.get(feed, {})
        found: list[tuple[int, datetime]] = []
        run: list[int] = []
        for id_ in [*sorted(rows.keys() | self.seen.get(feed, set())), None]:
            if run and id_ != run[-1] + 1:
                traded = [there for there in run if there in rows]
                if len(run) >= RESET_RANGE and traded:
                    found.append((run[-1], rows[traded[-1]]["ts"]))
                run = []
            run += [] if id_ is None else [id_]
        return found

    def _is_reset(self, item: Item, ends: Mapping[Key, list[tuple[int, datetime]]]) -> bool:
        if item.reason is not None or item.is_control or not self._is_dense(item.feed):
            return False
        id_, ts = item.columns["trade_id"], item.columns["ts"]
        return any(id_ < end - RESET_IDS and ts > last + HOUR for end, last in ends[item.feed])


def minutes(rows: Iterable[TradeRow], seen: set[int], exchanges: Exchanges) -> list[dict[str, Any]]:
    """The minutes of one feed's trades."""
    ordered = sorted(rows, key=lambda row: row["trade_id"])
    top = max(_minute(row["ts"]) for row in ordered)
    parts: dict[datetime, list[TradeRow]] = {}
    for row in ordered:
        parts.setdefault(_minute(row["ts"]), []).append(row)
    flags = _flags(ordered, seen)
    exchange = exchanges[ordered[0]["venue"], ordered[0]["market"]]
    feed = {**exchange.recorded, **exchange.feeds}[ordered[0]["feed"].partition(".")[0]]
    return [
        {name: here[0][name] for name in ("venue", "market", "feed", "pair")}
        | {"minute": minute, "year": minute.year, "month": minute.month, "revision": int(minute < top)}
        | _values(here, counts=feed.counts_trades)
        | {
            "missing_trades": sum(flags[row["trade_id"]][0] for row in here) if feed.dense else None,
            "is_complete": all(flags[row["trade_id"]][1] for row in here) if feed.dense else None,
        }
        for minute, here in parts.items()
    ]


def _minute(ts: datetime) -> datetime:
    return ts.replace(second=0, microsecond=0)


def _flags(ordered: Sequence[TradeRow], seen: set[int]) -> dict[int, tuple[int, bool]]:
    """Trade id -> (ids missing directly below it, is nothing missing on either side?). Outside of all trades nobody knows."""
    ids = [row["trade_id"] for row in ordered]
    below = {after: sum(id_ not in seen for id_ in range(before + 1, after)) for before, after in pairwise(ids)}
    above = dict(zip(ids, [*(below[id_] for id_ in ids[1:]), None], strict=True))
    return {id_: (below.get(id_, 0), below.get(id_) == 0 and above[id_] == 0) for id_ in ids}


def _values(here: Sequence[TradeRow], *, counts: bool) -> dict[str, Any]:
    """What a minute's own trades tell, in the order of their ids."""
    prices = [row["price"] for row in here]
    told = {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "first_id": here[0]["trade_id"],
        "last_id": here[-1]["trade_id"],
        "first_ts": min(row["ts"] for row in here),
        "last_ts": max(row["ts"] for row in here),
        "ticks": len(here),
        "first_trade_id": here[0]["trade_id"],
        "last_trade_id": here[-1]["trade_id"],
    }
    if here[0]["feed"].startswith("agg_trade"):
        told["first_trade_id"] = min(row["first_id"] for row in here)
        told["last_trade_id"] = max(row["last_id"] for row in here)
    for side, prefix in ((None, ""), ("buy", "buy_"), ("sell", "sell_")):
        mine = [row for row in here if side is None or row["taker_side"] == side]
        with localcontext(prec=60):  # Python rounds sums to 28 digits unless told otherwise
            volume = _fits(sum((row["quantity"] for row in mine), Decimal(0)), VOLUME)
            amount = _fits(sum((row["quote_quantity"] for row in mine), Decimal(0)), AMOUNT)
        told[f"{prefix}trades"] = sum(row["last_id"] - row["first_id"] + 1 if counts else 1 for row in mine)
        told[f"{prefix}volume"] = volume
        told[f"{prefix}quote_volume"] = amount
        told[f"avg_{prefix}price" if side else "vwap"] = quotient(amount, volume)
    return told


def _fits(value: Decimal, limit: Decimal) -> Decimal | None:
    return value if abs(value) < limit else None


def quotient(amount: Decimal | None, quantity: Decimal | None) -> Decimal | None:
    """Half up to 23 decimals (38 digits), then to ten (20 digits); None where nothing was traded or it does not fit."""
    if amount is None or not quantity:
        return None
    with localcontext(prec=120):
        whole = (amount / quantity).quantize(Decimal("1e-23"), ROUND_HALF_UP)
        found = whole.quantize(Decimal("1e-10"), ROUND_HALF_UP)
    return found if abs(whole) < Decimal(10) ** 15 and abs(found) < Decimal(10) ** 10 else None
