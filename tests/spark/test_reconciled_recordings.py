"""Recorded trades and the exchange's own candles of the same minutes: equal, but for the one aggregate that is known to straddle."""

import csv
import gzip
import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from jobs.runtime.frames import frame
from jobs.tables.klines import KLINES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.transforms.reconciliation import COVERED, reconciled
from tests.support.lines import EPOCH
from tests.support.reconciliation import SERIES, Fill, Row, minutes
from tests.support.stories import interpret
from tests.support.tables import rows_of

BITCOIN, ETHER = "pairs/usdm_btcusdt_20240808", "pairs/usdm_ethusdt_20230202"


def fill(id_: str, ms: str, price: str, quantity: str, side: str) -> Fill:
    return Fill(int(id_), EPOCH + timedelta(milliseconds=int(ms)), Decimal(price), Decimal(quantity), side, int(id_))


def recorded_trades(folder: Path) -> list[Fill]:
    with gzip.open(folder / "trades_only.frames.jsonl.gz", "rt") as file:
        told = [json.loads(line.partition(" ")[2])["data"] for line in file]
    return [fill(one["t"], one["T"], one["p"], one["q"], "sell" if one["m"] else "buy") for one in told]


def recorded_aggregates(folder: Path) -> list[Fill]:
    with gzip.open(folder / "public_trades_list.csv.gz", "rt") as file:
        return [fill(*(one[name] for name in ("id", "timestamp", "price", "amount", "side"))) for one in csv.DictReader(file)]


def recorded_candles(folder: Path, pair: str) -> list[Row]:
    told: list[Row] = []
    with (folder / "exchange_klines_1m.csv").open() as file:
        for one in csv.DictReader(file):
            at = EPOCH + timedelta(milliseconds=int(one["open_time"]))
            row = dict.fromkeys(KLINES.names) | {
                "venue": "binance",
                "market": "usdm",
                "pair": pair,
                "width": "1m",
                "open_time": at,
            }
            row |= {name: Decimal(value) for name, value in one.items() if name in KLINES.names and "time" not in name}
            told.append(row | {"trades": int(one["count"]), "year": at.year, "month": at.month})
    return told


@pytest.fixture(scope="module")
def made(spark: SparkSession, recordings: Path) -> dict[str, dict[str, Row]]:
    """Pair -> minute, such as 23:55 -> the row."""
    interpret(spark)
    ours = minutes(recorded_trades(recordings / BITCOIN), "trade", market="usdm")
    ours += minutes(recorded_aggregates(recordings / ETHER), "agg_trade", market="usdm", pair="ETH-USDT")
    theirs = recorded_candles(recordings / BITCOIN, "BTC-USDT") + recorded_candles(recordings / ETHER, "ETH-USDT")
    own, its = (_frame(spark, table, rows) for table, rows in ((MINUTE_AGGREGATES, ours), (KLINES, theirs)))
    ends: dict[tuple[str, ...], list[Any]] = {}
    for row in ours:
        ends.setdefault(tuple(row[name] for name in SERIES), []).append(row["minute"])
    covers = frame(spark, [(*series, min(times), max(times)) for series, times in ends.items()], COVERED)
    found: dict[str, dict[str, Row]] = {}
    for row in rows_of(reconciled(own, its, covers, EXCHANGES)):
        found.setdefault(row["pair"], {})[f"{row['minute']:%H:%M}"] = row
    return found


def _frame(spark: SparkSession, table: Any, rows: Sequence[Row]) -> Any:  # noqa: ANN401 - a table, a frame
    schema = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
    return spark.createDataFrame([tuple(row.get(name) for name in table.names) for row in rows], schema)


def test_trades_give_the_exchanges_minutes(made: dict[str, dict[str, Row]]):
    """23:54 begins within the recording."""
    rows = made["BTC-USDT"]
    assert {at: row["verdict"] for at, row in rows.items()} == {"23:54": "missing_trades"} | {
        f"23:5{at}": "equal" for at in range(5, 10)
    }
    assert {row["trades_diff"] for at, row in rows.items() if at != "23:54"} == {0}
    assert rows["23:54"]["trades_diff"] < 0


def test_aggregates_do_but_for_the_one_over_an_edge(made: dict[str, dict[str, Row]]):
    """0.07 of the aggregate of 09:20:59.977, sold at 1667.23, is in the candle of 09:21. In 09:23 the recording ends."""
    rows = made["ETH-USDT"]
    assert {at: row["verdict"] for at, row in rows.items()} == {
        "09:20": "straddle",
        "09:21": "straddle",
        "09:22": "equal_uncounted",
        "09:23": "open",
    }
    amount = Decimal("0.07")
    for at, sign in (("09:20", 1), ("09:21", -1)):
        row = rows[at]
        assert (row["volume_diff"], row["quote_volume_diff"]) == (sign * amount, sign * amount * Decimal("1667.23"))
        assert {row[f"{name}_diff"] for name in ("open", "high", "low", "close", "buy_volume", "buy_quote_volume")} == {0}
        assert [f"{row[end]:%H:%M}" for end in ("straddle_from", "straddle_to")] == ["09:20", "09:21"]
    assert (rows["09:20"]["own_trades"], rows["09:20"]["exchange_trades"], rows["09:20"]["trades_diff"]) == (265, 809, None)
