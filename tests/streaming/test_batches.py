"""Batches on real Delta tables, held to a plain computation over the same landing objects: whole rows, all columns."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.landing import Files
from ingest.simulator.landed import objects
from ingest.simulator.listings import Listing
from ingest.simulator.market import market
from jobs.queries.trades import Trades
from tests.support.lines import micros
from tests.support.oracle import Oracle
from tests.support.stream import driver, take
from tests.support.tables import assert_tables

SMALL = (
    Listing("binance", "spot", "BTC-USDT", 6_180_000, 2, 800, 5, 720),
    Listing("binance", "spot", "PEPE-USDT", 1_234, 8, 900_000, 0, 480),
    Listing("binance", "usdm", "BTC-USDT", 618_300, 1, 20, 3, 720),
    Listing("coinbase", "spot", "BTC-USD", 6_182_000, 2, 900_000, 8, 480),
    Listing("bitso", "spot", "BTC-MXN", 116_500_000, 2, 400_000, 8, 480),
)
PARTS = ("control", "trades", "duplicates", "conflicts", "quarantined")


def small_market(minutes: int = 4, seed: int = 7) -> dict[str, bytes]:
    """A few minutes of several venues, across the end of a month."""
    start = micros("23:58:00")
    return dict(objects(market(seed, start, start + minutes * 60_000_000, listings=SMALL)))


def land(lake: Path, landed: Mapping[str, bytes]) -> None:
    for key, data in landed.items():
        Files(lake).create(key, data)


def feed(query: Trades, oracle: Oracle, landed: Mapping[str, bytes], batches: Sequence[Sequence[str]]) -> list[Mapping[str, Any]]:
    """The same batches to both; each record is held to the oracle's counts."""
    records = []
    for number, keys in enumerate(batches):
        record = take(query, keys, number)
        told = oracle.batch({key: landed[key] for key in keys})
        assert accounted(record) == told, record
        records.append(record)
    return records


def accounted(record: Mapping[str, Any]) -> dict[str, int]:
    """A batch's record in the oracle's words."""
    return {
        "items": record["items"],
        "control": record["control"],
        "trades": record["fresh"] + record.get("late", 0),
        "duplicates": record.get("duplicates", 0) + record.get("replayed", 0),
        "conflicts": record.get("conflicts", 0),
        "quarantined": record.get("quarantined", 0),
    }


def test_one_batch_of_all_venues(spark: SparkSession, lake: Path):
    landed = small_market()
    land(lake, landed)
    oracle = Oracle()
    with driver(spark, lake) as query:
        query.start()
        record, = feed(query, oracle, landed, [list(landed)])
        assert_tables(query, oracle, open_too=False)
        query.close()
        assert_tables(query, oracle, open_too=True)
    assert record["items"] == sum(accounted(record)[part] for part in PARTS) == len(oracle.trades)
