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
# What the trades of a minute come to, and of which types: enough for its values, whoever adds them up.
SUMS = {
    **dict.fromkeys(("venue", "market", "feed", "pair"), "STRING"),
    "minute": "TIMESTAMP",
    **dict.fromkeys(("open", "high", "low", "close"), PRICE),
    **dict.fromkeys(("bought", "sold"), "DECIMAL(32,8)"),
    **dict.fromkeys(("quote_bought", "quote_sold"), AMOUNT),  # NULL where it does not fit
    **dict.fromkeys(("least_id", "greatest_id", "least_first", "greatest_last"), "BIGINT"),
    **dict.fromkeys(("first_ts", "last_ts"), "TIMESTAMP"),
    **dict.fromkeys(("ticks", "buy_ticks", "told", "spanned", "buy_spanned"), "BIGINT"),
}


def minutes(trades: DataFrame, exchanges: Mapping[tuple[str, str], Exchange]) -> DataFrame:
    """One row a minute: the key and `VALUES`, exact, the same for a batch, a minute read again and a whole table."""
    return valued(summed(trades), exchanges)


def summed(trades: DataFrame) -> DataFrame:
    """One row a minute: `SUMS`."""
    told = trades.select(
        *("venue", "market", "feed", "pair"),
        F.date_trunc("minute", "ts").alias("minute"),
        *("trade_id", "price", "quantity", "quote_quantity", "ts", "first_id", "last_id"),
        (F.col("taker_side") == "buy").alias("is_buy"),
        (F.col("last_id") - F.col("first_id") + 1).alias("span"),
    )
    return told.groupBy(*KEY).agg(*_sums())


@cache  # an expression is some hundred calls into the JVM, and every batch needs the same one
def _sums() -> Sequence[Column]:
    sums = {
        "open": F.min_by("price", "trade_id"),
        "high": F.max("price"),
        "low": F.min("price"),
        "close": F.max_by("price", "trade_id"),
        "bought": F.try_sum(F.when(F.col("is_buy"), F.col("quantity"))),
        "sold": F.try_sum(F.when(~F.col("is_buy"), F.col("quantity"))),
        "quote_bought": F.try_sum(F.when(F.col("is_buy"), F.col("quote_quantity"))),
        "quote_sold": F.try_sum(F.when(~F.col("is_buy"), F.col("quote_quantity"))),
        "least_id": F.min("trade_id"),
        "greatest_id": F.max("trade_id"),
        "least_first": F.min("first_id"),
        "greatest_last": F.max("last_id"),
        "first_ts": F.min("ts"),
        "last_ts": F.max("ts"),
        "ticks": F.count(F.lit(1)),
        "buy_ticks": F.count_if("is_buy"),
        "told": F.count("first_id"),
        "spanned": F.sum("span"),
        "buy_spanned": F.sum(F.when(F.col("is_buy"), F.col("span")).otherwise(0)),
    }
    assert (*KEY, *sums) == tuple(SUMS), "what is added up is not what is said of it"
    return [column.alias(name) for name, column in sums.items()]


def valued(sums: DataFrame, exchanges: Mapping[tuple[str, str], Exchange]) -> DataFrame:
    """The key and `VALUES`, of rows of `SUMS`."""
    spans = counts_trades(exchanges)
    counts = {
        "trades": F.when(spans, F.col("spanned")).otherwise(F.col("ticks")),
        "buy_trades": F.when(spans, F.col("buy_spanned")).otherwise(F.col("buy_ticks")),
    }
    return sums.withColumns(counts).select(*KEY, *(column.alias(name) for name, column in _values().items()))


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
