"""The lists of what venues trade, of the `events` channel, to rows of `instruments`: one of a symbol where something changed."""

from collections.abc import Iterable, Sequence
from functools import partial

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange, InstrumentReading
from ingest.settings import PAIR
from jobs.tables.instruments import INSTRUMENTS
from jobs.tables.table import AMOUNT, PRICE, QUANTITY
from jobs.transforms.envelopes import Step, bare, opened
from jobs.transforms.items import item
from jobs.transforms.numbers import exact
from jobs.transforms.parsers import Parser, chosen, which
from jobs.transforms.shape import ddl, micros

MARK = '"kind":"instruments"'  # stands in each such line, and hardly in another
KEY = INSTRUMENTS.key
SYMBOL = KEY[:-1]
FACTS = ("pair", "base", "quote", "status", "tick_size", "lot_size", "min_notional", "listed_at")  # what may change
NUMBERS = {"tick_size": PRICE, "lot_size": QUANTITY, "min_notional": AMOUNT}
TEXTS = ("symbol", "status", "base", "quote", "contract", "listed_at")


def parsers(exchanges: Iterable[Exchange]) -> Sequence[Parser[InstrumentReading]]:
    """Every way in which an exchange tells what it trades."""
    return [Parser(exchange, "instruments", "rest", exchange.listing) for exchange in exchanges if exchange.listing]


def lists(lines: DataFrame) -> DataFrame:
    """The lines that hold one; to be asked before they are parsed, for a list has megabytes."""
    return lines.where(F.contains("value", F.lit(MARK)))


def steps(known: Sequence[Parser[InstrumentReading]]) -> Sequence[Step]:
    """From lines to items: see `items.items`. A line without elements is an item that is none."""
    made = {
        "symbol": F.col("symbol"),
        "pair": _pair(),
        **{name: F.col(name) for name in ("base", "quote", "status", *NUMBERS)},
        "listed_at": F.timestamp_micros(micros(F.col("listed_at_text"), iso=False)),
        "raw": F.col("element"),
        "item": F.coalesce("place", F.lit(0)),
    }
    broken = {"instruments": (F.col("kind") == "instruments") & F.col("symbol").isNull()}
    return (
        *opened("STRUCT<none: STRING>"),
        (F.col("*"), which(known).alias("parser")),
        (F.col("*"), F.posexplode_outer(chosen(known, _elements)).alias("place", "element")),
        (F.col("*"), F.from_json("element", _element_type(known)).alias("one")),
        (
            F.col("*"),
            *(chosen(known, partial(_text, name)).alias(_called(name)) for name in (*TEXTS, *NUMBERS)),
        ),
        (F.col("*"), *(exact(F.col(f"{name}_text"), type_).alias(name) for name, type_ in NUMBERS.items())),
        item(INSTRUMENTS, made, broken, word=F.col("kind") != "instruments", why={}),
    )


def changed(there: DataFrame, new: DataFrame) -> DataFrame:
    """The rows of a symbol, those that are there (`is_new` false) and others, with `is_kept`: is it another one than the one before it?"""
    both = there.select(*INSTRUMENTS.names, F.lit(False).alias("is_new")).unionByName(
        new.select(*INSTRUMENTS.names, F.lit(True).alias("is_new"))
    )
    once = both.select("*", F.row_number().over(Window.partitionBy(*KEY).orderBy("is_new", "conn", "seq", "item")).alias("copy"))
    facts = F.struct(*FACTS)
    before = F.lag(facts).over(Window.partitionBy(*SYMBOL).orderBy("recv_ts"))
    return once.where("copy = 1").select(
        *INSTRUMENTS.names, "is_new", (before.isNull() | ~facts.eqNullSafe(before)).alias("is_kept")
    )


def _elements(one: Parser[InstrumentReading]) -> Column:
    """Each as text: what is not known of it is kept, too."""
    path = one.reading.items
    if not path:
        return F.from_json(bare(), "ARRAY<STRING>")
    return F.from_json(bare(), f"STRUCT<`{path}`: ARRAY<STRING>>")[path]


def _element_type(known: Sequence[Parser[InstrumentReading]]) -> str:
    fields: dict[str, object] = {}
    inside = {"filterType"}
    for one in known:
        for name in (*TEXTS, *NUMBERS):
            place = getattr(one.reading, name)
            if isinstance(place, str):
                fields[place] = "STRING"
            elif place is not None:
                inside |= {field for _, field in place}
    fields["filters"] = f"ARRAY<{ddl(dict.fromkeys(sorted(inside), 'STRING'))}>"
    return ddl(fields)


def _text(name: str, one: Parser[InstrumentReading]) -> Column:
    place, reading = getattr(one.reading, name), one.reading
    if name in ("base", "quote") and place is None:
        return F.upper(F.get(F.split(F.col(f"one.{reading.symbol}"), "_"), 0 if name == "base" else 1))
    if place is None:
        return F.lit(None).cast("STRING")
    if isinstance(place, str):
        return F.col(f"one.{place}")
    return F.coalesce(*(_filtered(filter_, field) for filter_, field in place))


def _filtered(name: str, field: str) -> Column:
    """A field of the filter of that name."""
    return F.get(F.filter("one.filters", lambda one: one["filterType"] == name), 0)[field]


def _called(name: str) -> str:
    return name if name in ("symbol", "status", "base", "quote") else f"{name}_text"


def _pair() -> Column:
    written = F.concat_ws("-", "base", "quote")
    is_one = F.col("base").isNotNull() & F.col("quote").isNotNull() & written.rlike(f"^{PAIR.pattern}$")
    return F.when(is_one & F.coalesce(F.col("contract_text") == "PERPETUAL", F.lit(True)), written)
