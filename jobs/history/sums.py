"""What the trades of each minute come to, of a month of history: Arrow's sums of what Spark would otherwise read row by row.

The values that these sums have are made of them by the functions that the stream uses.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.history.columns import type_of
from jobs.history.month import GROUP
from jobs.tables.table import AMOUNT
from jobs.transforms.minutes import SUMS

MINUTE = 60_000_000  # microseconds
READ = ("trade_id", "price", "quantity", "quote_quantity", "taker_side", "ts", "first_id", "last_id")
ADDED = [name for name in SUMS if name not in ("venue", "market", "feed", "pair")]
ASKED: list[tuple[str | list[str], str]] = [
    *((name, end) for name in ("price", "trade_id", "ts") for end in ("min", "max")),
    *(("first_id", "min"), ("last_id", "max"), ("first_id", "count"), ([], "count_all")),
    *((name, "sum") for name in ("bought", "sold", "quote_bought", "quote_sold", "buy_ticks", "spanned", "buy_spanned")),
]
LARGEST = 10**20  # an amount of so much does not fit
_EXACT = pa.decimal256(38, 18)  # a sum of amounts has room, then


def schema() -> pa.Schema:
    """Of the sums, without what names the feed."""
    return pa.schema([pa.field(name, type_of(SUMS[name])) for name in ADDED])


def sums(month: Path, at_once: int = GROUP) -> Iterator[pa.Table]:
    """Each minute once, in their order, of a file in the order of time."""
    rest: pa.Table | None = None
    file = pq.ParquetFile(month, read_dictionary=["taker_side"], pre_buffer=False)  # else it reads all of the file ahead
    for batch in file.iter_batches(at_once, columns=list(READ), use_threads=False):
        rows = pa.Table.from_batches([batch])
        rows = pa.concat_tables([rest, rows]) if rest is not None else rows
        rows = rows.combine_chunks()
        minute = _minutes(rows)
        place = pc.index(minute, minute[-1]).as_py()  # the last minute may go on in the next batch
        if place:
            yield _added(rows.slice(0, place))
        rest = rows.slice(place)
    if rest is not None:
        yield _added(rest)


def _minutes(rows: pa.Table) -> pa.Array:
    return pc.divide(rows.column("ts").chunk(0).cast(pa.int64()), MINUTE)


def _added(rows: pa.Table) -> pa.Table:
    """Whole minutes."""
    rows = rows.combine_chunks()
    column = {name: rows.column(name).chunk(0) for name in READ}
    is_buy = pc.equal(column["taker_side"].cast(pa.string()), "buy")
    amount, span = column["quote_quantity"].cast(_EXACT), pc.add(pc.subtract(column["last_id"], column["first_id"]), 1)
    sided = {"": column["quantity"], "quote_": amount}
    asked = pa.table(
        {
            "minute": _minutes(rows),
            **{name: column[name] for name in ("trade_id", "price", "ts", "first_id", "last_id")},
            **{f"{name}bought": pc.if_else(is_buy, values, None) for name, values in sided.items()},
            **{f"{name}sold": pc.if_else(is_buy, None, values) for name, values in sided.items()},
            "buy_ticks": is_buy.cast(pa.int64()),
            "spanned": span,
            "buy_spanned": pc.if_else(is_buy, span, 0),
        }
    )
    found = asked.group_by("minute", use_threads=False).aggregate(ASKED)
    made = {
        "minute": pc.multiply(found.column("minute"), MINUTE),
        "open": _price_of(column, found.column("trade_id_min")),
        "high": found.column("price_max"),
        "low": found.column("price_min"),
        "close": _price_of(column, found.column("trade_id_max")),
        "bought": found.column("bought_sum"),
        "sold": found.column("sold_sum"),
        "quote_bought": _fitting(found.column("quote_bought_sum")),
        "quote_sold": _fitting(found.column("quote_sold_sum")),
        "least_id": found.column("trade_id_min"),
        "greatest_id": found.column("trade_id_max"),
        "least_first": found.column("first_id_min"),
        "greatest_last": found.column("last_id_max"),
        "first_ts": found.column("ts_min"),
        "last_ts": found.column("ts_max"),
        "ticks": found.column("count_all"),
        "told": found.column("first_id_count"),
        **{name: found.column(f"{name}_sum") for name in ("buy_ticks", "spanned", "buy_spanned")},
    }
    return pa.table([made[name].cast(kind) for name, kind in zip(ADDED, schema().types, strict=True)], schema=schema())


def _price_of(column: dict[str, pa.Array], ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Of one trade a minute, in the order of the minutes: no id stands twice in a month."""
    found = column["price"].filter(pc.is_in(column["trade_id"], ids))
    assert len(found) == len(ids), "an id stands twice"
    return pa.chunked_array([found])


def _fitting(sums: pa.ChunkedArray) -> pa.ChunkedArray:
    """As Spark's `try_sum`: NULL where it does not fit."""
    return pc.if_else(pc.less(sums, pa.scalar(LARGEST, pa.decimal256(39, 18))), sums, None).cast(type_of(AMOUNT))
