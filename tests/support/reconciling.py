"""Minutes and candles that a test writes as the stream would, and the job that compares them."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingest.settings import settings
from jobs import reconcile
from jobs.runtime import lake as lakes
from jobs.runtime.live import Live
from jobs.tables.klines import KLINES
from jobs.tables.reconciliation import RECONCILIATION
from tests.support.minutes import Minutes
from tests.support.reconciliation import Row, reconciled
from tests.support.tables import assert_rows, rows_of

SCHEMA = ", ".join(f"`{column.name}` {column.type}" for column in KLINES.columns)
WRITTEN = ("revision", "updated_at")


@dataclass
class Both:
    """The rows of both tables, the ways in which they change, and the job."""

    spark: SparkSession
    lake: Path
    minutes: Minutes = field(init=False)
    candles: dict[tuple[Any, ...], Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.minutes = Minutes(self.spark, self.lake)
        lease = self.minutes.live.lease
        self.live = Live(self.spark, lease.store, lease, KLINES, f"{self.lake}/tables/klines")
        self.live.open()

    def take(self, minutes: Iterable[Row], candles: Iterable[Row]) -> None:
        """These are there, however they were written."""
        self.minutes.take(minutes)
        self.candles |= {tuple(row[name] for name in KLINES.key): row for row in candles}

    def merge(self, candles: Iterable[Row]) -> None:
        """As the stream does it: the better copy takes the other's place."""
        found = list(candles)
        self.take([], found)
        rows = [tuple(row[name] for name in KLINES.names) for row in found]
        self.spark.createDataFrame(rows, SCHEMA).coalesce(1).createOrReplaceTempView("candles")
        keys = " AND ".join(f"t.`{name}` = s.`{name}`" for name in KLINES.key)
        self.live.sql(
            f"MERGE INTO delta.`{self.live.path}` t USING candles s ON {keys}"
            " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )

    def run(self, *, full: bool = False) -> Mapping[str, Any]:
        """The job, once."""
        told = settings({"lake": str(self.lake), "ingest": {"collector": "test"}})
        return reconcile.run(told, lakes.place(told.lake), argparse.Namespace(full=full))

    @property
    def version(self) -> int:
        """Of what the job writes."""
        return max(int(path.stem) for path in (self.lake / "tables/reconciliation/_delta_log").glob("*.json"))

    def rows(self) -> list[Row]:
        return rows_of(self.spark.read.format("delta").load(f"{self.lake}/tables/reconciliation"))

    def verdicts(self) -> dict[tuple[Any, ...], tuple[str, int]]:
        """And how often each was written."""
        return {tuple(row[name] for name in RECONCILIATION.key): (row["verdict"], row["revision"]) for row in self.rows()}

    def check(self) -> None:
        """All rows are what all minutes and candles say, in every column."""
        found = self.rows()
        assert all(list(row) == RECONCILIATION.names for row in found)
        there = [{name: value for name, value in row.items() if name not in WRITTEN} for row in found]
        assert_rows(there, reconciled(self.minutes.rows.values(), self.candles.values()), RECONCILIATION.key)
        assert all(row["revision"] >= 1 and row["updated_at"] is not None for row in found)
