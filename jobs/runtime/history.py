"""Live and history as one: a published month of a feed is read from history, every other one from the live table."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.runtime import changes
from jobs.runtime.changes import At, Untold
from jobs.runtime.frames import frame, keys
from jobs.runtime.lake import Place
from jobs.tables.klines import KLINES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.published import PUBLISHED
from jobs.tables.table import Table
from jobs.tables.trades import TRADES
from jobs.transforms import spans
from jobs.transforms.published import Month, is_live, is_published
from jobs.transforms.spans import Spans

NAME = PUBLISHED.name
TABLES = {table.name: table for table in (TRADES, MINUTE_AGGREGATES, KLINES)}  # of which there is history
FEEDS = {KLINES.name: "width"}  # what tells the series of a venue, a market and a pair apart, where it is not the feed


class Object(NamedTuple):
    """A published month, and what holds it."""

    month: Month
    object: str
    sha256: str


def objects(spark: SparkSession, where: Place, dataset: str, at: At | None) -> Sequence[Object]:
    """The published months of a table, at a version of `published`. None: there is none of that."""
    return () if at is None else _objects(spark, where, dataset, at)


@lru_cache(maxsize=16)  # each look at a table asks, `quality` once a day and table; what a version holds never changes
def _objects(spark: SparkSession, where: Place, dataset: str, at: At) -> Sequence[Object]:
    told = changes.read(spark, where, NAME, at).where(F.col("dataset") == dataset)
    rows = keys(told.select(*Month._fields, "object", "sha256").orderBy("object"))
    return tuple(Object(Month(*(row[name] for name in Month._fields)), row["object"], row["sha256"]) for row in rows)


def read(spark: SparkSession, where: Place, table: Table, found: Sequence[str]) -> DataFrame:
    """The rows of some objects of history, as those of the table."""
    reader = spark.read.schema(_schema(table)).option("basePath", f"{where.root}/history/{table.name}")
    return reader.parquet(*(f"{where.root}/{name}" for name in found)).select(*table.names)


def version(spark: SparkSession, where: Place) -> At | None:
    """The newest version of `published`; None: nothing has ever been."""
    return changes.there(spark, where, NAME)


def both(spark: SparkSession, where: Place, name: str, live: At | None, published: At | None) -> DataFrame:
    """All rows of a table: history in the place of the live rows of the months that are published."""
    table = TABLES[name]
    rows = None if live is None else changes.read(spark, where, name, live)
    there = objects(spark, where, name, published)
    if not there:
        return frame(spark, (), _schema(table)) if rows is None else rows
    months, feed = [one.month for one in there], FEEDS.get(name, "feed")
    history = read(spark, where, table, [one.object for one in there]).where(is_published(months, feed))
    return history if rows is None else rows.where(is_live(months, feed)).select(*table.names).unionByName(history)


def since(spark: SparkSession, where: Place, dataset: str, was: At, now: At) -> Spans:
    """Pair -> the minutes of the months that were published, withdrawn or replaced between two versions of `published`."""
    changes.check(where.store, NAME, was, now)
    if was == now:
        return {}
    try:
        before = {one.month: one.sha256 for one in objects(spark, where, dataset, was)}
    except PySparkException as error:
        raise Untold(f"version {was.version} of {NAME} cannot be read any more") from error
    after = {one.month: one.sha256 for one in objects(spark, where, dataset, now)}
    found: dict[str, list[spans.Span]] = {}
    for month in before.keys() | after.keys():
        if before.get(month) != after.get(month):
            found.setdefault(month.pair, []).append(spans.month(month.year, month.month))
    return {pair: spans.joined(all_) for pair, all_ in found.items()}


def _schema(table: Table) -> str:
    return ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
