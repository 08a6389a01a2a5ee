"""Lines of the `books` channel to rows of `order_books`: levels of all venues' shapes, and what follows from them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from ingest.exchanges.exchange import BookReading, Exchange
from jobs.tables.order_books import BASIS_POINTS, LEVELS, ORDER_BOOKS, SIDES, depth_name
from jobs.tables.table import AMOUNT, PRICE, QUANTITY
from jobs.transforms import rules
from jobs.transforms.envelopes import Step, opened
from jobs.transforms.items import item
from jobs.transforms.numbers import exact
from jobs.transforms.parsers import Parser, chosen, which
from jobs.transforms.shape import ddl, micros, plant

TEXTS = "ARRAY<STRUCT<price: STRING, quantity: STRING>>"
PERCENT = "DECIMAL(12,6)"


def parsers(exchanges: Iterable[Exchange]) -> Sequence[Parser[BookReading]]:
    """Every way in which an exchange tells a book."""
    return [Parser(exchange, "book", source, reading) for exchange in exchanges for source, reading in exchange.books.items()]


def raw_type(known: Sequence[Parser[BookReading]]) -> str:
    """The struct that holds every path of every reading."""
    fields = sorted({str(place) for one in known for place in _places(one) if isinstance(place, str)})
    objects = "ARRAY<STRUCT<" + ", ".join(f"`{name}`: STRING" for name in fields) + ">>"
    tree: dict[str, object] = {}
    for one in known:
        levels = objects if isinstance(one.reading.top.price, str) else "ARRAY<ARRAY<STRING>>"
        for path in (one.reading.top.bids, one.reading.top.asks):
            plant(tree, path, levels)
        for told in (one.reading.sequence, one.reading.time):
            if told is not None:
                plant(tree, told, "STRING")
    return ddl(tree)


def steps(known: Sequence[Parser[BookReading]]) -> Sequence[Step]:
    """From lines to items: see `items.items`."""
    sides = ("bids", "asks")
    made = {
        "sequence": F.col("sequence"),
        "ts": F.timestamp_micros("micros"),
        **{name: F.col(name) for name in ("level", "levels", *sides)},
        "aggregated": F.col("level") < 3,  # noqa: PLR2004 - see the table
        **_figures(),
        "year": F.expr("year(timestamp_micros(recv_ns DIV 1000))"),
        "month": F.expr("month(timestamp_micros(recv_ns DIV 1000))"),
    }
    return (
        *opened(raw_type(known)),
        (F.col("*"), which(known).alias("parser")),
        (
            F.col("*"),
            *(chosen(known, _texts(side)).alias(f"{side}_text") for side in sides),
            chosen(known, lambda one: _of(one.reading.sequence).try_cast("BIGINT")).alias("sequence"),
            chosen(known, lambda one: micros(_of(one.reading.time), iso=one.reading.time_unit == "iso")).alias("micros"),
            _asked(known, "level").alias("level"),
            _asked(known, "levels").alias("levels"),
        ),
        (F.col("*"), *(_numbers(f"{side}_text").alias(f"{side}_numbers") for side in sides)),
        (F.col("*"), *(_ordered(f"{side}_numbers", best_last=side == "bids").alias(side) for side in sides)),
        (F.col("*"), *(F.get(side, 0)["price"].alias(name) for side, name in zip(sides, ("best_bid", "best_ask"), strict=True))),
        (F.col("*"), _mid().alias("mid")),
        item(ORDER_BOOKS, made, _rules(), word=F.lit(False), why={"levels": _why()}),
    )


def _of(path: str | None) -> Column:
    return F.lit(None).cast("STRING") if path is None else F.col(f"raw.{path}")


def _places(one: Parser[BookReading]) -> tuple[int | str, int | str]:
    price = one.reading.top.price
    assert price is not None, f"{one.exchange.name}: a book has levels"
    return price, one.reading.quantity


def _texts(side: str) -> Callable[[Parser[BookReading]], Column]:
    """The levels of a side, as text."""

    def of(one: Parser[BookReading]) -> Column:
        price, quantity = _places(one)

        def level(found: Column) -> Column:
            read = [F.get(found, place) if isinstance(place, int) else found[place] for place in (price, quantity)]
            return F.struct(read[0].alias("price"), read[1].alias("quantity"))

        return F.transform(_of(getattr(one.reading.top, side)), level).cast(TEXTS)

    return of


def _asked(known: Sequence[Parser[BookReading]], fact: str) -> Column:
    """What was asked for stands in the stream's name: path and query of a request, or the stream's own name."""
    patterns = {"level": r"[?&]level=(\d+)", "levels": r"(?:[?&]limit=|@depth)(\d+)"}
    told = F.nullif(F.regexp_extract("stream", patterns[fact], 1), F.lit("")).try_cast("INT")
    else_ = chosen(known, lambda one: F.lit(getattr(one.reading, fact)).cast("INT"))
    if fact == "level":
        told = F.coalesce(told, F.when(F.col("stream").contains("aggregate=false"), 3))
    return F.coalesce(told, else_)


def _numbers(texts: str) -> Column:
    return F.transform(
        texts,
        lambda level: F.struct(
            exact(level["price"], PRICE).alias("price"),
            exact(level["quantity"], QUANTITY).alias("quantity"),
        ),
    )


def _ordered(numbers: str, *, best_last: bool) -> Column:
    """The best price first; a sum a price where each order was told."""
    summed = F.when(F.col("level") == 3, _summed(F.sort_array(numbers))).otherwise(F.sort_array(numbers))  # noqa: PLR2004 - see the table
    return F.reverse(summed) if best_last else summed


def _summed(ordered: Column) -> Column:
    """Neighbours of one price added up. A fold: to bring them together by a shuffle costs more, where most batches have none."""
    level = "STRUCT<price: DECIMAL(20,10), quantity: DECIMAL(22,8)>"

    def struct(price: Column, quantity: Column) -> Column:
        return F.struct(price.alias("price"), quantity.try_cast(QUANTITY).alias("quantity")).cast(level)

    def state(done: Column, last: Column) -> Column:
        return F.struct(done.alias("done"), last.alias("last")).cast(f"STRUCT<done: {LEVELS}, last: {level}>")

    def closed(found: Column) -> Column:
        return F.when(found["last"].isNull(), found["done"]).otherwise(F.concat(found["done"], F.array(found["last"])))

    def merge(found: Column, one: Column) -> Column:
        more = struct(one["price"], found["last"]["quantity"] + one["quantity"])
        return F.when(found["last"]["price"] == one["price"], state(found["done"], more)).otherwise(
            state(closed(found), struct(one["price"], one["quantity"]))
        )

    nothing = state(F.array().cast(LEVELS), F.lit(None).cast(level))
    return F.aggregate(ordered, nothing, merge, closed)


def _mid() -> Column:
    return F.round((F.col("best_bid") + F.col("best_ask")) / 2, 10).try_cast(PRICE)


def _figures() -> Mapping[str, Column]:
    bid, ask = F.col("best_bid"), F.col("best_ask")
    spread = (ask - bid).try_cast(PRICE)
    empty = bid.isNull() & ask.isNull()
    return {
        "best_bid": bid,
        "best_ask": ask,
        "mid": F.col("mid"),
        "spread": spread,
        "spread_pct": F.round(F.try_divide(F.try_multiply(spread, F.lit(100)), ask), 6).try_cast(PERCENT),
        **{depth_name(side, points): _depth(side, points) for side in SIDES for points in BASIS_POINTS},
        "state": F.when(empty, "empty")
        .when(bid.isNull() | ask.isNull(), "one_sided")
        .when(bid >= ask, "crossed")
        .otherwise("ok"),
    }


def _depth(side: str, points: int) -> Column:
    """Quote amount of the levels within so many basis points of the middle."""
    mid, reach = F.col("mid"), F.lit(points)
    zero = F.lit(0).cast(AMOUNT)

    def is_near(level: Column) -> Column:
        away = (mid - level["price"]) if side == "bid" else (level["price"] - mid)
        return F.try_multiply(away, F.lit(10_000)) <= F.try_multiply(mid, reach)

    def add(total: Column, level: Column) -> Column:
        return F.try_add(total, F.try_multiply(level["price"], level["quantity"]).try_cast(AMOUNT)).try_cast(AMOUNT)

    return F.when(mid.isNotNull(), F.aggregate(F.filter(f"{side}s", is_near), zero, add))


def _unread(side: str) -> Column:
    """Is a side missing, or a level of it no price and quantity?"""

    def is_bad(level: Column) -> Column:
        return F.coalesce((level["price"] <= 0) | (level["quantity"] < 0), F.lit(True))

    return F.coalesce(F.exists(side, is_bad), F.lit(True))


def _rules() -> Mapping[str, Column]:
    return {
        **rules.envelope(),
        "unreadable": F.col("parser").isNull(),
        "pair": rules.pair(),
        "levels": reduce(lambda one, other: one | other, (_unread(side) for side in ("bids", "asks"))),
    }


def _why() -> Column:
    bad = [F.when(_unread(side), f"{side}: missing, or a level that is none") for side in ("bids", "asks")]
    return F.nullif(F.concat_ws("; ", *bad), F.lit(""))
