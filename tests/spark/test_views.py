"""The views: the same text in Spark and in DuckDB, over the same rows, held to a plain computation."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

import duckdb
import pytest
from pyspark.sql import SparkSession

from jobs.transforms.instruments import FACTS
from tests.support.bars import MINUTE, SERIES, Row
from tests.support.project import HOME
from tests.support.questions import IMPORTED, LISTED, MINUTES, SPREADS, TABLES, TRADES_THERE
from tests.support.stories import interpret
from tests.support.tables import assert_rows
from tests.support.views import VIEWS, in_duckdb, in_order, in_spark, of_duckdb, of_spark

MARKET = ("venue", "market", "pair")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


# --- what each view has to show


def kind(row: Row) -> str:
    return str(row["feed"]).partition(".")[0]


def grouped(rows: Iterable[Row], *names: str) -> Mapping[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[tuple(row[name] for name in names)].append(row)
    return found


def minute_rows_all() -> list[Row]:
    return told_minutes(MINUTES) + imported_minutes()


def imported_minutes(*, hidden: Sequence[Row] = ()) -> list[Row]:
    """Those of which `hidden` has no row, rounded."""
    known = {tuple(row[name] for name in (*MARKET, "minute")) for row in hidden}
    return [
        row
        | {name: row[name].quantize(Decimal("1e-8"), ROUND_HALF_UP) for name in ("total_btc_b", "total_btc_s")}
        | {name: row[name] and row[name].quantize(Decimal("1e-10"), ROUND_HALF_UP) for name in ("avg_b", "avg_s")}
        for row in told_minutes(IMPORTED)
        if tuple(row[name] for name in (*MARKET, "timestamp")) not in known
    ]


def told_minutes(rows: Sequence[Row]) -> list[Row]:
    names = {"timestamp": "minute"}
    for side, word in (("b", "buy"), ("s", "sell")):
        names |= {f"total_count_{side}": f"{word}_trades", f"total_btc_{side}": f"{word}_volume"}
        names |= {f"total_usd_{side}": f"{word}_quote_volume", f"avg_{side}": f"avg_{word}_price"}
    kept = ("venue", "market", "feed", "pair", "year", "month")
    return [{new: row[old] for new, old in names.items()} | {name: row[name] for name in kept} for row in rows]


def minute_rows() -> list[Row]:
    found: list[Row] = []
    for rows in grouped(MINUTES, *MARKET, "year", "month").values():

        def rank(name: str, rows: Sequence[Row] = rows) -> tuple[Any, ...]:
            here = [row for row in rows if kind(row) == name]
            complete = sum(bool(row["is_complete"]) for row in here)
            return -complete, -len(here), sum(row["missing_trades"] or 0 for row in here), name != "trade", name

        best = min({kind(row) for row in rows}, key=rank)
        found += [row for row in rows if kind(row) == best]
    return told_minutes(found) + imported_minutes(hidden=MINUTES)


LENGTHS = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "6h": 360,
    "8h": 480,
    "12h": 720,
    "1d": 1440,
}


def candles() -> list[Row]:
    shown = {(*(row[name] for name in SERIES), row["timestamp"]) for row in minute_rows()}
    found = list[Row]()
    for width, length in LENGTHS.items():
        there: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in sorted(MINUTES, key=itemgetter("minute")):
            series = tuple(row[name] for name in SERIES)
            if (*series, row["minute"]) in shown:
                day = row["minute"].replace(hour=0, minute=0)
                there[*series, day + (row["minute"] - day) // (length * MINUTE) * (length * MINUTE)].append(row)
        for (*series, start), rows in there.items():
            told = dict(zip(SERIES, series, strict=True)) | {"width": width, "start": start}
            told |= {"open": rows[0]["open"], "close": rows[-1]["close"]}
            told |= {"high": max(row["high"] for row in rows), "low": min(row["low"] for row in rows)}
            for name in ("volume", "quote_volume"):
                told[name] = None if any(row[name] is None for row in rows) else sum(row[name] for row in rows)
            told |= {"trades": sum(row["trades"] for row in rows), "minutes": len(rows)}
            told["complete"] = sum(bool(row["is_complete"]) for row in rows)
            missing = [row["missing_trades"] for row in rows if row["missing_trades"] is not None]
            told["missing_trades"] = sum(missing) if missing else None
            found.append(told | {"year": start.year, "month": start.month})
    return found


def spreads() -> list[Row]:
    names = {"timestamp": "recv_ts", "pair": "pair", "bid": "best_bid", "ask": "best_ask", "spread": "spread_pct"}
    kept = ("venue", "market", "state", "source", "year", "month")
    ours = [{new: row[old] for new, old in names.items()} | {name: row[name] for name in kept} for row in TABLES["order_books"]]
    names |= {"timestamp": "ts", "bid": "bid", "ask": "ask"}
    states = {"22:59:00": "ok", "23:00:00": "crossed"}
    return ours + [
        {new: row[old] for new, old in names.items()}
        | {name: row[name] for name in ("venue", "market", "year", "month")}
        | {"state": states[f"{row['ts']:%H:%M:%S}"], "source": "imported"}
        for row in SPREADS
    ]


def instruments_now() -> list[Row]:
    told = ("venue", "market", "symbol", *FACTS)
    newest = {row["symbol"]: row for row in sorted(LISTED, key=lambda row: row["recv_ts"])}
    return [{name: row[name] for name in told} | {"since": row["recv_ts"]} for row in newest.values()]


FILL = (
    "notional",
    "average_price",
    "worst_price",
    "levels",
    "cost",
    "filled",
    "slippage_pct",
    "is_full",
    "is_cut",
    "state",
    "recv_ts",
)


def optimal_transactions() -> list[Row]:
    names = (*MARKET, "side", *FILL, "year", "month")
    newest = (max(rows, key=itemgetter("recv_ts"))["recv_ts"] for rows in grouped(TABLES["fills"], *MARKET).values())
    of_market = zip(grouped(TABLES["fills"], *MARKET).values(), newest, strict=True)
    return [{name: row[name] for name in names} for rows, at in of_market for row in rows if row["recv_ts"] == at]


def where_to(side: str) -> list[Row]:
    now = [row for row in optimal_transactions() if row["side"] == side and row["pair"].split("-")[1] in ("USD", "USDT", "USDC")]
    fresh = [row for row in now if row["recv_ts"] >= max(other["recv_ts"] for other in now) - HOUR and row["notional"] == 50_000]
    sign, found = 1 if side == "buy" else -1, list[Row]()
    best = [(not row["is_full"], row["average_price"] is None, sign * (row["average_price"] or 0)) for row in fresh]
    ordered = sorted(
        zip(best, fresh, strict=True), key=lambda one: (one[1]["pair"].split("-")[0], *one[0], *itemgetter(*MARKET)(one[1]))
    )
    for base, rows in groupby((row for _, row in ordered), key=lambda row: row["pair"].split("-")[0]):
        found += [{"base": base, "place": n} | {name: row[name] for name in (*MARKET, *FILL)} for n, row in enumerate(rows, 1)]
    return found


def recent_transactions() -> list[Row]:
    names = ("ts", "taker_side", "price", "quantity", "quote_quantity", "feed", "trade_id")
    found: list[Row] = []
    for key, rows in sorted(grouped(TRADES_THERE, *MARKET).items()):
        near = [row for row in rows if row["ts"] > max(other["ts"] for other in rows) - HOUR]

        def rank(name: str, near: Sequence[Row] = near) -> tuple[Any, ...]:
            told = sum(row["last_id"] - row["first_id"] + 1 if row["last_id"] else 1 for row in near if kind(row) == name)
            return -told, name != "trade", name

        best = min({kind(row) for row in near}, key=rank)
        shown = sorted((row for row in near if kind(row) == best), key=itemgetter("ts", "trade_id"), reverse=True)
        market = dict(zip(MARKET, key, strict=True))
        found += [market | {"place": place} | {name: row[name] for name in names} for place, row in enumerate(shown, 1)]
    return found


def empty_minutes() -> list[Row]:
    found: list[Row] = []
    for key, rows in grouped(MINUTES, *SERIES).items():
        for before, after in pairwise(sorted(rows, key=itemgetter("minute"))):
            if before["is_complete"] is not None and after["first_id"] == before["last_id"] + 1:
                between = (after["minute"] - before["minute"]) // MINUTE
                found += [
                    dict(zip(SERIES, key, strict=True)) | {"minute": before["minute"] + n * MINUTE} for n in range(1, between)
                ]
    return found


KNOWN = {True: "complete", False: "incomplete", None: "unknown"}


def minute_coverage() -> list[Row]:
    there = [
        {name: row[name] for name in (*SERIES, "minute")}
        | {"known": KNOWN[row["is_complete"]], "missing_trades": row["missing_trades"]}
        for row in MINUTES
    ]
    return there + [row | {"known": "empty", "missing_trades": 0} for row in empty_minutes()]


def coverage_by_day() -> list[Row]:
    found: list[Row] = []
    for key, rows in grouped(minute_coverage(), *SERIES).items():
        days = [row["minute"].date() for row in rows]
        for n in range((max(days) - min(days)).days + 1):
            day = min(days) + n * DAY
            here = [row for row in rows if row["minute"].date() == day]
            told = {word: sum(row["known"] == word for row in here) for word in ("complete", "incomplete", "empty")}
            missing = [row["missing_trades"] for row in here if row["missing_trades"] is not None]
            row = dict(zip(SERIES, key, strict=True)) | {"day": day} | told | {"unknown": 1440 - sum(told.values())}
            found.append(row | {"missing_trades": sum(missing) if missing else None})
    return found


ORDERED: Mapping[str, Callable[[], list[Row]]] = {
    "where_to_buy_now": lambda: where_to("buy"),
    "where_to_sell_now": lambda: where_to("sell"),
    "recent_transactions": recent_transactions,
}
EXPECTED: Mapping[str, Callable[[], list[Row]]] = {
    **ORDERED,
    **{
        view.__name__: view
        for view in (
            candles,
            instruments_now,
            minute_rows,
            minute_rows_all,
            spreads,
            optimal_transactions,
            minute_coverage,
            coverage_by_day,
        )
    },
}


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with in_duckdb(TABLES) as made:
        yield made


@pytest.fixture
def tables(spark: SparkSession) -> SparkSession:
    interpret(spark)
    in_spark(spark, TABLES)
    return spark


def test_every_view_has_its_expectation():
    assert sorted(EXPECTED) == sorted(VIEWS)


@pytest.mark.parametrize("name", EXPECTED)
def test_duckdb_shows_what_a_plain_computation_shows(database: duckdb.DuckDBPyConnection, name: str):
    found, right = of_duckdb(database, name), EXPECTED[name]()
    assert len(right) > 1
    if name in ORDERED:
        assert found == right
    else:
        assert_rows(found, right, key(name))


def key(name: str) -> Sequence[str]:
    keys = {
        "optimal_transactions": (*MARKET, "side", "notional"),
        "candles": (*SERIES, "width", "start"),
        "coverage_by_day": (*SERIES, "day"),
        "instruments_now": ("venue", "market", "symbol"),
        "minute_coverage": (*SERIES, "minute"),
    }
    return keys.get(name, (*MARKET, "timestamp", *(["feed"] if name.startswith("minute_rows") else [])))


def test_spark_shows_the_same(database: duckdb.DuckDBPyConnection, tables: SparkSession):
    for name in VIEWS:
        found, there = of_spark(tables, name), of_duckdb(database, name)
        assert [list(row) for row in found[:1]] == [list(row) for row in there[:1]]
        assert (found if name in ORDERED else in_order(found)) == (there if name in ORDERED else in_order(there)), name
    for sql in re.findall(r"```sql\n(.*?)```", (HOME / "docs/views.md").read_text(), re.DOTALL):
        tables.sql(sql)
