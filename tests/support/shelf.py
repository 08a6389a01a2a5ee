"""Order books that a test writes, and the job that walks them."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ingest.settings import settings
from jobs import fills
from jobs.runtime import lake as lakes
from jobs.tables.fills import FILLS
from jobs.tables.order_books import ORDER_BOOKS
from tests.support.fills import fills as made_of
from tests.support.tables import assert_rows, rows_of
from tests.support.written import Written

KEY = ORDER_BOOKS.key
NOTIONALS = (50_000, 100_000)


@dataclass
class Shelf:
    """The books that are there, and the fills."""

    spark: SparkSession
    lake: Path

    def __post_init__(self) -> None:
        self.books = Written(self.spark, self.lake, ORDER_BOOKS)

    def run(self, *, rebuild: bool = False, notionals: Iterable[float] = NOTIONALS) -> Mapping[str, Any]:
        """The job, once."""
        told = settings(
            {"lake": str(self.lake), "ingest": {"collector": "test"}, "jobs": {"fills": {"notionals": list(notionals)}}},
        )
        return fills.run(told, lakes.place(told.lake), argparse.Namespace(rebuild=rebuild))

    @property
    def fills(self) -> DataFrame:
        return self.spark.read.format("delta").load(f"{self.lake}/tables/fills")

    @property
    def version(self) -> int:
        """Of the fills."""
        return max(int(path.stem) for path in (self.lake / "tables/fills/_delta_log").glob("*.json"))

    def check(self, notionals: Iterable[float] = NOTIONALS) -> None:
        """All fills are what all books say, in every column."""
        assert_rows(rows_of(self.fills), made_of(self.books.rows.values(), map(str, notionals)), FILLS.key)
