"""Tables of a few feeds written as the stream would, and the job that keeps the ledger of their holes."""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from ingest.landing import Files
from ingest.settings import settings
from jobs import gaps
from jobs.runtime import lake as lakes
from jobs.runtime.frames import frame
from jobs.runtime.lease import Lease
from jobs.runtime.live import Live
from jobs.tables import COLLECTOR_EVENTS, GAPS, MINUTE_AGGREGATES, QUARANTINE, TRADES
from jobs.tables.table import Table
from tests.support.lines import moment
from tests.support.oracle import minutes as minutes_of
from tests.support.tables import rows_of

Row = dict[str, Any]
Series = tuple[str, str, str, str]
SERIES = ("venue", "market", "feed", "pair")
BITCOIN: Series = ("binance", "spot", "trade", "BTC-USDT")
ETHER: Series = ("binance", "usdm", "agg_trade", "ETH-USDT")
MEXICO: Series = ("bitso", "spot", "trade", "BTC-MXN")
COINBASE: Series = ("coinbase", "spot", "trade", "BTC-USD")
BEGIN = moment("10:00:00")
NOW_OR_THEN = ("detected_at", "closed_at", "year", "month")  # what a clock has a say in


def time_of(id_: int) -> datetime:
    """A trade every ten seconds: ids tell the time."""
    return BEGIN + timedelta(seconds=10 * id_)


def trade(series: Series, id_: int, source: str = "ws", **said: Any) -> Row:  # noqa: ANN401 - columns
    """A trade of a feed."""
    ts = said.get("ts", time_of(id_))
    told: Row = {**dict.fromkeys(TRADES.names), **dict(zip(SERIES, series, strict=True)), "trade_id": id_, "source": source}
    told |= {"price": Decimal(100), "quantity": Decimal(1), "quote_quantity": Decimal(100), "taker_side": "buy", "ts": ts}
    told |= {"first_id": id_, "last_id": id_} if series[2].startswith("agg") else {}
    return told | {"recv_ts": ts, "object": "o", "conn": "c", "seq": id_, "item": 0, "year": ts.year, "month": ts.month} | said


def trades(series: Series, *ids: int, source: str = "ws", later: timedelta = timedelta(0)) -> list[Row]:
    """Some of them, at their times or later."""
    return [trade(series, id_, source, ts=time_of(id_) + later) for id_ in ids]


def event(series: Series, name: str, before: int | None, after: int | None, **said: Any) -> Row:  # noqa: ANN401 - columns
    """A hole as a collector tells it, with the ids that are missing where they are dense."""
    told: Row = {**dict.fromkeys(COLLECTOR_EVENTS.names), **dict(zip(SERIES, series, strict=True)), "channel": "events"}
    told |= {"event": name, "before_id": before, "after_id": after, "outcome": "ids" if name == "gap" else "repaired"}
    times = {"before_ts": None if before is None else time_of(before), "after_ts": None if after is None else time_of(after)}
    if before is not None and after is not None and after > before + 1 and series != MEXICO:
        told |= {"first_missing_id": before + 1, "last_missing_id": after - 1}
    at = said.get("at") or times["after_ts"] or times["before_ts"]
    told |= times | {"at": at, "recv_ts": at, "object": "o", "conn": "c", "item": 0, "source": "ws", "year": 2026, "month": 4}
    return told | said


@dataclass
class Tape:
    """What the tables hold."""

    spark: SparkSession
    lake: Path
    trades: dict[Series, dict[int, Row]] = field(default_factory=dict)
    seen: dict[Series, set[int]] = field(default_factory=dict)
    standing: dict[tuple[Any, ...], Row] = field(default_factory=dict)
    events: int = 0

    def __post_init__(self) -> None:
        self.lease = Lease(Files(self.lake), "stream", "test", ttl=3600)
        self.lease.renewed = self.lease.clock()
        self.live = {table.name: self._live(table) for table in (TRADES, QUARANTINE, MINUTE_AGGREGATES, COLLECTOR_EVENTS)}

    def _live(self, table: Table) -> Live:
        live = Live(self.spark, self.lease.store, self.lease, table, f"{self.lake}/tables/{table.name}")
        live.open()
        return live

    # --- what comes

    def take(self, *rows: Row) -> None:
        """These trades are committed, and the minutes follow."""
        for row in rows:
            self.trades.setdefault(tuple(row[name] for name in SERIES), {})[row["trade_id"]] = row
        self._append(TRADES, rows)
        self._minutes()

    def void(self, series: Series, *ids: int) -> None:
        """These ids are none of trades. The minutes follow with the next trades."""
        self.seen.setdefault(series, set()).update(ids)
        told = {**dict.fromkeys(QUARANTINE.names), **dict(zip(SERIES, series, strict=True)), "reason": "void"}
        self._append(QUARANTINE, [told | {"trade_id": id_, "year": 2026, "month": 4} for id_ in ids])

    def say(self, *rows: Row) -> None:
        """These events are committed."""
        self._append(COLLECTOR_EVENTS, [row | {"seq": number} for number, row in enumerate(rows, self.events)])
        self.events += len(rows)

    def _minutes(self) -> None:
        """The minutes that are closed, as the stream has them; written are those that differ."""
        exchanges = dict(EXCHANGES)
        made = {
            (*series, minute["minute"]): minute | {"updated_at": BEGIN}
            for series, rows in self.trades.items()
            for minute in minutes_of(rows.values(), self.seen.get(series, set()), exchanges)
            if minute["revision"]
        }
        changed = [row for key, row in made.items() if self.standing.get(key) != row]
        self.standing = made
        if changed:
            live = self.live[MINUTE_AGGREGATES.name]
            live.merge(self._frame(MINUTE_AGGREGATES, changed), "t.year = 2026")

    def _append(self, table: Table, rows: Iterable[Row]) -> None:
        self.live[table.name].append(self._frame(table, rows).coalesce(1))

    def _frame(self, table: Table, rows: Iterable[Row]) -> Any:  # noqa: ANN401 - a DataFrame
        schema = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
        plain = [[str(value) if isinstance(value, Decimal) else value for value in map(row.get, table.names)] for row in rows]
        return frame(self.spark, plain, schema)

    # --- the ledger

    def run(self, *, full: bool = False, **said: Any) -> Mapping[str, Any]:  # noqa: ANN401 - keys of `jobs.gaps`
        """The job, once."""
        told = settings({"lake": str(self.lake), "ingest": {"collector": "test"}, "jobs": {"gaps": said}})
        return gaps.run(told, lakes.place(told.lake), argparse.Namespace(full=full))

    @property
    def ledger(self) -> list[Row]:
        """All rows of `gaps`."""
        return rows_of(self.spark.read.format("delta").load(f"{self.lake}/tables/gaps"))

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of each row, by series and id."""
        ordered = sorted(self.ledger, key=lambda row: tuple(row[name] for name in GAPS.key))
        return [tuple(row[name] for name in columns) for row in ordered]

    @property
    def version(self) -> int:
        """Of the ledger."""
        return max(int(path.stem) for path in (self.lake / "tables/gaps/_delta_log").glob("*.json"))

    @property
    def published(self) -> dict[str, Any]:
        """`control/open-gaps.json`."""
        found: dict[str, Any] = json.loads((self.lake / "control/open-gaps.json").read_text())
        return found

    def missing(self) -> int:
        """As the minutes say."""
        return sum(row["missing_trades"] or 0 for row in self.standing.values())
