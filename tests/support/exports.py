"""A lake whose tables a test writes, the job that exports them, and a warehouse (DuckDB) that takes in what the job tells it."""

import argparse
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from pyspark.sql import SparkSession

from ingest.settings import settings
from jobs import export
from jobs.exports import redshift
from jobs.runtime import lake as lakes
from jobs.tables import TABLES
from jobs.tables.trades import TRADES
from tests.support.lines import moment
from tests.support.written import Row

NOON = moment("12:00:00", "2026-05-02")  # the last day that is over: the first of May


@dataclass
class Shop:
    """The lake, and what is exported of it."""

    spark: SparkSession
    lake: Path

    def run(self, layout: str, now: datetime = NOON, **chosen: Any) -> Mapping[str, Any]:  # noqa: ANN401 - options
        """The job, once."""
        told = settings({"lake": str(self.lake), "ingest": {"collector": "test"}})
        options = {"layout": layout, "table": None, "pair": None, "since": None, "until": None} | chosen
        return export.run(told, lakes.place(told.lake), argparse.Namespace(**options), now)

    def files(self, below: str) -> dict[str, bytes]:
        """All that lies there, by path."""
        folder = self.lake / "exports" / below
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    def names(self, below: str) -> list[str]:
        """The same without the digits that content makes."""
        return [re.sub(r"\.[0-9a-f]{12}\.", ".*.", name) for name in self.files(below)]


def trade(id_: int, at: str, price: str = "61000.5", *, day: str = "2026-05-01", **said: Any) -> Row:  # noqa: ANN401 - columns
    """A trade of 0.25 at that time."""
    ts = moment(at, day)
    told: Row = dict.fromkeys(TRADES.names) | {"venue": "binance", "market": "spot", "feed": "trade", "pair": "BTC-USDT"}
    told |= {"trade_id": id_, "price": Decimal(price), "quantity": Decimal("0.25"), "quote_quantity": Decimal(price) / 4}
    told |= {"taker_side": "buy", "ts": ts, "recv_ts": ts, "source": "ws", "object": "landing/x", "conn": "a-1-1", "seq": id_}
    return told | {"item": 0, "year": ts.year, "month": ts.month} | said


class Warehouse:
    """Tables as Redshift has them. COPY is read here from its manifest, as nothing else knows it; the rest runs as it is."""

    def __init__(self) -> None:
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        self.db.execute(redshift.script())

    def take(self, sql: str) -> None:
        """A script; where it fails, nothing of it has happened."""
        copy = re.compile(r"COPY (\S+) FROM '([^']+)' IAM_ROLE DEFAULT FORMAT AS PARQUET MANIFEST;")
        sql = copy.sub(
            lambda told: f"INSERT INTO {told[1]} FROM read_parquet({_listed(Path(told[2]))}, hive_partitioning = false);", sql
        )
        sql = re.sub(r"CREATE TEMPORARY TABLE (\S+) \(LIKE (\S+)\);", r"CREATE TEMPORARY TABLE \1 AS FROM \2 LIMIT 0;", sql)
        try:
            self.db.execute(sql)
        except duckdb.Error:
            self.db.execute("ROLLBACK")
            raise

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        return sorted(self.db.execute(f'FROM {redshift.SCHEMA}."{name}"').fetchall(), key=str)


def _listed(manifest: Path) -> list[str]:
    """As COPY does: each file has to be there, of that length."""
    entries = json.loads(manifest.read_text())["entries"]
    for one in entries:
        assert one["mandatory"] is True
        assert Path(one["url"]).stat().st_size == one["meta"]["content_length"]
    return [one["url"] for one in entries]


def tuples(name: str, rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    """Rows as a warehouse gives them: times without a zone."""
    names = TABLES[name].names
    return sorted((tuple(_plain(row[column]) for column in names) for row in rows), key=str)


def _plain(value: Any) -> Any:  # noqa: ANN401 - what stands in a row
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def scaled(name: str, rows: Iterable[Row]) -> list[Row]:
    """Numbers with the decimals of their columns."""
    scales = {c.name: int(c.type[8:-1].split(",")[1]) for c in TABLES[name].columns if c.type.startswith("DECIMAL")}
    return [
        {k: v.quantize(Decimal(1).scaleb(-scales[k])) if k in scales and v is not None else v for k, v in row.items()}
        for row in rows
    ]
