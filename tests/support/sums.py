"""Trades of a month of history, odd ones among them; and what each minute of them comes to, by a plain computation."""

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.history.columns import TRADE_SCHEMA, writing

START, MINUTE = 1_767_225_600_000_000, 60_000_000  # 1 January 2026, in microseconds
LARGE = Decimal("99999999999999999999.999999999999999999")  # the largest amount there is
Row = dict[str, Any]


def trades(seed: int, count: int) -> list[Row]:
    """In the order of time and id. Ids do not rise with the time within a minute; some amounts are as large as they can be."""
    random, found, at = Random(seed), list[Row](), START  # noqa: S311 - trades, no secret
    ids = sorted(random.sample(range(1, 10 * count), count))
    for start in range(0, count, 4):
        part = ids[start : start + 4]
        ids[start : start + 4] = random.sample(part, len(part))
    for id_ in ids:
        at += random.choice([0, 1, 1_000, 20_000_000, 150_000_000])
        price, quantity = Decimal(random.randrange(1, 10**14)).scaleb(-10), Decimal(random.randrange(1, 10**10)).scaleb(-8)
        with localcontext(prec=60):
            amount = LARGE if random.random() < 0.05 else price * quantity
        first, last = random.choice([None, 3 * id_]), random.choice([None, 3 * id_, 3 * id_ + 2])
        found.append(
            {
                "venue": "binance",
                "market": "spot",
                "feed": "agg_trade",
                "trade_id": id_,
                "price": price,
                "quantity": quantity,
                "quote_quantity": amount,
                "taker_side": random.choice(["buy", "sell"]),
                "ts": at,
                "first_id": first,
                "last_id": last,
            }
        )
    return sorted(found, key=lambda row: (row["ts"], row["trade_id"]))


def write(rows: Sequence[Row], into: Path) -> None:
    """As history has them."""
    table = pa.table(
        [pa.array([row.get(one.name) for row in rows], _plain(one.type)).cast(one.type) for one in TRADE_SCHEMA],
        schema=TRADE_SCHEMA,
    )
    pq.write_table(table, into, **writing(TRADE_SCHEMA))


def expected(rows: Sequence[Row]) -> list[Row]:
    """The sums, minute by minute."""
    return [_added(minute, list(mine)) for minute, mine in groupby(rows, key=lambda row: row["ts"] // MINUTE)]


def _added(minute: int, rows: Sequence[Row]) -> Row:
    by_id = sorted(rows, key=lambda row: row["trade_id"])
    buys, sells = ([row for row in rows if row["taker_side"] == side] for side in ("buy", "sell"))
    first, last = ([row[name] for row in rows if row[name] is not None] for name in ("first_id", "last_id"))
    prices = [row["price"] for row in rows]
    return {
        "minute": minute * MINUTE,
        "open": by_id[0]["price"],
        "high": max(prices),
        "low": min(prices),
        "close": by_id[-1]["price"],
        "bought": _sum(buys, "quantity"),
        "sold": _sum(sells, "quantity"),
        "quote_bought": _sum(buys, "quote_quantity"),
        "quote_sold": _sum(sells, "quote_quantity"),
        "least_id": by_id[0]["trade_id"],
        "greatest_id": by_id[-1]["trade_id"],
        "least_first": min(first, default=None),
        "greatest_last": max(last, default=None),
        "first_ts": min(row["ts"] for row in rows),
        "last_ts": max(row["ts"] for row in rows),
        "ticks": len(rows),
        "buy_ticks": len(buys),
        "told": len(first),
        "spanned": _whole(map(_span, rows)),
        "buy_spanned": _whole(0 if row["taker_side"] == "sell" else _span(row) for row in rows),
    }


def _span(row: Row) -> int | None:
    return None if row["first_id"] is None or row["last_id"] is None else row["last_id"] - row["first_id"] + 1


def _whole(numbers: Iterable[int | None]) -> int | None:
    """None: there is none."""
    told = [number for number in numbers if number is not None]
    return sum(told) if told else None


def _sum(rows: Sequence[Row], name: str) -> Decimal | None:
    """None: nothing, or more than fits."""
    with localcontext(prec=60):
        found = sum((row[name] for row in rows), Decimal(0))
    return found if rows and found < 10**20 else None


def _plain(kind: pa.DataType) -> pa.DataType:
    """What Python's values become first."""
    if pa.types.is_dictionary(kind):
        return pa.string()
    return pa.int64() if pa.types.is_timestamp(kind) else kind
