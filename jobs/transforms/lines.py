"""Landing lines to typed items: one projection for all venues, with or without what only damaged or rare lines need."""

from collections.abc import Callable, Iterable, Mapping, Sequence

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
KEPT = ("v", "channel", "venue", "market", "kind", "pair", "source", "conn", "seq", "object")
SIGNIFICANT = r"\.([0-9]*?)0*$"  # the decimals of a number, less the zeros at its end
MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000}
TRADE = (
    "channel", "venue", "market", "feed", "pair", "trade_id", "first_id", "last_id", "price", "quantity", "quote_quantity", "taker_side",
    "ts", "event_ts", "recv_ts", "source", "object", "conn", "seq", "item",
)  # fmt: skip
QUICK = tuple(name for name in TRADE if name not in ("channel", "source"))

Exchanges = Mapping[tuple[str, str], Exchange]


def items(lines: DataFrame, exchanges: Exchanges, epochs: Sequence[Epoch] = ()) -> DataFrame:
    """One row an item of a line (`value`, `object`): the columns of a trade, `dense`, `control`, and `reason`: NULL if it may become one.

    A line that cannot be read is one item with a reason; an array without elements is one item of `control`. The line comes along as
    `raw`, with the `detail` of the reason; `counted` says whether `quick_items` told the item apart, too.
    """
    known = parsers(exchanges.values())
    read = lines.select(_envelope(known).alias("e"), "value", "object")
    # a text that parses as JSON is read like the rest: a pretty-printed frame comes so
    inside = F.when(F.col("e.raw_text").isNull(), F.col("e.raw")).otherwise(F.from_json("e.raw_text", raw_type(known)))
    opened = read.select("e", inside.alias("raw"), _parser(known).alias("parser"), "value", "object")
    damage = {
        "is_frame": F.coalesce((F.col("e.source") == "ws") & F.col("e.raw_text").isNull(), F.lit(False)),
        "is_binary": F.col("e.raw_b64").isNotNull(),
        "is_text": F.col("e.raw_text").isNotNull() & F.get_json_object("e.raw_text", "$").isNull(),
    }
    bare = F.coalesce(F.col("e.raw_text"), F.get_json_object("value", "$.raw"))
    whole = _parted(opened, known, _elements(known, "raw", bare), [*(c.alias(n) for n, c in damage.items()), F.col("value")])
    typed = _typed(whole, known, epochs, ["is_frame", "is_binary", "is_text", "value"], exact=exact)
    return typed.select(
        *TRADE,
        "dense",
        "control",
        F.when(~F.col("control"), rules.reason()).alias("reason"),
        F.when(~F.col("control"), rules.detail(rules.reason())).alias("detail"),
        F.col("value").alias("raw"),
        (F.col("is_frame") | (F.col("item") == 0)).alias("counted"),
    )


def quick_items(lines: DataFrame, exchanges: Exchanges, epochs: Sequence[Epoch] = ()) -> DataFrame:
    """The same of what a websocket sent in the documented shape, which is nearly everything: `sound` if it may become a trade.

    What is not sound is read again by `items`, which knows why. Small enough for the compiler: see spark.sql.codegen.hugeMethodLimit.
    """
    known = [parser for parser in parsers(exchanges.values()) if parser.source == "ws"]
    read = lines.select(_envelope(known).alias("e"), "object")
    opened = read.select("e", F.col("e.raw").alias("raw"), _parser(known).alias("parser"), "object")
    typed = _typed(_parted(opened, known, _elements(known, "e.raw", None), []), known, epochs, [], exact=quickly_exact)
    control = F.coalesce(F.col("kind") == "control", F.lit(False))  # arrays without trades are rare: `items` tells them
    return typed.select(*QUICK, "dense", control.alias("control"), rules.sound().alias("sound"), rules.void().alias("void"))


def _envelope(known: Sequence[Parser]) -> Column:
    head = ", ".join(f"`{name}` {kind}" for name, kind in HEAD.items())
    return F.from_json("value", f"{head}, `raw` {raw_type(known)}")


