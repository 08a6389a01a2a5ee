"""Where ids are absent: found from minutes, located in trades. A halt of the exchange told from a loss."""

from collections.abc import Sequence
from datetime import timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.tables.gaps import GAPS, HALT
from jobs.tables.quarantine import SEEN
from jobs.transforms.published import Month, is_published

SERIES = ("venue", "market", "feed", "pair")
NEIGHBOUR = ("first_id", "last_id", "last_ts", "minute")  # of the minute before


def with_neighbours(minutes: DataFrame, within: timedelta | None = None) -> DataFrame:
    """Minutes with the one before each, by ids; NULL where it is not among them. Two minutes may share ids; their first ids differ.

    `within`: so far back all minutes are among them. Of two that lie further apart nobody knows what lies between: NULL, too.
    """
    order = Window.partitionBy(*SERIES).orderBy("first_id")
    before = F.lag(F.struct(*NEIGHBOUR)).over(order)
    found = minutes.select(
        *SERIES, "minute", "first_id", "last_id", "first_ts", "missing_trades", "year", "month", before.alias("before")
    )
    if within is None:
        return found
    is_near = F.col("before.minute") >= F.col("minute") - F.lit(within)
    return found.withColumn("before", F.when(is_near, F.col("before")))


def found_before(edges: DataFrame, minutes: DataFrame) -> DataFrame:
    """Minutes of which the one before was not found, with it, however far away it lies; NULL still: the feed begins there."""
    there = minutes.select(*SERIES, F.struct(*NEIGHBOUR).alias("other"), F.col("first_id").alias("other_id"))
    known = F.broadcast(edges.drop("before"))
    joined = known.join(there, on=list(SERIES))  # each meets itself at least
    columns = [name for name in known.columns if name not in SERIES]
    nearest = F.max_by("other", F.expr("CASE WHEN other_id < first_id THEN other_id END")).alias("before")
    return joined.groupBy(*SERIES, *columns).agg(nearest).select(edges.columns)


def suspects(minutes: DataFrame, gaps: DataFrame | None) -> DataFrame:
    """Minutes that miss ids, and those next to one of these gaps; and from which id on those lie that tell what is absent.

    That is the first one of the minute before.
    """
    low, high = F.coalesce("before.first_id", "first_id").alias("low"), F.col("last_id").alias("high")
    told = minutes.select(*SERIES, low, high, "minute", F.col("before.minute").alias("before_minute"), "missing_trades")
    if gaps is None:
        return told.where("missing_trades > 0")
    bounds = F.broadcast(gaps.select(*SERIES, F.col("low").alias("from_id"), F.col("high").alias("to_id"))).alias("gaps")
    near = [F.col(f"gaps.{name}") == F.col(f"told.{name}") for name in SERIES]
    near += [F.col("told.low") <= F.col("to_id"), F.col("told.high") >= F.col("from_id")]
    beside = told.alias("told").join(bounds, on=near, how="left_semi")
    return told.where("missing_trades > 0").unionByName(beside)


def halts(minutes: DataFrame, after: timedelta, now: Column) -> DataFrame:
    """Rows of `gaps` for what is no gap: the ids, which are dense, go on, and the time jumps."""
    jump = F.col("first_ts") - F.col("before.last_ts")
    is_halt = (F.col("before.last_id") + 1 == F.col("first_id")) & (jump > F.lit(after))
    told = {
        "before_id": F.col("before.last_id"),
        "after_id": F.col("first_id"),
        "missing": F.lit(0),
        "before_ts": F.col("before.last_ts"),
        "after_ts": F.col("first_ts"),
        "detected_by": F.lit("minutes"),
        "state": F.lit(HALT),
        "repaired_rows": F.lit(0),
        "detected_at": now,
        "closed_at": now,
        "year": F.year("before.last_ts"),
        "month": F.month("before.last_ts"),
        **{name: F.col(name) for name in SERIES},
    }
    columns = [told.get(c.name, F.lit(None)).cast(c.type).alias(c.name) for c in GAPS.columns]
    return minutes.where(is_halt).select(*columns)


def borders(minutes: DataFrame, months: Sequence[Month]) -> DataFrame:
    """The first live minutes after history, where ids lie between: the stream knows of nothing before, so it misses none."""
    of_before = {"year": F.year("before.minute"), "month": F.month("before.minute")}
    told = minutes.where("before IS NOT NULL").withColumn("is_history", F.expr(is_published(months))).withColumns(of_before)
    is_first = ~F.col("is_history") & F.expr(is_published(months)) & (F.col("missing_trades") == 0)
    low, high = F.col("before.last_id") + 1, F.col("first_id") - 1
    ends = (F.col("before.last_id").alias("before_id"), F.col("before.last_ts").alias("before_ts"))
    after = (F.col("first_id").alias("after_id"), F.col("first_ts").alias("after_ts"))
    return told.where(is_first & (low <= high)).select(*SERIES, low.alias("low"), high.alias("high"), *ends, *after)


def present(trades: DataFrame, seen: DataFrame) -> DataFrame:
    """The ids that are there, each with its trade; voids and their like are, and are no trades."""
    there = trades.select(*SERIES, "trade_id", F.struct(F.col("trade_id").alias("id"), "ts").alias("trade"))
    others = seen.where(F.col("reason").isin(*SEEN) & F.col("trade_id").isNotNull())
    return there.unionByName(others.select(*SERIES, "trade_id", F.lit(None).cast(there.schema["trade"].dataType).alias("trade")))


def runs(present: DataFrame) -> DataFrame:
    """Ids that are absent one after the other between any two that are there."""
    order = Window.partitionBy(*SERIES).orderBy("trade_id")
    below = order.rowsBetween(Window.unboundedPreceding, -1)
    downwards = Window.partitionBy(*SERIES).orderBy(F.desc("trade_id"))
    above = downwards.rowsBetween(Window.unboundedPreceding, Window.currentRow)  # the same upwards is quadratic in Spark
    placed = present.select(
        *SERIES,
        (F.lag("trade_id").over(order) + 1).alias("low"),
        (F.col("trade_id") - 1).alias("high"),
        F.last("trade", ignorenulls=True).over(below).alias("before"),
        F.last("trade", ignorenulls=True).over(above).alias("after"),
    )
    ends = [F.col(f"{end}.{name}").alias(f"{end}_{name}") for end in ("before", "after") for name in ("id", "ts")]
    return placed.where("low <= high").select(*SERIES, "low", "high", *ends)


def ends(present: DataFrame) -> DataFrame:
    """The least and the greatest id of each feed."""
    return present.groupBy(*SERIES).agg(F.min("trade_id").alias("least"), F.max("trade_id").alias("greatest"))


def fillings(trades: DataFrame, gaps: DataFrame) -> DataFrame:
    """How many trades lie in each of these gaps, and where the one that came last is from."""
    last = F.max_by("source", F.struct("recv_ts", "trade_id")).alias("source")
    joined = trades.join(F.broadcast(gaps), on=list(SERIES)).where("trade_id BETWEEN low AND high")
    return joined.groupBy(*SERIES, "before_id").agg(F.count(F.lit(1)).alias("rows"), last)


def of_feeds(feeds: Sequence[tuple[str, ...]]) -> Column:
    """Is the row of one of these markets' kinds (venue, market, kind)?"""
    return F.struct("venue", "market", kind().alias("kind")).isin([F.struct(*map(F.lit, feed)) for feed in feeds])


def kind() -> Column:
    """The feed without its epoch."""
    return F.split("feed", r"\.")[0]
