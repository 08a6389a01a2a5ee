"""Tables for the job that checks them: rows in which nothing is wrong, and the ways in which a test spoils one."""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingest.landing import Files
from ingest.settings import settings
from jobs import quality
from jobs.runtime import lake as lakes
from jobs.runtime.frames import frame
from jobs.runtime.lease import Lease
from jobs.runtime.live import Live
from jobs.tables import TABLES
from jobs.tables.reconciliation import RECONCILIATION
from jobs.tables.table import Table
from jobs.tables.trades import TRADES
from tests.support import bars, fills
from tests.support.lines import moment
from tests.support.project import HOME
from tests.support.tables import rows_of
from tests.support.written import plain

Row = dict[str, Any]
SUITES = HOME / "conf/expectations"


def trade(id_: int, at: str = "10:00:00", *, day: str, **said: Any) -> Row:  # noqa: ANN401 - columns
    """A trade of one unit at 100, in which nothing is wrong."""
    ts = moment(at, day)
    told: Row = dict.fromkeys(TRADES.names) | {"venue": "binance", "market": "spot", "feed": "trade", "pair": "BTC-USDT"}
    told |= {"trade_id": id_, "price": Decimal(100), "quantity": Decimal(1), "quote_quantity": Decimal(100), "taker_side": "buy"}
    told |= {"ts": ts, "recv_ts": ts + timedelta(seconds=1), "source": "ws", "object": "landing/x", "conn": "a-1-1", "seq": id_}
    return told | {"item": 0, "year": ts.year, "month": ts.month} | said


def minute(at: str, first: int, last: int, *, day: str, **said: Any) -> Row:  # noqa: ANN401 - columns
    """A minute in which nothing is wrong."""
    told = bars.minute(at, first, last, "100", "102", "99", "101", day=day)
    return told | {"vwap": Decimal(101)} | said


def book(at: str, *, day: str, **said: Any) -> Row:  # noqa: ANN401 - columns
    """A book in which nothing is wrong."""
    told = fills.book(at, ["99", "98 2"], ["101", "102 2"], day=day)
    told |= {"spread": Decimal(2), "spread_pct": Decimal("1.980198")}
    depths = {"10bp": 0, "50bp": 0, "100bp": 99}
    return told | {f"{side}_depth_{name}": Decimal(depth) for side in ("bid", "ask") for name, depth in depths.items()} | said


def verdict(at: str, word: str, *, day: str, **said: Any) -> Row:  # noqa: ANN401 - columns
    """A minute against its candle."""
    start = moment(f"{at}:00", day)
    told: Row = dict.fromkeys(RECONCILIATION.names) | {"venue": "binance", "market": "spot", "feed": "trade", "pair": "BTC-USDT"}
    return told | {"minute": start, "verdict": word, "revision": 1, "year": start.year, "month": start.month} | said


def levels(*texts: str) -> list[dict[str, Decimal]]:
    """A side of a book, as `fills.book` takes it."""
    return list(fills.book("00:00:00", texts, [])["bids"])


@dataclass
class Checked:
    """A lake, and the job that checks it."""

    spark: SparkSession
    lake: Path
    suites: Path = SUITES
    lives: dict[str, Live] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)

    def put(self, name: str, rows: Iterable[Row], **types: str) -> None:
        """Add rows to a table, which may have other types than it should."""
        table = TABLES[name]
        table = replace(table, columns=[replace(c, type=types.get(c.name, c.type)) for c in table.columns])
        live = self._live(table)
        schema = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
        live.append(frame(self.spark, plain(table, rows), schema).coalesce(1))

    def delete(self, name: str, condition: str) -> None:
        live = self.lives[name]
        live.sql(f"DELETE FROM delta.`{live.path}` WHERE {condition}")  # noqa: S608 - ours

    def _live(self, table: Table) -> Live:
        if table.name not in self.lives:
            lease = Lease(Files(self.lake), "stream", "test", ttl=3600)
            lease.renewed = lease.clock()
            live = Live(self.spark, lease.store, lease, table, f"{self.lake}/tables/{table.name}")
            live.open()
            self.lives[table.name] = live
        return self.lives[table.name]

    def expect(self, file: str, table: str, rows: str, *expectations: Row, **columns: str) -> None:
        """A file of expectations, in the place of those that are shipped."""
        told = {"name": file, "meta": {"table": table, "rows": rows, "columns": columns}, "expectations": expectations}
        (self.suites / f"{file}.json").write_text(json.dumps(told))

    def batch(self, query: str, id_: str, number: int, **told: Any) -> None:  # noqa: ANN401 - a record
        """The record of a batch of the stream."""
        file = self.lake / f"control/runs/{query}/{id_}-{number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"batch": number, "query": id_, **told}))

    def run(self, name: str, now: datetime, **chosen: Any) -> Mapping[str, Any]:  # noqa: ANN401 - options
        """The job, once."""
        told = settings({"lake": str(self.lake), "ingest": {"collector": "test"}})
        options = {"run": name, "since": None, "until": None, "table": None, "expectations": self.suites, **chosen}
        return quality.run(told, lakes.place(told.lake), argparse.Namespace(**options), now)

    def results(self, run: str) -> list[Row]:
        """All that a run has written."""
        found = self.spark.read.format("delta").load(f"{self.lake}/tables/quality_results")
        return rows_of(found.where(f"run = '{run}'"))
