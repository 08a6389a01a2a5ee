"""Trades to minutes: the one definition of a minute's values."""

from collections.abc import Mapping, Sequence
from functools import cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.table import AMOUNT, PRICE, VOLUME
from jobs.transforms.feeds import offered

KEY = ("venue", "market", "feed", "pair", "minute")
TOLD = ("missing_trades", "is_complete", "revision", "updated_at")  # what the trades of the minute alone do not tell
VALUES = tuple(name for name in MINUTE_AGGREGATES.names if name not in (*KEY, *TOLD, "year", "month"))

SUMMED = {"volume": "", "quote_volume": "quote_"}


def minutes(trades: DataFrame, exchanges: Mapping[tuple[str, str], Exchange]) -> DataFrame:
    """One row a minute: the key and `VALUES`, exact, the same for a batch, a minute read again and a whole table."""
    is_buy = F.col("taker_side") == "buy"
    counted = trades.select(
        *("venue", "market", "feed", "pair"),
        F.date_trunc("minute", "ts").alias("minute"),
        *("trade_id", "price", "quantity", "quote_quantity", "ts", "first_id", "last_id"),
        is_buy.alias("is_buy"),
        F.when(counts_trades(exchanges), F.col("last_id") - F.col("first_id") + 1)
        .otherwise(F.lit(1).cast("BIGINT"))
        .alias("count"),
    )
    return counted.groupBy(*KEY).agg(*_sums()).select(*KEY, *(column.alias(name) for name, column in _values().items()))


@cache  # an expression is some hundred calls into the JVM, and every batch needs the same one
def _sums() -> Sequence[Column]:
    return (
        F.min_by("price", "trade_id").alias("open"),
        F.max("price").alias("high"),
        F.min("price").alias("low"),
        F.max_by("price", "trade_id").alias("close"),
        F.sum("count").alias("trades"),
        F.sum(F.when(F.col("is_buy"), F.col("count")).otherwise(0)).alias("buy_trades"),
        F.try_sum(F.when(F.col("is_buy"), F.col("quantity"))).alias("bought"),
        F.try_sum(F.when(~F.col("is_buy"), F.col("quantity"))).alias("sold"),
        F.try_sum(F.when(F.col("is_buy"), F.col("quote_quantity"))).alias("quote_bought"),
        F.try_sum(F.when(~F.col("is_buy"), F.col("quote_quantity"))).alias("quote_sold"),
        F.min("trade_id").alias("least_id"),
        F.max("trade_id").alias("greatest_id"),
        F.min("first_id").alias("least_first"),
        F.max("last_id").alias("greatest_last"),
        F.count("first_id").alias("told"),
        F.min("ts").alias("first_ts"),
        F.max("ts").alias("last_ts"),
        F.count(F.lit(1)).alias("ticks"),
    )


@cache
def _values() -> Mapping[str, Column]:
    """The sums as columns; the whole is what takers bought and what they sold, so that each row is added once."""
    # said by the counts: a sum is NULL also where it does not fit
    no_buys, no_sells = F.col("buy_trades") == 0, F.col("trades") == F.col("buy_trades")
    bought = {name: F.when(no_buys, F.lit(0)).otherwise(F.col(f"{prefix}bought")) for name, prefix in SUMMED.items()}
    sold = {name: F.when(no_sells, F.lit(0)).otherwise(F.col(f"{prefix}sold")) for name, prefix in SUMMED.items()}
    summed = {name: F.try_add(bought[name], sold[name]) for name in SUMMED}
    is_single = ~F.startswith("feed", F.lit("agg_trade"))
    tells = is_single | (F.col("told") == F.col("ticks"))
    first = F.when(is_single, F.col("least_id")).otherwise(F.col("least_first"))
    last = F.when(is_single, F.col("greatest_id")).otherwise(F.col("greatest_last"))
    values = {
        "open": F.col("open"),
        "high": F.col("high"),
        "low": F.col("low"),
        "close": F.col("close"),
        "vwap": quotient(summed["quote_volume"], summed["volume"]),
        "volume": summed["volume"].try_cast(VOLUME),
        "quote_volume": summed["quote_volume"].try_cast(AMOUNT),
        "trades": F.col("trades"),
        "buy_trades": F.col("buy_trades"),
        "buy_volume": bought["volume"].try_cast(VOLUME),
        "buy_quote_volume": bought["quote_volume"].try_cast(AMOUNT),
        "sell_trades": F.col("trades") - F.col("buy_trades"),
        "sell_volume": sold["volume"].try_cast(VOLUME),
        "sell_quote_volume": sold["quote_volume"].try_cast(AMOUNT),
        "avg_buy_price": quotient(bought["quote_volume"], bought["volume"]),
        "avg_sell_price": quotient(sold["quote_volume"], sold["volume"]),
        "first_id": F.col("least_id"),
        "last_id": F.col("greatest_id"),
        "first_trade_id": F.when(tells, first),
        "last_trade_id": F.when(tells, last),
        "first_ts": F.col("first_ts"),
        "last_ts": F.col("last_ts"),
        "ticks": F.col("ticks"),
    }
    assert tuple(values) == VALUES, "the values of a minute are not the columns of its table"
    return values


def quotient(amount: Column, quantity: Column) -> Column:
    """Half up to a price's ten decimals; NULL where nothing was traded or it does not fit."""
    return F.try_divide(amount.try_cast(AMOUNT), quantity.try_cast(VOLUME)).try_cast(PRICE)


def counts_trades(exchanges: Mapping[tuple[str, str], Exchange]) -> Column:
    """Do the aggregate's first and last id count the exchange's trades? Only where the market's ids allow it."""
    found = F.lit(False)
    for exchange in exchanges.values():
        for kind, feed in offered(exchange).items():
            if feed.counts_trades:
                of_kind = (F.col("feed") == kind) | F.startswith("feed", F.lit(f"{kind}."))
                found = found | ((F.col("venue") == exchange.venue) & (F.col("market") == exchange.market) & of_kind)
    return found
