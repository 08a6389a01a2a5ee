"""Landing lines to typed items: one projection for all venues."""

from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange
from ingest.settings import Epoch
from jobs.tables.table import AMOUNT, PRICE, QUANTITY
from jobs.transforms import rules
from jobs.transforms.feeds import is_dense
from jobs.transforms.shape import Parser, chosen, item_type, parsers, raw_type

HEAD = {
    "v": "INT", "channel": "STRING", "venue": "STRING", "market": "STRING", "kind": "STRING", "pair": "STRING",
    "source": "STRING", "conn": "STRING", "seq": "BIGINT", "recv_ns": "BIGINT", "raw_text": "STRING", "raw_b64": "STRING",
}  # fmt: skip
SIGNIFICANT = r"\.([0-9]*?)0*$"  # the decimals of a number, less the zeros at its end
MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000}


def items(
    lines: DataFrame, exchanges: Mapping[tuple[str, str], Exchange], epochs: Sequence[Epoch] = (), *, keep_raw: bool = False
) -> DataFrame:
    """One row an item of a line (`value`, `object`): the columns of a trade, `control`, and `reason`: NULL if it may become one.

    A line that cannot be read is one item with a reason; an array without elements is one item of `control`. With `keep_raw` the line
    and the `detail` of the reason come along; they are only worth their bytes where there is something wrong.
    """
    known = parsers(exchanges.values())
    head = ", ".join(f"`{name}` {kind}" for name, kind in HEAD.items())
    read = lines.select(F.from_json("value", f"{head}, `raw` {raw_type(known)}").alias("e"), *lines.columns)
    opened = read.select(
        *(F.col(f"e.{name}").alias(name) for name in HEAD), _parser(known).alias("parser"), _raw(known), *lines.columns
    )
    parted = opened.select(
        *(name for name in opened.columns if name not in ("value", "raw_text", "raw_b64")),
        F.col("raw_b64").isNotNull().alias("is_binary"),
        (F.col("raw_text").isNotNull() & F.col("raw").isNull()).alias("is_text"),
        *(["value"] if keep_raw else []),
        F.posexplode_outer(_elements(known)).alias("place", "one"),
    )
    return _judged(_typed(parted, known, keep_raw=keep_raw), epochs, keep_raw=keep_raw)


def _raw(known: Sequence[Parser]) -> Column:
    """`raw_text` that parses as JSON is read like `raw`: a pretty-printed frame comes so."""
    inside = F.from_json("e.raw_text", raw_type(known))
    return F.when(F.col("e.raw_text").isNull(), F.col("e.raw")).otherwise(inside).alias("raw")


def _parser(known: Sequence[Parser]) -> Column:
    """Which parser reads the line; NULL: none is known."""
    found: Column | None = None
    for parser in known:
        wanted = {"kind": parser.kind, "venue": parser.exchange.venue, "market": parser.exchange.market, "source": parser.source}
        condition = F.lit(True)
        for name, value in wanted.items():
            condition = condition & (F.col(f"e.{name}") == value)
        found = F.when(condition, parser.number) if found is None else found.when(condition, parser.number)
    assert found is not None, "no exchange has a reading"
    return found


def _elements(known: Sequence[Parser]) -> Column:
    """The elements of a text that holds several trades; NULL where it is one trade, or none."""
    one = item_type(known)
    bare = F.coalesce(F.col("raw_text"), F.get_json_object("value", "$.raw"))
    found = F.lit(None).cast(f"ARRAY<{one}>")
    for parser in known:
        if parser.reading.items is not None:
            inside = F.from_json(bare, f"ARRAY<{one}>") if parser.reading.items == "" else F.col(f"raw.{parser.reading.items}")
            found = F.when(F.col("parser") == parser.number, inside).otherwise(found)
    return found


