"""Order books to fills: the one definition of what buying or selling an amount at once comes to."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.tables.fills import FILLS
from jobs.tables.table import AMOUNT, PRICE, VOLUME
from jobs.transforms.bars import percent
from jobs.transforms.minutes import quotient

KEY = FILLS.key
VALUES = tuple(name for name in FILLS.names if name not in (*KEY, "year", "month"))
WALKED = {"buy": "asks", "sell": "bids"}
BOOK = ("venue", "market", "pair", "recv_ts", "ts", "level", "mid", "state")
LEAST = "CAST(0.00000001 AS DECIMAL(8,8))"  # the smallest quantity: prices times it have the decimals of an amount
# what whole levels have left of the notional; `next`: the price of the level that is too much for it
STATE = f"STRUCT<left: {AMOUNT}, filled: {VOLUME}, levels: INT, worst: {PRICE}, next: {PRICE}>"


def fills(books: DataFrame, notionals: Iterable[Decimal]) -> DataFrame:
    """The rows of the table."""
    walks = [_walk(side, levels, amount) for amount in notionals for side, levels in WALKED.items()]
    walked = books.select(*BOOK, F.explode(F.array(*walks)).alias("of")).select(*BOOK, "of.*", "of.walked.*")
    # so the last level is taken in whole 0.00000001, without a quotient that is rounded before it is cut
    last = F.coalesce(F.expr(f"left - left % (next * {LEAST})"), F.lit(0).cast(AMOUNT))
    priced = walked.select("*", last.alias("last"), F.coalesce(F.try_divide(last, F.col("next")), F.lit(0)).alias("more"))
    is_more = F.col("more") > 0
    summed = priced.select(
        *BOOK,
        *("side", "notional", "is_asked"),
        (F.col("filled") + F.col("more")).try_cast(VOLUME).alias("filled"),
        (F.col("notional") - F.col("left") + F.col("last")).try_cast(AMOUNT).alias("cost"),
        (F.col("levels") + is_more.cast("INT")).alias("levels"),
        F.when(is_more, F.col("next")).otherwise(F.col("worst")).alias("worst_price"),
        ((F.col("left") == 0) | F.col("next").isNotNull()).alias("is_spent"),
    )
    is_full = F.coalesce(F.col("is_spent") & (F.col("levels") > 0), F.lit(False))
    is_cut = ~is_full & F.coalesce(F.col("is_asked") & F.col("levels").isNotNull(), F.lit(False))
    average = summed.select(
        "*", quotient(F.col("cost"), F.col("filled")).alias("average_price"), is_full.alias("is_full"), is_cut.alias("is_cut")
    )
    dearer = F.col("average_price") - F.col("mid")
    worse = F.when(F.col("side") == "buy", dearer).otherwise(-dearer)
    made = {"slippage_pct": percent(worse, F.col("mid")), "year": F.year("recv_ts"), "month": F.month("recv_ts")}
    return average.select(*(made.get(name, F.col(name)).alias(name) for name in FILLS.names))


def _walk(side: str, levels: str, notional: Decimal) -> Column:
    """What the levels come to that are taken whole; NULL where the book is crossed. May it be that no more were asked for?"""
    amount = F.lit(f"{notional:f}").cast(AMOUNT)
    start = F.struct(
        amount.alias("left"),
        F.lit(0).cast(VOLUME).alias("filled"),
        F.lit(0).alias("levels"),
        F.lit(None).cast(PRICE).alias("worst"),
        F.lit(None).cast(PRICE).alias("next"),
    ).cast(STATE)
    return F.struct(
        F.lit(side).alias("side"),
        amount.alias("notional"),
        (F.size(levels) >= _asked()).alias("is_asked"),
        F.when(F.col("state") != "crossed", F.aggregate(levels, start, _step)).alias("walked"),
    )


def _asked() -> Column:
    """How many levels of a side may be all that were asked for; NULL: all were. Orders of one price are one level here."""
    level, levels = F.col("level"), F.col("levels")
    of_orders = F.when(levels.isNotNull(), 1)
    return F.when(level == 3, of_orders).otherwise(F.coalesce(levels, F.when(level == 1, 1)))  # noqa: PLR2004 - see the table


def _step(found: Column, level: Column) -> Column:
    """Take a level whole, or note its price and stop. What does not fit an amount is more than any notional."""
    cost = F.try_multiply(level["price"], level["quantity"])
    is_some = level["quantity"] > 0
    taken = F.struct(
        (found["left"] - cost).alias("left"),
        (found["filled"] + level["quantity"]).try_cast(VOLUME).alias("filled"),
        (found["levels"] + is_some.cast("INT")).alias("levels"),
        F.when(is_some, level["price"]).otherwise(found["worst"]).alias("worst"),
        found["next"].alias("next"),
    ).cast(STATE)
    stopped = F.struct(*(found[name].alias(name) for name in ("left", "filled", "levels", "worst")), level["price"].alias("next"))
    return F.when(found["next"].isNotNull(), found).when(cost <= found["left"], taken).otherwise(stopped.cast(STATE))


def compared(made: DataFrame, stood: DataFrame) -> DataFrame:
    """The fills that were made as the rows of the table, and those that stood and were not made again.

    `is_made`; `is_there`: did one stand? `is_changed`: is it, if one did, another one? Who was doubled by two writers is.
    """
    # a book that stands twice, until the stream has repaired it, is one key here
    new = made.dropDuplicates(list(KEY)).select(*KEY, F.struct(*VALUES).alias("is"))
    before = stood.groupBy(*KEY).agg(F.first(F.struct(*VALUES)).alias("was"), F.count(F.lit(1)).alias("copies"))
    both = new.join(before, on=list(KEY), how="full_outer")
    is_same = (F.col("copies") == 1) & F.col("is").eqNullSafe(F.col("was"))
    told = {**{name: F.col(f"is.{name}") for name in VALUES}, "year": F.year("recv_ts"), "month": F.month("recv_ts")}
    return both.select(
        *(told.get(name, F.col(name)).alias(name) for name in FILLS.names),
        F.col("is").isNotNull().alias("is_made"),
        F.col("copies").isNotNull().alias("is_there"),
        (~F.coalesce(is_same, F.lit(False))).alias("is_changed"),
    )


def partition_counts(compared: DataFrame) -> DataFrame:
    """Of each partition: how many were made, written, put in the place of another one, taken away; of those written, cut and unfit."""
    is_written = F.col("is_made") & F.col("is_changed")
    is_unfit = F.col("slippage_pct").isNull() & F.col("average_price").isNotNull() & F.col("mid").isNotNull()
    counted = {
        "fills": F.col("is_made"),
        "written": is_written,
        "replaced": is_written & F.col("is_there"),
        "removed": ~F.col("is_made"),
        "cut": is_written & F.col("is_cut"),
        "unfit": is_written & is_unfit,
    }
    counts = (F.count_if(column).alias(name) for name, column in counted.items())
    return compared.groupBy(*FILLS.partitioned_by).agg(*counts)


def texts(notionals: Iterable[Decimal]) -> Sequence[str]:
    """The same amounts are the same texts, however and in whichever order a person writes them."""
    return [f"{amount.normalize():f}" for amount in sorted(notionals)]
