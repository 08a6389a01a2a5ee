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
from jobs.transforms.envelopes import DAMAGE, FRAME_HEAD, Step, applied, bare, line_type, opened, whole_lines
from jobs.transforms.feeds import is_dense
from jobs.transforms.numbers import exact, quickly_exact
from jobs.transforms.parsers import which
from jobs.transforms.shape import IDS, ROLES, Trading, in_element, in_text, item_type, parsers, raw_type

KEPT = ("v", "channel", "venue", "market", "kind", "pair", "source", "conn", "seq", "object")
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


@dataclass(frozen=True, eq=False)
class Projection:
    """How the lines of some exchanges are read: steps, each a select upon the one before.

    Made once: to build an expression takes Python some thousand calls into the JVM, and every batch needs the same ones.
    """

    exchanges: Mapping[tuple[str, str], Exchange]
    epochs: Sequence[Epoch] = ()

    @property
    def _of_frames(self) -> Sequence[Trading]:
        return [parser for parser in parsers(self.exchanges.values()) if parser.source == "ws"]

    @property
    def schema(self) -> str:
        """Of the lines that hold a frame, for Spark's reader of JSON."""
        return line_type(FRAME_HEAD, raw_type(self._of_frames))

    @cached_property
    def whole(self) -> Sequence[Step]:
        """With what only damaged or rare lines need."""
        known = parsers(self.exchanges.values())
        is_frame = F.coalesce((F.col("source") == "ws") & F.col("raw_text").isNull(), F.lit(False))
        more = [*DAMAGE, "is_frame", "value"]
        return (
            *opened(raw_type(known)),
            (F.col("*"), which(known).alias("parser"), is_frame.alias("is_frame")),
            _parted(known, _elements(known, bare()), more),
            *_typed(known, self.epochs, more),
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
            (F.col("*"), which(known).alias("parser")),
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
    return applied(whole_lines(lines), projection.whole)


def quick_items(frames: DataFrame, projection: Projection) -> DataFrame:
    """The same of what a websocket sent in the documented shape, which is nearly everything: `sound` if it may become a trade.

    Of lines that Spark's reader of JSON has read (`schema`, `object`): it takes half the time that a text and its parsing take. What
    is not sound is read again by `items`, which knows why.
    """
    return applied(frames, projection.quick)


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


def _elements(known: Sequence[Trading], bare: Column | None) -> Column:
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


def _parted(known: Sequence[Trading], elements: Column, more: Sequence[str]) -> Step:
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


def _typed(known: Sequence[Trading], epochs: Sequence[Epoch], more: Sequence[str]) -> Sequence[Step]:
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


def _of_parser(known: Sequence[Trading], values: Iterable[object]) -> Column:
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
