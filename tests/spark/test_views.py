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

from jobs.tables.instruments import INSTRUMENTS
from jobs.tables.trades import TRADES
from jobs.transforms.instruments import FACTS
from tests.support import fills as walked
from tests.support.bars import MINUTE, SERIES, Row, minute
from tests.support.fills import book
from tests.support.lines import moment
from tests.support.project import HOME
from tests.support.stories import interpret
from tests.support.tables import assert_rows
from tests.support.views import VIEWS, in_duckdb, in_order, in_spark, of_duckdb, of_spark

MARKET = ("venue", "market", "pair")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AGG = {"feed": "agg_trade"}
MAY, JUNE = "2026-05-01", "2026-06-01"
BITSO = {"venue": "bitso", "pair": "BTC-MXN", "is_complete": None, "missing_trades": None}
ETHER = {"pair": "ETH-USDT"}
DOLLAR, LATE = {"venue": "coinbase", "pair": "BTC-USD"}, {"venue": "coinbase", "pair": "SOL-USD"}

MINUTES: Sequence[Row] = [
    # April: the aggregates have more; the trades have one of two minutes, and it is not complete
    minute("23:50", 1, 4, "100", "101", is_complete=False),
    *(minute(at, 10 * n, 10 * n + 9, "100", **AGG) for n, at in enumerate(("23:50", "23:51", "23:58", "23:59"), 1)),
    # May: as many of both, and as complete: the trades
    *(minute(at, *ids, day=MAY) for at, ids in (("00:00", (5, 5)), ("00:03", (6, 9)))),
    *(minute(at, *ids, day=MAY, **AGG) for at, ids in (("00:00", (50, 59)), ("00:03", (60, 64)))),
    # June: as many complete ones; one has more minutes; in the middle of it its ids began anew
    *(minute(at, *ids, day=JUNE, is_complete=good) for at, ids, good in (("00:00", (20, 29), True), ("00:01", (30, 30), False))),
    minute("00:01", 1, 7, day=JUNE, feed="trade.2", is_complete=False, missing_trades=3),
    minute("00:09", 9, 9, day=JUNE, feed="trade.2"),
    *(minute(at, *ids, day=JUNE, **AGG) for at, ids in (("00:00", (80, 89)), ("00:01", (90, 99)))),
    # as complete, as many minutes, fewer missing; the kind says the rest
    *(
        minute("10:00", 1, 9, missing_trades=told, is_complete=False, feed=feed, **ETHER)
        for feed, told in (("agg_trade", 0), ("trade", 1))
    ),
    *(minute("10:00", 1, 9, day=MAY, feed=feed, **ETHER) for feed in ("zeta", "agg_trade")),
    # days without a row: known to be empty, and not known
    *(
        minute(at, *ids, day=day, **LATE)
        for day, at, ids in (("2026-02-27", "23:58", (1, 2)), ("2026-03-02", "00:01", (3, 3)), ("2026-03-05", "12:00", (9, 9)))
    ),
    *(
        minute(at, *ids, day=day, **BITSO)
        for day, at, ids in (("2026-04-30", "10:00", (7, 7)), ("2026-04-30", "10:03", (8, 9)), (MAY, "10:03", (10, 12)))
    ),
]
BIDS, ASKS = ["59999.9 9", "59990 0.25"], ["60000.1 0.5", "60010 0.25", "61000 7"]
BOOKS: Sequence[Row] = [
    book("10:00:00", BIDS, ASKS),
    book("10:30:00", ["59990 0.1", "59980 9"], ["60010 9"]),
    book("10:30:00", ["59991 9"], ["60009 9"], market="usdm"),
    book("10:00:00", ["60500 9"], ["60005 0.1"], **DOLLAR),
    book("09:31:00", ["60001 0.1"], ["60005 0.1"], **DOLLAR | {"pair": "BTC-USDC"}),
    book("09:29:59.999999", ["70000 9"], ["70001 9"], **DOLLAR | {"pair": "BTC-USDT"}),
    book("10:29:00", [], ["60001 9"], **DOLLAR | {"venue": "kraken"}),
    book("10:29:00", [], [], **DOLLAR | {"venue": "empty"}),
    book("10:30:00", ["60001 9"], ["60000 9"], **DOLLAR | {"venue": "crossed"}),
    book("10:30:00", ["1200000 9"], ["1200001 9"], venue="bitso", pair="BTC-MXN"),
    book("10:10:00", ["3000 90"], ["3001 90"], **ETHER),
]
LISTED: Sequence[Row] = [
    dict.fromkeys(INSTRUMENTS.names)
    | {"venue": "binance", "market": "spot", "symbol": symbol, "recv_ts": moment("00:00:07", day), "status": status}
    | {"pair": pair, "base": pair[:3], "quote": pair[4:], "tick_size": Decimal("0.0100000000")}
    for symbol, pair, day, status in (
        ("BTCUSDT", "BTC-USDT", "2026-04-29", "TRADING"),
        ("BTCUSDT", "BTC-USDT", "2026-04-30", "BREAK"),
        ("ETHUSDT", "ETH-USDT", "2026-04-28", "TRADING"),
    )
]
AMOUNTS = ("49999", "50000", "75000")


