"""Minutes that a test writes, and the job that makes bars of them."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ingest.settings import settings
from jobs import bars
from jobs.runtime import lake as lakes
from jobs.tables.bars import BARS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from tests.support.bars import bars as made_of
from tests.support.tables import assert_rows, rows_of
from tests.support.written import Written

KEY = MINUTE_AGGREGATES.key
WIDTHS = ("5m", "1h", "1d")
WRITTEN = ("revision", "updated_at")


@dataclass
class Chart:
    """The minutes that are there, and the bars."""

    spark: SparkSession
    lake: Path

    def __post_init__(self) -> None:
        self.minutes = Written(self.spark, self.lake, MINUTE_AGGREGATES)

    def run(self, *, full: bool = False, widths: Iterable[str] = WIDTHS) -> Mapping[str, Any]:
        """The job, once."""
        told = settings(
            {"lake": str(self.lake), "ingest": {"collector": "test"}, "jobs": {"bars": {"widths": list(widths)}}},
        )
        return bars.run(told, lakes.place(told.lake), argparse.Namespace(full=full))

    @property
    def bars(self) -> DataFrame:
        return self.spark.read.format("delta").load(f"{self.lake}/tables/bars")

    @property
    def version(self) -> int:
        """Of the bars."""
        return max(int(path.stem) for path in (self.lake / "tables/bars/_delta_log").glob("*.json"))

    def bar(self, *key: Any) -> dict[str, Any]:  # noqa: ANN401 - of any key's types
        """One of them."""
        (found,) = (row for row in rows_of(self.bars) if tuple(row[name] for name in BARS.key) == key)
        return found

    def told(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """When and how often each bar was written."""
        return {tuple(row[name] for name in BARS.key): tuple(row[name] for name in WRITTEN) for row in rows_of(self.bars)}

    def check(self, widths: Iterable[str] = WIDTHS) -> None:
        """All bars are what all minutes say, in every column."""
        found = rows_of(self.bars)
        assert all(list(row) == BARS.names for row in found)
        there = [{name: value for name, value in row.items() if name not in WRITTEN} for row in found]
        assert_rows(there, made_of(self.minutes.rows.values(), list(widths)), BARS.key)
        assert all(row["revision"] >= 1 and row["updated_at"] is not None for row in found)
