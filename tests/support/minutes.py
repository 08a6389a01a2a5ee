"""A table of minutes that a test writes as the stream would, commit by commit, and the job that makes bars of it."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ingest.landing import Files
from ingest.settings import settings
from jobs import bars
from jobs.runtime import lake as lakes
from jobs.runtime.frames import frame
from jobs.runtime.lease import Lease
from jobs.runtime.live import Live
from jobs.tables.bars import BARS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from tests.support.bars import Row, plain
from tests.support.bars import bars as made_of
from tests.support.tables import assert_rows, rows_of

KEY = MINUTE_AGGREGATES.key
SCHEMA = ", ".join(f"`{column.name}` {column.type}" for column in MINUTE_AGGREGATES.columns)
WIDTHS = ("5m", "1h", "1d")
WRITTEN = ("revision", "updated_at")


@dataclass
class Minutes:
    """The rows that are there, and the ways in which they change."""

    spark: SparkSession
    lake: Path
    rows: dict[tuple[Any, ...], Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lease = Lease(Files(self.lake), "stream", "test", ttl=3600)
        lease.renewed = lease.clock()
        self.live = Live(self.spark, lease.store, lease, MINUTE_AGGREGATES, f"{self.lake}/tables/minute_aggregates")
        self.live.open()

    def append(self, rows: Iterable[Row]) -> None:
        self.live.append(self._frame(self.take(rows)))

    def merge(self, rows: Iterable[Row]) -> None:
        """Rows that are there already are written over, as the stream corrects them."""
        self._frame(self.take(rows)).createOrReplaceTempView("corrected")
        keys = " AND ".join(f"t.{name} = s.{name}" for name in (*KEY, "year", "month"))
        self.live.sql(
            f"MERGE INTO delta.`{self.live.path}` t USING corrected s ON {keys}"
            " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )

    def overwrite(self, rows: Iterable[Row]) -> None:
        """The stream starts over: these are all."""
        self.rows.clear()
        self.live.overwrite(self._frame(self.take(rows)))

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

    # --- bars

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
        assert_rows(there, made_of(self.rows.values(), list(widths)), BARS.key)
        assert all(row["revision"] >= 1 and row["updated_at"] is not None for row in found)
