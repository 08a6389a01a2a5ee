"""What the live tables have of months that history has, or is to have."""

from collections.abc import Collection, Mapping, Sequence

from pyspark.sql import DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from jobs.history.files import OF_MONTH, Month
from jobs.history.widths import number_sql
from jobs.runtime import changes
from jobs.runtime.changes import At
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.tables.klines import KLINES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.trades import TRADES
from jobs.transforms.feeds import Feed
from jobs.transforms.ranges import Mark, Range
from jobs.transforms.spans import partitions

Ids = tuple[int, int]  # both included


def ids(spark: SparkSession, where: Place, months: Sequence[Month], at: Mapping[str, At]) -> Mapping[Month, Sequence[Ids]]:
    """The ids that the live tables have of these months, of candles their numbers, as ranges."""
    found: dict[Month, list[Ids]] = {}
    for table in (TRADES, KLINES):
        mine = [month for month in months if month.dataset == table.name]
        if mine and table.name in at:
            rows = changes.read(spark, where, table.name, at[table.name]).where(
                partitions((m.pair, m.year, m.month) for m in mine)
            )
            for row in keys(_runs(rows, {month.feed for month in mine} if table is KLINES else None)):
                found.setdefault(_month(table.name, row), []).append((row["low"], row["high"]))
    return found


def _runs(rows: DataFrame, widths: Collection[str] | None) -> DataFrame:
    """`low` and `high` of ids without a break. `widths`: these are candles."""
    if widths is not None:
        number = " ".join(f"WHEN '{width}' THEN {number_sql(width)}" for width in sorted(widths))
        rows = (
            rows.withColumn("feed", F.col("width"))
            .withColumn("trade_id", F.expr(f"CASE width {number} END"))
            .where("trade_id >= 0")
        )
    place = F.row_number().over(Window.partitionBy(*OF_MONTH).orderBy("trade_id"))
    runs = rows.select(*OF_MONTH, "trade_id", (F.col("trade_id") - place).alias("run")).groupBy(*OF_MONTH, "run")
    return runs.agg(F.min("trade_id").alias("low"), F.max("trade_id").alias("high"))


def lacking(
    spark: SparkSession, where: Place, at: Mapping[str, At], rows: DataFrame, months: Sequence[Month]
) -> Mapping[Month, str]:
    """The months of trades of which the live table has ids that these rows have not, and what is said of that."""
    if TRADES.name not in at or not months:
        return {}
    within = partitions((month.pair, month.year, month.month) for month in months)
    there = changes.read(spark, where, TRADES.name, at[TRADES.name]).where(within).select(*OF_MONTH, "trade_id")
    lost = there.join(rows.select(*OF_MONTH[:4], "trade_id"), on=[*OF_MONTH[:4], "trade_id"], how="left_anti").groupBy(*OF_MONTH)
    told = {
        _month(TRADES.name, row): row for row in keys(lost.agg(F.count("trade_id").alias("ids"), F.min("trade_id").alias("one")))
    }
    return {month: _said(month, told[month]["ids"], told[month]["one"]) for month in months if month in told}


def worse(month: Month, lost: Sequence[Ids]) -> str:
    """What is said of a month that lacks what the live table has."""
    return _said(month, sum(high - low + 1 for low, high in lost), lost[0][0])


def _said(month: Month, count: int, one: int) -> str:
    what, such = ("ids", str(one)) if month.dataset == TRADES.name else ("candles", f"number {one}")
    return f"the live table has {count} {what} that are not in it, such as {such}"


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
