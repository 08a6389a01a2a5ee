"""A table that a test writes as the stream would, commit by commit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ingest.landing import Files
from jobs.runtime.frames import frame
from jobs.runtime.lease import Lease
from jobs.runtime.live import Live
from jobs.tables.table import Table

Row = dict[str, Any]


@dataclass
class Written:
    """The rows that are there, and the ways in which they change."""

    spark: SparkSession
    lake: Path
    table: Table
    rows: dict[tuple[Any, ...], Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lease = Lease(Files(self.lake), "stream", "test", ttl=3600)
        lease.renewed = lease.clock()
        self.live = Live(self.spark, lease.store, lease, self.table, f"{self.lake}/tables/{self.table.name}")
        self.live.open()

    def append(self, rows: Iterable[Row]) -> None:
        self.live.append(self.frame(self.take(rows)))

    def merge(self, rows: Iterable[Row]) -> None:
        """Rows that are there already are written over. The log tells of no more than the files that held them."""
        self.live.merge(self.frame(self.take(rows)), "TRUE")

    def overwrite(self, rows: Iterable[Row], pair: str | None = None) -> None:
        """As a repair does it, of a pair or of everything: these are all."""
        for key in [key for key, row in self.rows.items() if pair in (None, row["pair"])]:
            del self.rows[key]
        self.live.overwrite(self.frame(self.take(rows)), f"pair = '{pair}'" if pair else None)

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
        self.rows |= {tuple(row[name] for name in self.table.key): row for row in found}
        return found

    def lose_log(self) -> None:
        """As Delta's own cleaning does it."""
        jvm: Any = self.spark._jvm
        jvm.org.apache.spark.sql.delta.DeltaLog.forTable(self.spark._jsparkSession, self.live.path).checkpoint()
        for number in range(self.live.version):
            (self.lake / f"tables/{self.table.name}/_delta_log/{number:020}.json").unlink()

    def frame(self, rows: Iterable[Row]) -> DataFrame:
        """One file of them."""
        return frame_of(self.spark, self.table, rows).coalesce(1)


def frame_of(spark: SparkSession, table: Table, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Rows of a table."""
    return frame(spark, plain(table, rows), ", ".join(f"`{column.name}` {column.type}" for column in table.columns))


def plain(table: Table, rows: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Their values as `frame` takes them: what is exact is a text."""
    return [tuple(_text(row[name]) for name in table.names) for row in rows]


def _text(value: Any) -> Any:  # noqa: ANN401 - what stands in a row
    if isinstance(value, list):
        return [{name: str(number) for name, number in level.items()} for level in value]
    return value if value is None or isinstance(value, datetime | int) else str(value)
