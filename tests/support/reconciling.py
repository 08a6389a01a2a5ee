"""Minutes and candles that a test writes, and the job that compares them."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingest.settings import settings
from jobs import reconcile
from jobs.runtime import lake as lakes
from jobs.tables.klines import KLINES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.reconciliation import RECONCILIATION
from tests.support.reconciliation import Row, reconciled
from tests.support.tables import assert_rows, rows_of
from tests.support.written import Written

WRITTEN = ("revision", "updated_at")


@dataclass
class Both:
    """The rows of both tables, and what is said of them."""

    spark: SparkSession
    lake: Path

    def __post_init__(self) -> None:
        self.minutes = Written(self.spark, self.lake, MINUTE_AGGREGATES)
        self.candles = Written(self.spark, self.lake, KLINES)

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
        assert_rows(there, reconciled(self.minutes.rows.values(), self.candles.rows.values()), RECONCILIATION.key)
        assert all(row["revision"] >= 1 and row["updated_at"] is not None for row in found)
