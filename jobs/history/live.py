"""What the live tables have of months that history has, or is to have."""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from jobs.history.files import Month
from jobs.runtime import changes
from jobs.runtime.changes import At
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.trades import TRADES
from jobs.transforms.feeds import Feed
from jobs.transforms.ranges import Mark, Range
from jobs.transforms.spans import partitions

OF_MONTH = ("venue", "market", "feed", "pair", "year", "month")
Ids = tuple[int, int]  # both included


def ids(spark: SparkSession, where: Place, months: Sequence[Month], at: At | None) -> Mapping[Month, Sequence[Ids]]:
    """The ids that the live table has of these months, as ranges."""
    if at is None or not months:
        return {}
    within = partitions((month.pair, month.year, month.month) for month in months)
    rows = changes.read(spark, where, TRADES.name, at).where(within)
    place = F.row_number().over(Window.partitionBy(*OF_MONTH).orderBy("trade_id"))
    runs = rows.select(*OF_MONTH, "trade_id", (F.col("trade_id") - place).alias("run")).groupBy(*OF_MONTH, "run")
    found: dict[Month, list[Ids]] = {}
    for row in keys(runs.agg(F.min("trade_id").alias("low"), F.max("trade_id").alias("high"))):
        found.setdefault(_month(TRADES.name, row), []).append((row["low"], row["high"]))
    return found


def worse(lost: Sequence[Ids]) -> str:
    """What is said of a month that lacks ids of the live table."""
    return f"the live table has {sum(high - low + 1 for low, high in lost)} ids that are not in it, such as {lost[0][0]}"


def ends(minutes: DataFrame, published: Sequence[Month]) -> Mapping[Feed, Sequence[Range]]:
    """Of each feed the ids of each month that the live table alone has, from the first to the last: so far as a neighbour need know."""
    told = minutes.groupBy(*OF_MONTH).agg(
        *(F.min("first_id").alias("low"), F.max("last_id").alias("high")),
        *(F.unix_micros(F.min("first_ts")).alias("first_ts"), F.unix_micros(F.max("last_ts")).alias("last_ts")),
    )
    there, found = set(published), dict[Feed, list[Range]]()
    for row in keys(told):
        if _month(TRADES.name, row) not in there:
            run = Range(row["low"], row["high"], Mark(row["low"], row["first_ts"]), Mark(row["high"], row["last_ts"]))
            found.setdefault(Feed(*(row[name] for name in OF_MONTH[:4])), []).append(run)
    return found


def live_minutes(spark: SparkSession, where: Place) -> DataFrame | None:
    """The live table of minutes, if there is one."""
    at = changes.there(spark, where, MINUTE_AGGREGATES.name)
    return None if at is None else changes.read(spark, where, MINUTE_AGGREGATES.name, at)


def _month(dataset: str, row: Row) -> Month:
    return Month(dataset, *(row[name] for name in OF_MONTH))
