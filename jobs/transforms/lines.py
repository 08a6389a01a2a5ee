"""Landing lines to typed items: one projection for all venues, with or without what only damaged or rare lines need."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange
from ingest.settings import Epoch
from jobs.tables.table import AMOUNT, PRICE, QUANTITY
from jobs.transforms import rules
from jobs.transforms.feeds import is_dense
from jobs.transforms.shape import IDS, ROLES, Parser, in_element, in_text, item_type, parsers, raw_type

HEAD = {
    "v": "INT", "channel": "STRING", "venue": "STRING", "market": "STRING", "kind": "STRING", "pair": "STRING",
    "source": "STRING", "conn": "STRING", "seq": "BIGINT", "recv_ns": "BIGINT", "raw_text": "STRING", "raw_b64": "STRING",
}  # fmt: skip
FRAME_HEAD = tuple(name for name in HEAD if name not in ("raw_text", "raw_b64"))
KEPT = ("v", "channel", "venue", "market", "kind", "pair", "source", "conn", "seq", "object")
SIGNIFICANT = r"\.([0-9]*?)0*$"  # the decimals of a number, less the zeros at its end
MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000}
TRADE = (
    "channel", "venue", "market", "feed", "pair", "trade_id", "first_id", "last_id", "price", "quantity", "quote_quantity", "taker_side",
    "ts", "event_ts", "recv_ts", "source", "object", "conn", "seq", "item",
)  # fmt: skip
# A batch's plan hands each row on half a dozen times. A decimal of 18 digits goes along as one number of 64 bits; a wider one is taken
# apart and put together each time. So prices and quantities travel small, but for the few that do not fit
SMALL = "DECIMAL(18,8)"
NUMBERS = {"price": PRICE, "quantity": QUANTITY}
TRAVELLING = tuple(f"{name}_{width}" for name in NUMBERS for width in ("small", "wide"))
QUICK = (*(name for name in TRADE if name not in ("channel", "source", *NUMBERS, "quote_quantity")), *TRAVELLING)

# what Spark's reader of JSON makes no row of: white space, and an empty array with whatever follows it
EMPTY = r"(?s)\A[ \t\r\n]*(\[[ \t\r\n]*\].*)?\z"

Step = Sequence[Column]


@dataclass(frozen=True, eq=False)
class Projection:
    """How the lines of some exchanges are read: steps, each a select upon the one before.

    Made once: to build an expression takes Python some thousand calls into the JVM, and every batch needs the same ones.
    """

    exchanges: Mapping[tuple[str, str], Exchange]
    epochs: Sequence[Epoch] = ()

    @property
    def _of_frames(self) -> Sequence[Parser]:
        return [parser for parser in parsers(self.exchanges.values()) if parser.source == "ws"]

    @property
    def schema(self) -> str:
        """Of the lines that hold a frame, for Spark's reader of JSON."""
        return _line(FRAME_HEAD, self._of_frames)

    @cached_property
    def whole(self) -> Sequence[Step]:
        """With what only damaged or rare lines need."""
        known = parsers(self.exchanges.values())
        # a text that parses as JSON is read like the rest: a pretty-printed frame comes so
        inside = F.when(F.col("raw_text").isNull(), F.col("e.raw")).otherwise(F.from_json("raw_text", raw_type(known)))
        damage = {
            "is_frame": F.coalesce((F.col("source") == "ws") & F.col("raw_text").isNull(), F.lit(False)),
            "is_binary": F.col("raw_b64").isNotNull(),
            "is_text": F.col("raw_text").isNotNull() & F.get_json_object("raw_text", "$").isNull(),
        }
        bare = F.coalesce(F.col("raw_text"), F.get_json_object("value", "$.raw"))
        return (
            (F.explode_outer(_envelopes(known)).alias("e"), F.col("value"), F.col("object")),
            (*(F.col(f"e.{name}").alias(name) for name in HEAD), F.col("e"), F.col("value"), F.col("object")),
            (F.col("*"), inside.alias("raw"), _parser(known).alias("parser"), *(c.alias(name) for name, c in damage.items())),
            _parted(known, _elements(known, bare), [*damage, "value"]),
            *_typed(known, self.epochs, [*damage, "value"]),
            (F.col("*"), *(exact(F.col(f"{name}_text"), type_).alias(name) for name, type_ in NUMBERS.items())),
            (F.col("*"), _amount().alias("quote_quantity")),
            (F.col("*"), (_has_numbers() & F.col("quote_quantity").isNull()).alias("overflows")),
            (
                *map(F.col, (*TRADE, "dense", "control")),
                F.when(~F.col("control"), rules.reason()).alias("reason"),
                F.when(~F.col("control"), rules.detail(rules.reason())).alias("detail"),
                F.col("value").alias("raw"),
                (F.col("is_frame") | (F.col("item") == 0)).alias("counted"),
            ),
        )

    @cached_property
    def quick(self) -> Sequence[Step]:
        """For websocket frames alone. Small enough for the compiler: see spark.sql.codegen.hugeMethodLimit."""
        known = self._of_frames
        control = F.coalesce(F.col("kind") == "control", F.lit(False))  # arrays without trades are rare: `items` tells them
        return (
            (F.col("*"), _parser(known).alias("parser")),
            _parted(known, _elements(known, None), []),
            *_typed(known, self.epochs, []),
            (F.col("*"), *(quickly_exact(F.col(f"{name}_text"), SMALL).alias(f"{name}_small") for name in NUMBERS)),
            (F.col("*"), *(_wide(name).alias(f"{name}_wide") for name in NUMBERS)),
            (F.col("*"), *(column.alias(name) for name, column in _numbers().items())),
            # what is small has a product that fits
            (F.col("*"), (_has_numbers() & ~_is_small() & _amount().isNull()).alias("overflows")),
            (
                *map(F.col, (*QUICK, "dense")),
                control.alias("control"),
                rules.sound().alias("sound"),
                rules.void().alias("void"),
            ),
        )


