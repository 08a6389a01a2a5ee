"""Lines of the `klines` channel to rows of `klines`: one candle of a websocket, or the array of a response."""

from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from ingest.exchanges.exchange import CandleReading, Exchange
from jobs.tables.klines import KLINES
from jobs.tables.table import AMOUNT, PRICE, VOLUME
from jobs.transforms import rules
from jobs.transforms.envelopes import Step, bare, opened
from jobs.transforms.items import item
from jobs.transforms.numbers import exact
from jobs.transforms.parsers import Parser, chosen, which
from jobs.transforms.shape import ddl, micros, plant

TYPES = {
    **dict.fromkeys(("open", "high", "low", "close"), PRICE),
    **dict.fromkeys(("volume", "taker_buy_volume"), VOLUME),
    **dict.fromkeys(("quote_volume", "taker_buy_quote_volume"), AMOUNT),
    **dict.fromkeys(("trades", "first_id", "last_id"), "BIGINT"),
}
TIMES = ("open_time", "close_time")
NULLABLE = ("first_id", "last_id")
ROLES = (*TIMES, *TYPES)
WIDTH = r"^[0-9]+[smhdwM]$"


def parsers(exchanges: Iterable[Exchange]) -> Sequence[Parser[CandleReading]]:
    """Every way in which an exchange tells candles."""
    return [Parser(exchange, "kline", source, reading) for exchange in exchanges for source, reading in exchange.klines.items()]


def raw_type(known: Sequence[Parser[CandleReading]]) -> str:
    """The struct that holds every path of every reading; an array is read apart."""
    tree: dict[str, object] = {}
    for one in known:
        for role in (*ROLES, "width", "is_closed"):
            path = getattr(one.reading, role)
            if isinstance(path, str):
                plant(tree, path, "STRING")
    return ddl(tree)


def steps(known: Sequence[Parser[CandleReading]]) -> Sequence[Step]:
    """From lines to items: see `items.items`. A candle that is still open is a word: its last copy will be a row."""
    made = {
        **{name: F.timestamp_micros(f"{name}_micros") for name in TIMES},
        **{name: F.col(name) for name in (*TYPES, "width")},
        "item": F.coalesce("place", F.lit(0)),
        "year": F.expr("year(timestamp_micros(open_time_micros))"),
        "month": F.expr("month(timestamp_micros(open_time_micros))"),
    }
    several = [place for place, one in enumerate(known) if one.reading.items]
    elements = F.when(F.col("parser").isin(several), F.from_json(bare(), "ARRAY<ARRAY<STRING>>"))
    return (
        *opened(raw_type(known)),
        (F.col("*"), which(known).alias("parser")),
        (F.col("*"), F.posexplode_outer(elements).alias("place", "one")),
        (F.col("*"), *(_text(known, role).alias(f"{role}_text") for role in ROLES), *_said(known)),
        (F.col("*"), *(micros(F.col(f"{name}_text"), iso=False).alias(f"{name}_micros") for name in TIMES)),
        (F.col("*"), *(_typed(name).alias(name) for name in TYPES)),
        item(KLINES, made, _rules(), word=~_is_closed(), why={"kline": _why()}),
    )


def _text(known: Sequence[Parser[CandleReading]], role: str) -> Column:
    """What stands in a role."""

    def of(one: Parser[CandleReading]) -> Column:
        place = getattr(one.reading, role)
        if place is None:
            return F.lit(None).cast("STRING")
        return F.get("one", place) if isinstance(place, int) else F.col(f"raw.{place}")

    return chosen(known, of)


def _said(known: Sequence[Parser[CandleReading]]) -> Sequence[Column]:
    asked = F.nullif(F.regexp_extract("stream", r"[?&]interval=([0-9]+[smhdwM])", 1), F.lit(""))
    closed = [one.reading.is_closed for one in known]
    return (
        chosen(known, lambda one: F.col(f"raw.{one.reading.width}") if one.reading.width else asked).alias("width"),
        F.coalesce(
            *(F.when(F.col("parser") == place, F.col(f"raw.{path}")) for place, path in enumerate(closed) if path is not None)
        ).alias("said_closed"),
    )


def _typed(name: str) -> Column:
    text = F.col(f"{name}_text")
    if TYPES[name] == "BIGINT":
        whole = text.try_cast("BIGINT")
        return F.when(whole >= 0, whole)  # Binance tells -1 where a candle has no trades
    return exact(text, TYPES[name])


def _is_closed() -> Column:
    """As the exchange says it; where it does not, its close time has passed when it answered."""
    told = F.col("said_closed") == "true"
    return F.coalesce(told, F.col("close_time_micros") < F.expr("recv_ns DIV 1000"), F.lit(False))


def _unfit() -> Mapping[str, Column]:
    numbers = {name: F.coalesce(F.col(name) < 0, F.lit(True)) for name in TYPES if name not in NULLABLE}
    times = {name: F.col(f"{name}_micros").isNull() for name in TIMES}
    return {"width": ~F.coalesce(F.col("width").rlike(WIDTH), F.lit(False)), **times, **numbers}


def _rules() -> Mapping[str, Column]:
    broken = F.lit(False)
    for unfit in _unfit().values():
        broken = broken | unfit
    return {
        **rules.envelope(),
        "unreadable": F.col("parser").isNull(),
        "pair": rules.pair(),
        "kline": broken,
    }


def _why() -> Column:
    return F.concat_ws(", ", *(F.when(unfit, f"{name} is missing or does not fit") for name, unfit in _unfit().items()))