def _typed(parted: DataFrame, known: Sequence[Parser], *, keep_raw: bool) -> DataFrame:
    """Each role's column, whatever the venue."""
    number = F.col("parser")

    def of(role: str) -> Column:
        return chosen(known, role, number, "raw", "one")

    return parted.select(
        *("v", "channel", "venue", "market", "kind", "pair", "source", "conn", "seq", "object"),
        F.timestamp_micros(F.expr("recv_ns DIV 1000")).alias("recv_ts"),
        *("parser", "is_binary", "is_text"),
        *(of(role).alias(role) for role in ("trade_id", "first_id", "last_id")),
        of("price").alias("price_text"),
        of("quantity").alias("quantity_text"),
        exact(of("price"), PRICE).alias("price"),
        exact(of("quantity"), QUANTITY).alias("quantity"),
        _side(known).alias("taker_side"),
        _floored(known, of("time")).alias("us"),
        F.timestamp_micros(of("event_time")).alias("event_ts"),
        of("order_type").alias("order_type"),
        _of(parser for parser in known if parser.reading.first_id is not None).alias("is_aggregate"),
        _of(parser for parser in known if is_dense(parser.exchange, parser.kind)).alias("dense"),
        F.coalesce("place", F.lit(0)).alias("item"),
        (_of(parser for parser in known if parser.reading.items is not None) & F.col("one").isNull()).alias("is_empty"),
        *(["value"] if keep_raw else []),
    )


def _judged(typed: DataFrame, epochs: Sequence[Epoch], *, keep_raw: bool) -> DataFrame:
    whole = typed.select(
        *typed.columns,
        F.timestamp_micros("us").alias("ts"),
        F.try_multiply("price", "quantity").cast(AMOUNT).alias("quote_quantity"),
        (F.coalesce(F.col("kind") == "control", F.lit(False)) | F.col("is_empty")).alias("control"),
    )
    return whole.select(
        *("channel", "venue", "market"),
        _feed(epochs).alias("feed"),
        *(
            "pair",
            "trade_id",
            "first_id",
            "last_id",
            "price",
            "quantity",
            "quote_quantity",
            "taker_side",
            "ts",
            "event_ts",
            "recv_ts",
        ),
        *("source", "object", "conn", "seq", "item", "dense", "control"),
        F.when(~F.col("control"), rules.reason()).alias("reason"),
        *([rules.detail(rules.reason()).alias("detail"), F.col("value").alias("raw")] if keep_raw else []),
    )


def exact(text: Column, type_: str) -> Column:
    """A plain decimal number that fits its column exactly; else NULL. A cast alone would round in silence."""
    scale = int(type_.rstrip(")").split(",")[1])
    point = F.instr(text, ".")
    plain = (F.instr(text, "e") == 0) & (F.instr(text, "E") == 0)
    short = (point == 0) | (F.length(text) - point <= scale) | (F.length(F.regexp_extract(text, SIGNIFICANT, 1)) <= scale)
    return F.when(plain & short, text.try_cast(type_))


def _side(known: Sequence[Parser]) -> Column:
    words = {(parser.reading.buy, parser.reading.sell) for parser in known}
    said = F.lower(chosen(known, "taker", F.col("parser"), "raw", "one"))
    found = F.lit(None).cast("STRING")
    for buy, sell in sorted(words):
        side = F.when(said == buy, "buy").when(said == sell, "sell")
        mine = _of(parser for parser in known if (parser.reading.buy, parser.reading.sell) == (buy, sell))
        found = F.when(mine, side).otherwise(found)
    return found


def _floored(known: Sequence[Parser], us: Column) -> Column:
    """Every copy of a trade agrees on its time: floored to the coarsest unit of any source of its feed."""
    found = us
    for unit in sorted({parser.exchange.time_unit for parser in known} - {"us"}):
        step = MICROSECONDS[unit]
        mine = _of(parser for parser in known if parser.exchange.time_unit == unit)
        found = F.when(mine, us - F.pmod(us, F.lit(step))).otherwise(found)
    return found


def _of(some: Iterable[Parser]) -> Column:
    """Is the line's parser one of these?"""
    numbers = [parser.number for parser in some]
    return F.coalesce(F.col("parser").isin(numbers), F.lit(False))


def _feed(epochs: Sequence[Epoch]) -> Column:
    """The kind; after an id reset that a person declared, `<kind>.<n>`: by the trade's time, never by its arrival."""
    found = F.col("kind")
    for epoch in sorted(epochs, key=lambda epoch: epoch.since):
        mine = (
            (F.col("venue") == epoch.venue)
            & (F.col("market") == epoch.market)
            & (F.col("kind") == epoch.kind)
            & (F.col("pair") == epoch.pair)
            & (F.col("ts") >= F.lit(epoch.since))
        )
        found = F.when(mine, F.lit(f"{epoch.kind}.{epoch.n}")).otherwise(found)
    return found
