"""Trades to minutes: what a minute's own trades tell, held to a plain Decimal computation; whole rows, one Spark job."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from ingest.exchanges import EXCHANGES
from jobs.tables.trades import TRADES
from jobs.transforms.minutes import KEY, VALUES, minutes, quotient
from tests.support import oracle
from tests.support.lines import moment
from tests.support.tables import assert_rows, rows_of

SCHEMA = ", ".join(f"`{column.name}` {column.type}" for column in TRADES.columns)


def trade(id_: int, at: str, price: str, quantity: str, side: str = "buy", **said: object) -> dict[str, Any]:
    """A row of `trades`, of a feed of its own unless told otherwise."""
    row = dict.fromkeys(TRADES.names) | {"venue": "binance", "market": "spot", "feed": "trade", "trade_id": id_}
    row |= {
        "price": Decimal(price),
        "quantity": Decimal(quantity),
        "taker_side": side,
        "ts": moment(at),
        "year": 2026,
        "month": 4,
    }
    with localcontext(prec=60):
        return row | {"quote_quantity": row["price"] * row["quantity"]} | said


def aggregate(id_: int, first: int, last: int, **said: object) -> dict[str, Any]:
    return trade(id_, "10:00:00", "5", "1", **({"feed": "agg_trade", "first_id": first, "last_id": last} | said))


# pair -> its trades; the pair says what they are about
STORIES: Mapping[str, Sequence[dict[str, Any]]] = {
    "TIES-BY-ID": [trade(3, "10:00:01", "9", "1"), trade(1, "10:00:01", "10", "1"), trade(2, "10:00:01", "11", "1", "sell")],
    "ID-BEFORE-TIME": [trade(2, "10:00:01", "9", "1"), trade(1, "10:00:02", "10", "2")],
    "EDGES-OF-MINUTES": [
        trade(1, "10:00:59.999", "9", "1"),
        trade(2, "10:01:00", "10", "1"),
        trade(3, "10:01:59.999999", "11", "1"),
    ],
    "EIGHT-DECIMALS": [trade(1, "10:00:00", "0.00001234", "1000000"), trade(2, "10:00:01", "0.00001235", "3000000", "sell")],
    "ROUND-HALFUP": [trade(1, "10:00:00", "0.0000000001", "1"), trade(2, "10:00:01", "0.0000000002", "1")],
    "ROUND-THIRDS": [trade(1, "10:00:00", "0.0000000001", "1"), trade(2, "10:00:01", "0.0000000002", "2")],
    "NO-BUYS": [trade(1, "10:00:00", "9", "1", "sell"), trade(2, "10:00:01", "10", "2", "sell")],
    "NO-SELLS": [trade(1, "10:00:00", "9", "1"), trade(2, "10:00:01", "10", "2")],
    "SUM-TOO-BIG": [trade(id_, "10:00:00", "1000000", "99999999999999", ("buy", "sell")[id_ % 2]) for id_ in (1, 2, 3, 4)],
    "EACHSIDE-FITS": [trade(id_, "10:00:00", "900000", "99999999999999", ("buy", "sell")[id_ % 2]) for id_ in (1, 2)],
    "BIG-YET-FITS": [
        trade(1, "10:00:00", "1000000", "99999999999999"),
        trade(2, "10:00:01", "0.0000000001", "0.00000001", "sell"),
    ],
    "SPOT-AGGREGATES": [aggregate(7, 100, 104), aggregate(8, 105, 105, taker_side="sell")],
    "FUTURES-AGGREGATES": [aggregate(7, 100, 104, market="usdm"), aggregate(8, 109, 110, market="usdm", taker_side="sell")],
    "SECOND-EPOCH": [aggregate(7, 100, 104, feed="agg_trade.2")],
    "OTHER-FEED": [aggregate(7, 100, 104), trade(7, "10:00:00", "6", "2")],
    "NOT-DENSE": [trade(7, "10:00:00", "5", "1", venue="bitso"), trade(70, "10:00:01", "6", "1", venue="bitso")],
}
ROWS = [row | {"pair": pair} for pair, rows in STORIES.items() for row in rows]


@pytest.fixture(scope="module")
def made(spark: SparkSession) -> list[dict[str, Any]]:
    trades = spark.createDataFrame([tuple(row[name] for name in TRADES.names) for row in ROWS], SCHEMA)
    return rows_of(minutes(trades, EXCHANGES))


@pytest.mark.parametrize("pair", STORIES)
def test_minutes_are_what_their_trades_say(made: list[dict[str, Any]], pair: str):
    feeds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in ROWS:
        if row["pair"] == pair:
            feeds.setdefault((row["venue"], row["market"], row["feed"]), []).append(row)
    expected = [minute for rows in feeds.values() for minute in oracle.minutes(rows, set(), EXCHANGES)]
    columns = (*KEY, *VALUES)
    assert_rows([row for row in made if row["pair"] == pair], [{name: row[name] for name in columns} for row in expected], KEY)


VWAPS = {"EIGHT-DECIMALS": "0.0000123475", "ROUND-HALFUP": "2e-10", "ROUND-THIRDS": "2e-10"}


def test_some_minutes_by_hand(made: list[dict[str, Any]]):
    """So that the computation beside it is held to something, too."""
    by_pair = {row["pair"]: row for row in made}
    # (12.34 + 37.05) / 4,000,000; (1 + 2) / 2 and (1 + 4) / 3 of the tenth decimal
    vwaps = {pair: Decimal(text) for pair, text in VWAPS.items()}
    assert {pair: by_pair[pair]["vwap"] for pair in vwaps} == vwaps
    futures, spot = by_pair["FUTURES-AGGREGATES"], by_pair["SPOT-AGGREGATES"]
    assert [(row["trades"], row["buy_trades"], row["sell_trades"], row["ticks"]) for row in (spot, futures)] == [
        (6, 5, 1, 2),
        (2, 1, 1, 2),
    ]
    assert [(row["first_trade_id"], row["last_trade_id"], row["first_id"], row["last_id"]) for row in (spot, futures)] == [
        (100, 105, 7, 8),
        (100, 110, 7, 8),
    ]
    ties = by_pair["TIES-BY-ID"]
    assert [ties[name] for name in ("open", "high", "low", "close")] == [10, 11, 9, 9]
    assert by_pair["NO-BUYS"]["avg_buy_price"] is None
    assert (by_pair["NO-BUYS"]["buy_volume"], by_pair["NO-BUYS"]["sell_volume"]) == (0, 3)
    assert [by_pair["SUM-TOO-BIG"][name] for name in ("quote_volume", "vwap", "close")] == [None, None, 1_000_000]


QUOTIENTS = {
    "half up at the tenth decimal": ("1.00000000005", "1", "1.0000000001"),
    "less than half": ("1.00000000004999", "1", "1.0000000000"),
    "23 decimals are kept before the second rounding": ("0.000000000149999999", "1", "0.0000000001"),
    "the greatest price": ("9999999999.9999999999", "1", "9999999999.9999999999"),
    "rounded beyond the greatest": ("9999999999.99999999995", "1", None),
    "more than a price can be": ("10000000000", "1", None),
    "more than 38 digits hold": ("99999999999999999999", "0.00000001", None),
    "nothing traded": ("1", "0", None),
    "unknown": (None, "1", None),
}


def test_quotients(spark: SparkSession):
    rows = [
        Row(amount=None if amount is None else Decimal(amount), quantity=Decimal(quantity), case=case)
        for case, (amount, quantity, _) in QUOTIENTS.items()
    ]
    asked = spark.createDataFrame(rows, "amount DECIMAL(38,18), quantity DECIMAL(30,8), case STRING")
    found = {
        row["case"]: row["q"] for row in asked.select("case", quotient(F.col("amount"), F.col("quantity")).alias("q")).collect()
    }
    assert found == {case: None if right is None else Decimal(right) for case, (_, _, right) in QUOTIENTS.items()}
    assert {case: oracle.quotient(row["amount"], row["quantity"]) for case, row in zip(QUOTIENTS, rows, strict=True)} == found


def test_a_minute_begins_when_it_begins(made: list[dict[str, Any]]):
    edges = [row for row in made if row["pair"] == "EDGES-OF-MINUTES"]
    assert [
        (row["minute"], row["ticks"], row["last_ts"] - row["minute"]) for row in sorted(edges, key=lambda row: row["minute"])
    ] == [
        (moment("10:00:00"), 1, timedelta(seconds=59, milliseconds=999)),
        (moment("10:01:00"), 2, timedelta(seconds=59, microseconds=999_999)),
    ]
