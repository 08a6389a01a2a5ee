"""What was made of a derived table beside what stands in it: which rows are other ones now, and which are gone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from jobs.tables.table import Table
from jobs.transforms import spans

WRITTEN = ("revision", "updated_at")  # what the sources do not tell


def values(table: Table) -> Sequence[str]:
    """Its columns that are made of its sources."""
    return tuple(name for name in table.names if name not in (*table.key, *WRITTEN, "year", "month"))


def compared(table: Table, made: DataFrame, stood: DataFrame, now: datetime) -> DataFrame:
    """The rows that were made as the contract of the table, and those that stood and were not made again.

    `is_made`, and `is_changed`: is the row that stood (`was`, if one did) another one? Who was doubled by two writers is. The key's last
    column is the row's time.
    """
    names = values(table)
    before = stood.groupBy(*table.key).agg(
        F.max_by(F.struct(*names), "revision").alias("was"),
        F.max_by("updated_at", "revision").alias("was_updated_at"),
        F.max("revision").alias("was_revision"),
        F.count(F.lit(1)).alias("copies"),
    )
    both = made.select(*table.key, F.struct(*names).alias("is")).join(before, on=list(table.key), how="full_outer")
    is_same = (F.col("copies") == 1) & F.col("is").eqNullSafe(F.col("was"))
    flagged = both.select("*", F.col("is").isNotNull().alias("is_made"), (~F.coalesce(is_same, F.lit(False))).alias("is_changed"))
    told = {
        **{name: F.col(f"is.{name}") for name in names},
        "revision": F.coalesce("was_revision", F.lit(0).cast("BIGINT")) + F.col("is_changed").cast("BIGINT"),
        "updated_at": F.when(F.col("is_changed"), F.lit(now)).otherwise(F.col("was_updated_at")),
        "year": F.year(table.key[-1]),
        "month": F.month(table.key[-1]),
    }
    return flagged.select(*(told.get(name, F.col(name)).alias(name) for name in table.names), "is_made", "is_changed", "was")


def partition_counts(compared: DataFrame, table: Table, more: Mapping[str, Column]) -> DataFrame:
    """Of each partition: how many rows were written anew, how many taken away, and how many there are of which `more` is true."""
    is_made, is_changed = F.col("is_made"), F.col("is_changed")
    counted = {"written": is_made & is_changed, "removed": ~is_made, **more}
    counts = (F.count_if(column).alias(name) for name, column in counted.items())
    return compared.groupBy(*table.partitioned_by).agg(*counts)


def partitions(rows: Iterable[Row]) -> str:
    """A literal condition that names the partitions of those counts in which something changed; empty: in none."""
    return spans.partitions((row["pair"], row["year"], row["month"]) for row in rows if row["written"] or row["removed"])
