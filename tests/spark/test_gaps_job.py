"""The ledger of holes: what is missing is in it once, whatever came in which order, and says how it was closed."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.support.ledgers import BITCOIN, Tape
from tests.support.stories import interpret

IDS = ("pair", "before_id", "after_id", "first_missing_id", "last_missing_id", "missing")
END = ("before_id", "state", "repaired_rows", "missing")


@pytest.fixture
def tape(spark: SparkSession, lake: Path) -> Tape:
    interpret(spark)
    return Tape(spark, lake)


def test_a_hole_is_found_followed_and_closed(tape: Tape):
    tape.trade(BITCOIN, *range(1, 8), *range(12, 20), *range(21, 30), 100)
    assert tape.run() == {"minutes": "all", "found": 2, "halts": 0, "closed": 0, "open": 2, "missing": 5, "beyond_repair": 0}
    assert tape.rows(*IDS) == [("BTC-USDT", 7, 12, 8, 11, 4), ("BTC-USDT", 19, 21, 20, 20, 1)]
    tape.trade(BITCOIN, 9, 10, source="rest")
    tape.trade(BITCOIN, 20, source="dump")
    assert tape.run() | {"found": 0, "closed": 1, "open": 1, "missing": 2} == tape.run() | {"closed": 1, "open": 1, "missing": 2}
    assert tape.rows(*END) == [(7, "open", 2, 2), (19, "repaired_dump", 1, 0)]
