"""A table of order books that a test writes as the stream would, commit by commit, and the job that walks them."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ingest.landing import Files
from ingest.settings import settings
from jobs import fills
from jobs.runtime import lake as lakes
from jobs.runtime.frames import frame
from jobs.runtime.lease import Lease
from jobs.runtime.live import Live
from jobs.tables.fills import FILLS
from jobs.tables.order_books import ORDER_BOOKS
from tests.support.fills import SCHEMA, Row, plain
from tests.support.fills import fills as made_of
from tests.support.tables import assert_rows, rows_of

KEY = ORDER_BOOKS.key
NOTIONALS = (50_000, 100_000)


@dataclass
class Shelf:
    """The books that are there, and the ways in which they change."""

    spark: SparkSession
    lake: Path
    rows: dict[tuple[Any, ...], Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lease = Lease(Files(self.lake), "stream", "test", ttl=3600)
        lease.renewed = lease.clock()
        self.live = Live(self.spark, lease.store, lease, ORDER_BOOKS, f"{self.lake}/tables/order_books")
        self.live.open()

    def append(self, rows: Iterable[Row]) -> None:
        self.live.append(self._frame(self.take(rows)))

    def merge(self, rows: Iterable[Row]) -> None:
        """Rows that are there already are written over. The log tells of no more than the files that held them."""
        self._frame(self.take(rows)).createOrReplaceTempView("corrected")
        keys = " AND ".join(f"t.{name} = s.{name}" for name in (*KEY, "year", "month"))
        self.live.sql(
            f"MERGE INTO delta.`{self.live.path}` t USING corrected s ON {keys}"
            " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )

    def overwrite(self, rows: Iterable[Row], pair: str | None = None) -> None:
        """As a repair does it, of a pair or of everything: these are all."""
        for key in [key for key, row in self.rows.items() if pair in (None, row["pair"])]:
            del self.rows[key]
        self.live.overwrite(self._frame(self.take(rows)), f"pair = '{pair}'" if pair else None)

    def delete(self, condition: str, keys: Iterable[tuple[Any, ...]]) -> None:
        self.live.sql(f"DELETE FROM delta.`{self.live.path}` WHERE {condition}")  # noqa: S608 - ours
        for key in keys:
            del self.rows[key]

    def optimize(self) -> None:
        """Move the rows of several files into one."""
        self.live.sql(f"OPTIMIZE delta.`{self.live.path}`")

    def take(self, rows: Iterable[Row]) -> list[Row]:
        """These are there, however they were written."""
        found = list(rows)
        self.rows |= {tuple(row[name] for name in KEY): row for row in found}
        return found

    def _frame(self, rows: Iterable[Row]) -> DataFrame:
        return frame(self.spark, plain(rows), SCHEMA).coalesce(1)

    # --- fills

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
        assert_rows(rows_of(self.fills), made_of(self.rows.values(), map(str, notionals)), FILLS.key)