def items(lines: DataFrame, projection: Projection) -> DataFrame:
    """One row an item of a line (`value`, `object`): the columns of a trade, `dense`, `control`, and `reason`: NULL if it may become one.

    A line that cannot be read is one item with a reason; an array without elements is one item of `control`. The line comes along as
    `raw`, with the `detail` of the reason; `counted` says whether `quick_items` told the item apart, too. What holds nothing, a blank or an
    empty array, is no line: Spark's reader of JSON does not see it either.
    """
    return _applied(lines.where(~F.rlike("value", F.lit(EMPTY))), projection.whole)


def quick_items(frames: DataFrame, projection: Projection) -> DataFrame:
    """The same of what a websocket sent in the documented shape, which is nearly everything: `sound` if it may become a trade.

    Of lines that Spark's reader of JSON has read (`schema`, `object`): it takes half the time that a text and its parsing take. What
    is not sound is read again by `items`, which knows why.
    """
    return _applied(frames, projection.quick)


def with_numbers(quick: DataFrame) -> DataFrame:
    """`quick_items` with what did not travel with them."""
    numbered = quick.select("*", *(column.alias(name) for name, column in _numbers().items()))
    return numbered.select("*", _amount().alias("quote_quantity"), F.lit("ws").alias("source"))


def _wide(name: str) -> Column:
    return F.when(F.col(f"{name}_small").isNull(), quickly_exact(F.col(f"{name}_text"), NUMBERS[name]))


def _numbers() -> Mapping[str, Column]:
    return {name: F.coalesce(F.col(f"{name}_small").cast(type_), F.col(f"{name}_wide")) for name, type_ in NUMBERS.items()}


def _is_small() -> Column:
    return F.col("price_small").isNotNull() & F.col("quantity_small").isNotNull()


def _has_numbers() -> Column:
    return F.col("price").isNotNull() & F.col("quantity").isNotNull()


def _amount() -> Column:
    """Price times quantity, exact; NULL where it does not fit."""
    return F.try_multiply("price", "quantity").try_cast(AMOUNT)


def _applied(lines: DataFrame, steps: Sequence[Step]) -> DataFrame:
    for step in steps:
        lines = lines.select(*step)
    return lines


def _envelopes(known: Sequence[Parser]) -> Column:
    """Of a line: one, or the several of an array, as Spark's reader of JSON takes them; one that is NULL where it cannot be read."""
    read = F.from_json("value", f"ARRAY<STRUCT<{_line(HEAD, known)}>>")
    return F.when(F.is_valid_utf8("value"), read)  # the reader looks at bytes and refuses others


def _line(head: Iterable[str], known: Sequence[Parser]) -> str:
    """The fields of a line: some of its envelope, and what is read of the text in it."""
    return ", ".join([*(f"`{name}` {HEAD[name]}" for name in head), f"`raw` {raw_type(known)}"])


def _parser(known: Sequence[Parser]) -> Column:
    """Which parser reads the line; NULL: none is known."""
    found: Column | None = None
    for place, parser in enumerate(known):
        wanted = {"kind": parser.kind, "venue": parser.exchange.venue, "market": parser.exchange.market, "source": parser.source}
        condition = F.lit(True)
        for name, value in wanted.items():
            condition = condition & (F.col(name) == value)
        found = F.when(condition, place) if found is None else found.when(condition, place)
    assert found is not None, "no exchange has a reading"
    return found


