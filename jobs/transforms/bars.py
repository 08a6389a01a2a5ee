"""Minutes to bars: the one definition of a bar's values, and of when a bar is complete."""

import math
from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.tables.bars import BARS
from jobs.tables.table import AMOUNT, PERCENT, PRICE, VOLUME
from jobs.transforms.compared import values
from jobs.transforms.minutes import quotient
from jobs.transforms.ranges import MINUTE
from jobs.transforms.spans import Span, joined, widened

SERIES = ("venue", "market", "feed", "pair")
KEY = BARS.key
VALUES = values(BARS)
MONDAY = 4 * 24 * 60  # 5 January 1970: weeks begin on a Monday
REACH = 7 * 24 * 60  # minutes; what lies further away is not looked for, so that a change reaches no further either

SUMS = {
    **dict.fromkeys(("volume", "buy_volume", "sell_volume"), VOLUME),
    **dict.fromkeys(("quote_volume", "buy_quote_volume", "sell_quote_volume"), AMOUNT),
}


def bars(minutes: DataFrame, widths: Mapping[str, int]) -> DataFrame:
    """One row a bar: the key, `VALUES`, year and month. `widths`: of each, how many minutes it has."""
    known = F.array(*(F.struct(F.lit(name).alias("width"), F.lit(long).alias("long")) for name, long in widths.items()))
    spread = linked(minutes).select("*", F.explode(known).alias("of"))
    start = _number() - F.pmod(_number() - F.lit(MONDAY), F.col("of.long"))
    placed = spread.select("*", F.col("of.width").alias("width"), F.timestamp_micros(start * F.lit(MINUTE)).alias("start"))
    dated = {"year": F.year("start"), "month": F.month("start")}
    told = {**{name: F.col(name) for name in KEY}, **_values(), **dated}
    return placed.groupBy(*KEY).agg(*_sums()).select(*(told[name].alias(name) for name in (*KEY, *VALUES, *dated)))


def linked(minutes: DataFrame) -> DataFrame:
    """Minutes with `is_joined`: is the minute complete, and do its ids go on from those of its neighbours, without a break?

    That each row follows the last makes a minute without a row known to be empty: a row that is not there yet leaves a break.
    """
    order = Window.partitionBy(*SERIES).orderBy("minute")
    is_near = _number() - F.lag(_number()).over(order) <= REACH
    follows = F.coalesce(is_near & (F.lag("last_id").over(order) + 1 == F.col("first_id")), F.lit(False))
    following = minutes.select("*", follows.alias("follows"))
    is_followed = F.coalesce(F.lead("follows").over(order), F.lit(False))
    return following.select("*", (F.col("is_complete") & F.col("follows") & is_followed).alias("is_joined"))


def reached(spans: Iterable[Span], widths: Iterable[int]) -> Sequence[Span]:
    """The minutes of all bars that a change in these minutes may change, and of no part of a bar."""
    block = math.lcm(*widths)
    return joined((_floor(low - REACH, block), _floor(high + REACH, block) + block - 1) for low, high in spans)


def looked_at(spans: Iterable[Span]) -> Sequence[Span]:
    """The minutes that have a say in the bars of these minutes."""
    return widened(spans, REACH)


def _floor(minute: int, block: int) -> int:
    return minute - (minute - MONDAY) % block


def _number() -> Column:
    """The minute, counted since 1970."""
    return F.expr(f"unix_micros(minute) DIV {MINUTE}")


def _sums() -> Sequence[Column]:
    return (
        F.min_by("open", "first_id").alias("open"),
        F.max("high").alias("high"),
        F.min("low").alias("low"),
        F.max_by("close", "last_id").alias("close"),
        *(F.when(_all(name), F.try_sum(name)).try_cast(kind).alias(name) for name, kind in SUMS.items()),
        *(F.sum(name).alias(name) for name in ("trades", "buy_trades", "sell_trades", "ticks")),
        *(F.min(name).alias(name) for name in ("first_id", "first_ts")),
        *(F.max(name).alias(name) for name in ("last_id", "last_ts")),
        F.when(_all("first_trade_id"), F.min("first_trade_id")).alias("first_trade_id"),
        F.when(_all("last_trade_id"), F.max("last_trade_id")).alias("last_trade_id"),
        F.count(F.lit(1)).alias("minutes"),
        F.when(_all("missing_trades"), F.sum("missing_trades")).alias("missing_trades"),
        F.when(_all("is_complete"), F.bool_and("is_joined")).alias("is_complete"),
    )


def _all(name: str) -> Column:
    """Has every minute one? A sum over what is known alone would be one of something else."""
    return F.count(name) == F.count(F.lit(1))


def _values() -> Mapping[str, Column]:
    diff = (F.col("close") - F.col("open")).cast(PRICE)
    made = {
        "price_diff": diff,
        "price_change": percent(diff, F.col("open")),
        "vwap": quotient(F.col("quote_volume"), F.col("volume")),
        "avg_buy_price": quotient(F.col("buy_quote_volume"), F.col("buy_volume")),
        "avg_sell_price": quotient(F.col("sell_quote_volume"), F.col("sell_volume")),
    }
    return {name: made.get(name, F.col(name)) for name in VALUES}


def percent(part: Column, whole: Column) -> Column:
    """Half up to six decimals; NULL where the whole is 0 or it does not fit. By way of 23 decimals, as every quotient."""
    return F.try_divide((part * 100).cast("DECIMAL(38,20)"), whole).try_cast(PERCENT)


def counted() -> Mapping[str, Column]:
    """Of bars beside those that stood: what was made, and what of it was written and holds what does not fit."""
    unfit = F.col("vwap").isNull() | F.col("price_change").isNull()
    return {"bars": F.col("is_made"), "unfit": F.col("is_made") & F.col("is_changed") & unfit}