def trade(id_: int, at: str, day: str = "2026-04-30", **said: Any) -> Row:  # noqa: ANN401 - columns
    told: Row = dict.fromkeys(TRADES.names) | {"venue": "binance", "market": "spot", "feed": "trade", "pair": "BTC-USDT"}
    ts = moment(at, day)
    told |= {"trade_id": id_, "price": Decimal(100 + id_), "quantity": Decimal("0.5"), "quote_quantity": Decimal(100 + id_) / 2}
    return told | {"taker_side": "buy", "ts": ts, "year": ts.year, "month": ts.month} | said


TRADES_THERE: Sequence[Row] = [
    *(trade(id_, at) for id_, at in ((1, "22:59:00"), (2, "23:00:00"), (3, "23:30:00"), (4, "23:40:00"), (5, "23:50:00"))),
    *(
        trade(id_, at, MAY, last_id=last, first_id=id_, **AGG)
        for id_, at, last in ((6, "00:00:00", 9), (7, "00:00:00", 7), (8, "00:00:01", 8))
    ),
    *(
        trade(id_, "23:59:59", last_id=None, **ETHER, feed=feed)
        for id_, feed in ((3, "trade"), (4, "trade.2"), (5, "zeta"), (6, "zeta"))
    ),
    *(trade(id_, at, venue="bitso", pair="BTC-MXN") for id_, at in ((1, "10:00:00"), (2, "11:00:00"), (3, "11:00:00.000001"))),
]


def imported(at: str, bought: str, average: str | None, **said: Any) -> Row:  # noqa: ANN401 - columns
    told = {
        "venue": "binance",
        "market": "spot",
        "feed": "imported",
        "pair": "BTC-USDT",
        "minute": moment(at),
        "object": "x",
        "line": 2,
    }
    told |= {"buy_trades": 3, "buy_volume": Decimal(bought), "buy_quote_volume": Decimal("100.000000000000000001")}
    told |= {"sell_trades": 0, "sell_volume": Decimal(0), "sell_quote_volume": Decimal(0), "avg_sell_price": None}
    return told | {"avg_buy_price": average and Decimal(average), "year": 2026, "month": 4} | said


IMPORTED: Sequence[Row] = [
    imported("23:49:00", "1.000000005", "100.00000000005"),  # half of the last decimal goes up
    imported("23:50:00", "2", "50"),  # we have that minute
    imported("23:52:00", "0.1234567849999", None),  # we have minutes before and after
    imported("23:50:00", "7", "8", market="usdm"),  # another market's
]
SPREADS: Sequence[Row] = [
    {"venue": "bitso", "market": "spot", "pair": "BTC-MXN", "ts": moment(at), "bid": Decimal(bid), "ask": Decimal(1157300)}
    | {"spread_pct": Decimal(spread), "object": "x", "line": 2, "year": 2026, "month": 4}
    for at, bid, spread in (("22:59:00", "1155350.5", "0.168452"), ("23:00:00", "1157300", "0"))
]
TABLES = {
    "imported_minutes": IMPORTED,
    "imported_spreads": SPREADS,
    "minute_aggregates": MINUTES,
    "order_books": [row | {"bids": None, "asks": None} for row in BOOKS],
    "fills": walked.fills(BOOKS, AMOUNTS),
    "trades": TRADES_THERE,
    "instruments": LISTED,
}


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