def _elements(known: Sequence[Parser], bare: Column | None) -> Column:
    """The elements of a text that holds several trades; NULL where it is one trade, or none."""
    one = item_type(known)
    found: Column | None = None
    for place, parser in enumerate(known):
        if parser.reading.items is not None:
            if parser.reading.items:
                inside = F.col(f"raw.{parser.reading.items}")
            else:
                assert bare is not None, f"{parser.exchange.name}: no text to find the array in"
                inside = F.from_json(bare, f"ARRAY<{one}>")
            mine = F.col("parser") == place
            found = F.when(mine, inside) if found is None else found.when(mine, inside)
    return found if found is not None else F.lit(None).cast(f"ARRAY<{one}>")


def _parted(known: Sequence[Parser], elements: Column, more: Sequence[str]) -> Step:
    """A row a trade, with each role as the text has it; `one` where it stood in an array. Narrow: every row is copied here."""
    return (
        *map(F.col, KEPT),
        F.expr("recv_ns DIV 1000").alias("recv_us"),
        F.col("parser"),
        *(in_text(known, role, F.col("parser")).alias(role) for role in ROLES),
        *map(F.col, more),
        # of no elements at all nobody knows what they were: that is damage, not silence
        F.coalesce(F.size(elements) == 0, F.lit(False)).alias("is_empty"),
        F.posexplode_outer(elements).alias("place", "one"),
    )


def _typed(known: Sequence[Parser], epochs: Sequence[Epoch], more: Sequence[str]) -> Sequence[Step]:
    """Each role's column, typed; prices and quantities as text."""
    several = _of_parser(known, [parser.reading.items is not None for parser in known])
    role = {name: F.when(several, in_element(known, name, F.col("parser"))).otherwise(F.col(name)) for name in ROLES}
    taker = F.lower(role["taker"])
    units = [MICROSECONDS[parser.exchange.time_unit] for parser in known]
    plain = (
        *map(F.col, KEPT),
        F.timestamp_micros("recv_us").alias("recv_ts"),
        F.col("parser"),
        *(role[name].alias(name) for name in IDS),
        *(role[name].alias(f"{name}_text") for name in ("price", "quantity")),
        F.when(taker == _of_parser(known, [parser.reading.buy for parser in known]), "buy")
        .when(taker == _of_parser(known, [parser.reading.sell for parser in known]), "sell")
        .alias("taker_side"),
        # every copy of a trade agrees on its time: floored to the coarsest unit of any source of its feed
        F.timestamp_micros(role["time"] - F.pmod(role["time"], _of_parser(known, units))).alias("ts"),
        F.timestamp_micros("event_time").alias("event_ts"),
        F.col("order_type"),
        _of_parser(known, [parser.reading.first_id is not None for parser in known]).alias("is_aggregate"),
        F.coalesce(_of_parser(known, [is_dense(parser.exchange, parser.kind) for parser in known]), F.lit(False)).alias("dense"),
        F.coalesce("place", F.lit(0)).alias("item"),
        (F.coalesce(F.col("kind") == "control", F.lit(False)) | F.col("is_empty")).alias("control"),
        *map(F.col, more),
    )
    return plain, (F.col("*"), _feed(epochs).alias("feed"))


def exact(text: Column, type_: str) -> Column:
    """A plain decimal number that fits its column exactly; else NULL. A cast alone would round in silence."""
    padded = F.length(F.regexp_extract(text, SIGNIFICANT, 1)) <= _scale(type_)
    return F.when((F.instr(text, "e") == 0) & (F.instr(text, "E") == 0) & (_short(text, type_) | padded), text.try_cast(type_))


def quickly_exact(text: Column, type_: str) -> Column:
    """The same, but NULL also for zeros beyond the column's last decimal."""
    return F.when((F.instr(text, "e") == 0) & (F.instr(text, "E") == 0) & _short(text, type_), text.try_cast(type_))


def _short(text: Column, type_: str) -> Column:
    point = F.instr(text, ".")
    return (point == 0) | (F.length(text) - point <= _scale(type_))


def _scale(type_: str) -> int:
    return int(type_.rstrip(")").split(",")[1])


def _of_parser(known: Sequence[Parser], values: Iterable[object]) -> Column:
    """A fact of each parser, looked up by its place; NULL where no parser is known."""
    listed = list(values)
    assert len(listed) == len(known), "a fact for each parser"
    return F.get(F.array(*(F.lit(value) for value in listed)), F.col("parser"))


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