def _parser(known: Sequence[Parser]) -> Column:
    """Which parser reads the line; NULL: none is known."""
    found: Column | None = None
    for place, parser in enumerate(known):
        wanted = {"kind": parser.kind, "venue": parser.exchange.venue, "market": parser.exchange.market, "source": parser.source}
        condition = F.lit(True)
        for name, value in wanted.items():
            condition = condition & (F.col(f"e.{name}") == value)
        found = F.when(condition, place) if found is None else found.when(condition, place)
    assert found is not None, "no exchange has a reading"
    return found


def _elements(known: Sequence[Parser], raw: str, bare: Column | None) -> Column:
    """The elements of a text that holds several trades; NULL where it is one trade, or none."""
    one = item_type(known)
    found: Column | None = None
    for place, parser in enumerate(known):
        if parser.reading.items is not None:
            if parser.reading.items:
                inside = F.col(f"{raw}.{parser.reading.items}")
            else:
                assert bare is not None, f"{parser.exchange.name}: no text to find the array in"
                inside = F.from_json(bare, f"ARRAY<{one}>")
            mine = F.col("parser") == place
            found = F.when(mine, inside) if found is None else found.when(mine, inside)
    return found if found is not None else F.lit(None).cast(f"ARRAY<{one}>")


def _parted(opened: DataFrame, known: Sequence[Parser], elements: Column, more: Sequence[Column]) -> DataFrame:
    """A row a trade, with each role as the text has it; `one` where it stood in an array. Narrow: every row is copied here."""
    return opened.select(
        *(F.col(f"e.{name}").alias(name) for name in KEPT if name != "object"),
        F.expr("e.recv_ns DIV 1000").alias("recv_us"),
        *("object", "parser"),
        *(in_text(known, role, F.col("parser")).alias(role) for role in ROLES),
        *more,
        # of no elements at all nobody knows what they were: that is damage, not silence
        F.coalesce(F.size(elements) == 0, F.lit(False)).alias("is_empty"),
        F.posexplode_outer(elements).alias("place", "one"),
    )


def _typed(
    parted: DataFrame,
    known: Sequence[Parser],
    epochs: Sequence[Epoch],
    more: Sequence[str],
    *,
    exact: Callable[[Column, str], Column],
) -> DataFrame:
    """Each role's column, typed."""
    several = _of_parser(known, [parser.reading.items is not None for parser in known])
    role = {name: F.when(several, in_element(known, name, F.col("parser"))).otherwise(F.col(name)) for name in ROLES}
    taker = F.lower(role["taker"])
    units = [MICROSECONDS[parser.exchange.time_unit] for parser in known]
    plain = parted.select(
        *KEPT,
        F.timestamp_micros("recv_us").alias("recv_ts"),
        "parser",
        *(role[name].alias(name) for name in IDS),
        *(role[name].alias(f"{name}_text") for name in ("price", "quantity")),
        F.when(taker == _of_parser(known, [parser.reading.buy for parser in known]), "buy")
        .when(taker == _of_parser(known, [parser.reading.sell for parser in known]), "sell")
        .alias("taker_side"),
        # every copy of a trade agrees on its time: floored to the coarsest unit of any source of its feed
        F.timestamp_micros(role["time"] - F.pmod(role["time"], _of_parser(known, units))).alias("ts"),
        F.timestamp_micros("event_time").alias("event_ts"),
        "order_type",
        _of_parser(known, [parser.reading.first_id is not None for parser in known]).alias("is_aggregate"),
        F.coalesce(_of_parser(known, [is_dense(parser.exchange, parser.kind) for parser in known]), F.lit(False)).alias("dense"),
        F.coalesce("place", F.lit(0)).alias("item"),
        (F.coalesce(F.col("kind") == "control", F.lit(False)) | F.col("is_empty")).alias("control"),
        *more,
    )
    numbers = plain.select(
        *plain.columns,
        exact(F.col("price_text"), PRICE).alias("price"),
        exact(F.col("quantity_text"), QUANTITY).alias("quantity"),
    )
    return numbers.select(
        *numbers.columns,
        _feed(epochs).alias("feed"),
        F.try_multiply("price", "quantity").try_cast(AMOUNT).alias("quote_quantity"),
    )


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
