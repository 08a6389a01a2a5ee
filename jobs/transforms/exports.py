"""Rows as others want them in files: the columns of a file, and `file`, which file it is."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.tables.bars import BARS
from jobs.tables.klines import KLINES
from jobs.tables.table import Table

FILE = "file"  # beside a file's columns: its path
PLACES = 8  # decimals that the exchange writes
# what the header of a file of candles says: what it is of ours
CANDLE = {
    "open_time": "open_time",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "close_time": "close_time",
    "quote_asset_volume": "quote_volume",
    "num_trades": "trades",
    "taker_base_vol": "taker_buy_volume",
    "taker_quote_vol": "taker_buy_quote_volume",
}
SERIES = ("venue", "market", "pair", "width")


def whole(rows: DataFrame, table: Table, time: str, unit: str) -> DataFrame:
    """All columns of a table; a file a pair and day, or a pair and month."""
    name = F.date_format(time, "yyyy-MM-dd" if unit == "day" else "yyyy-MM")
    folder = F.concat(F.lit("pair="), "pair", F.lit("/year="), "year", F.lit("/month="), "month", F.lit("/"))
    return rows.select(*table.names, F.concat(folder, name).alias(FILE))


def spreads(books: DataFrame) -> DataFrame:
    """What is bid, asked, and the spread in percent of it: `timestamp,pair,bid,ask,spread`, a file a book and day."""
    bid, ask = F.col("best_bid"), F.col("best_ask")
    spread = F.try_divide((ask - bid) * F.lit(100).cast("DECIMAL(3,0)"), ask)
    book = F.lower(F.translate("pair", "-", "_"))
    day = F.unix_seconds(F.date_trunc("day", "recv_ts")).cast("STRING")
    name = (F.lit("/"), book, F.lit("/"), F.date_format("recv_ts", "yyyy-MM"), F.lit("/"), book, F.lit("_order_book_"), day)
    return books.select(
        F.unix_seconds("recv_ts").cast("STRING").alias("timestamp"),
        book.alias("pair"),
        text(bid).alias("bid"),
        text(ask).alias("ask"),
        text(F.round(spread, 17)).alias("spread"),
        F.concat("venue", F.lit("/"), "market", *name, F.lit(".csv")).alias(FILE),
        F.col("recv_ts").alias("at"),
    )


def candles(tables: Mapping[str, DataFrame]) -> DataFrame:
    """Twelve columns as an exchange writes them: its own candles, and our bars of the widths that it was not asked for."""
    klines, bars = tables.get(KLINES.name), tables.get(BARS.name)
    if bars is None:
        assert klines is not None, "neither candles nor bars"
        return _candles(klines)
    if klines is None:
        return _candles(_as_klines(_fullest(bars)))
    others = bars.join(klines.select(*SERIES).distinct(), list(SERIES), "left_anti")
    return _candles(klines).unionByName(_candles(_as_klines(_fullest(others))))


def _candles(klines: DataFrame) -> DataFrame:
    types = dict(klines.dtypes)
    times = {name: F.unix_millis(name) for name in ("open_time", "close_time")}
    shown = [
        (text(F.col(source), PLACES) if types[source].startswith("decimal") else times.get(source, F.col(source)).cast("STRING"))
        for source in CANDLE.values()
    ]
    symbol = F.concat(F.translate("pair", "-", ""), F.lit("_"), "width", F.lit(".csv"))
    return klines.select(
        *(column.alias(name) for column, name in zip(shown, CANDLE, strict=True)),
        F.lit("0").alias("ignore"),
        F.concat("venue", F.lit("/"), "market", F.lit("/"), symbol).alias(FILE),
        F.col("open_time").alias("at"),
    )


def _as_klines(bars: DataFrame) -> DataFrame:
    """With the names of candles, and the last millisecond as the exchange says it."""
    length = F.col("width").substr(F.lit(1), F.length("width") - 1).cast("BIGINT")
    unit = F.expr("CASE right(width, 1) WHEN 'm' THEN 60000 WHEN 'h' THEN 3600000 ELSE 86400000 END")
    return bars.withColumnsRenamed(
        {"start": "open_time", "buy_volume": "taker_buy_volume", "buy_quote_volume": "taker_buy_quote_volume"}
    ).withColumn("close_time", F.timestamp_millis(F.unix_millis("open_time") + length * unit - 1))


def _fullest(bars: DataFrame) -> DataFrame:
    """Of the feeds of a pair that of the month with more complete bars, then more bars, then fewer missing trades, then `trade`."""
    month, kind = [*SERIES, "year", "month"], F.split_part("feed", F.lit("."), F.lit(1))
    rows = bars.withColumn("kind", kind)
    counted = rows.groupBy(*month, "kind").agg(
        F.count_if("is_complete").alias("complete"),
        F.count("*").alias("bars"),
        F.coalesce(F.sum("missing_trades"), F.lit(0)).alias("missing"),
    )
    order = (
        F.desc("complete"),
        F.desc("bars"),
        F.asc("missing"),
        F.asc(F.when(F.col("kind") == "trade", 0).otherwise(1)),
        F.asc("kind"),
    )
    first = counted.withColumn("place", F.row_number().over(Window.partitionBy(*month).orderBy(*order))).where("place = 1")
    return rows.join(first.select(*month, "kind"), [*month, "kind"], "left_semi")


def text(number: Column, places: int = 0) -> Column:
    """A decimal in full, less the zeros at its end; `places` decimals are kept."""
    plain = number.cast("STRING")  # under ANSI never with an exponent
    if not places:
        return F.regexp_replace(plain, r"\.?0+$", "")
    return F.regexp_replace(plain, rf"(?<=\.\d{{{places}}}\d{{0,10}})0+$", "")
