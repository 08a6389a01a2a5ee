"""Minutes to bars, held to a plain computation: whole rows, one Spark job."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.runtime.frames import frame
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.transforms.bars import KEY, VALUES, bars, percent
from tests.support import bars as oracle
from tests.support.bars import Row, minute
from tests.support.lines import moment
from tests.support.tables import assert_rows, rows_of
from tests.support.written import frame_of

WIDTHS = {"5m": 5, "1h": 60, "1d": 1440, "7d": 10_080}
HUGE = {"buy_quote_volume": Decimal(6) * 10**19}
FULL = {"buy_volume": Decimal("9999999999999999999999.99999999")}
NO_SUM = dict.fromkeys(("quote_volume", "buy_quote_volume"))


def run(*ids: int, at: Sequence[str], **said: Any) -> list[Row]:  # noqa: ANN401 - columns
    """Minutes that follow each other: from one of these ids to the next."""
    return [minute(time, low, high - 1, **said) for time, (low, high) in zip(at, pairwise(ids), strict=True)]


EDGES = ("09:59", "10:00", "10:01", "10:04", "10:05", "10:06")
NOT_DENSE = {"venue": "bitso", "is_complete": None, "missing_trades": None}
# pair -> its minutes; the pair says what they are about
STORIES: Mapping[str, Sequence[Row]] = {
    "WHOLE-BAR": run(1, 3, 6, 7, 9, 10, 12, at=EDGES),
    "HOLE-INSIDE": [*run(1, 3, 6, 7, 9, 10, at=EDGES[:5]), minute("10:06", 12, 15, missing_trades=2)],
    "HOLE-BELOW": [minute("09:59", 1, 2), *run(4, 6, 8, 9, 12, at=EDGES[1:5])],
    "HOLE-ABOVE": [*run(1, 3, 6, 7, 9, at=EDGES[:4]), *run(10, 12, 13, at=EDGES[4:])],
    "FLAG-INSIDE": [*run(1, 3, 6, at=EDGES[:2]), minute("10:01", 6, 7, is_complete=False), *run(8, 9, 10, at=EDGES[3:5])],
    "NO-NEIGHBOURS": run(1, 3, 6, at=EDGES[1:3]),
    "IDS-AGAINSTTIME": [minute("10:00", 5, 9, "7", "8"), minute("10:01", 1, 4, "1", "2"), minute("10:05", 10, 12)],
    "WEEK-BETWEEN": [minute("09:59", 1, 2, day="2026-04-16"), *run(3, 5, 6, at=("09:59", "10:00"), day="2026-04-23")],
    "MORE-THANWEEK": [minute("09:59", 1, 2, day="2026-04-16"), *run(3, 5, 6, at=("10:00", "10:05"), day="2026-04-23")],
    "MONTHS-EDGE": [minute("23:58", 1, 4), minute("23:59", 5, 5), *run(6, 8, 9, at=("00:00", "00:05"), day="2026-05-01")],
    "YEARS-EDGE": [minute("23:59", 1, 4, day="2025-12-31"), minute("00:00", 5, 5, day="2026-01-01")],
    "NOT-DENSE": [minute("10:00", 3, 90, **NOT_DENSE), minute("10:01", 91, 95, **NOT_DENSE)],
    "HALF-DENSE": [minute("10:00", 3, 90, **NOT_DENSE), minute("10:01", 91, 95, venue="bitso")],
    "OTHER-SERIES": [
        minute("10:00", 1, 2, "5"),
        minute("10:00", 1, 2, "6", feed="agg_trade"),
        minute("10:00", 1, 2, "7", market="usdm"),
        minute("10:00", 1, 2, "8", venue="coinbase"),
    ],
    "NOT-TOLD": [minute("10:00", 1, 2, first_trade_id=None), minute("10:01", 3, 4, last_trade_id=None)],
    "SUM-TOOBIG": [minute("10:00", 1, 2, **HUGE), minute("10:01", 3, 4, **HUGE), minute("10:05", 5, 6, **HUGE)],
    "PART-TOOBIG": [minute("10:00", 1, 2, **NO_SUM), minute("10:01", 3, 4)],
    "VOLUME-TOOBIG": [minute("10:00", 1, 2, **FULL, volume=None), minute("10:05", 3, 4, **FULL, volume=None)],
    "NO-BUYS": [minute("10:00", 1, 1), minute("10:01", 2, 2)],
    "PRICE-DOWN": [minute("10:00", 1, 3, "3", "4", "2")],
    "PRICE-THIRD": [minute("10:00", 1, 3, "3", "5")],
    "CHANGE-TOOBIG": [minute("10:00", 1, 3, "0.0001", "1000000"), minute("10:05", 4, 5, "0.0001", "1.0000999")],
    "OPEN-ZERO": [minute("10:00", 1, 3, "0", "1")],
}
ROWS = [row | {"pair": pair} for pair, rows in STORIES.items() for row in rows]


@pytest.fixture(scope="module")
def made(spark: SparkSession) -> list[dict[str, Any]]:
    return rows_of(bars(frame_of(spark, MINUTE_AGGREGATES, ROWS), WIDTHS))


@pytest.mark.parametrize("pair", STORIES)
def test_bars_are_what_their_minutes_say(made: list[dict[str, Any]], pair: str):
    expected = oracle.bars([row for row in ROWS if row["pair"] == pair], list(WIDTHS))
    assert_rows([row for row in made if row["pair"] == pair], expected, KEY)


def test_the_columns_are_those_of_the_table(made: list[dict[str, Any]]):
    assert list(made[0]) == [*KEY, *VALUES, "year", "month"]


COMPLETE = {
    "WHOLE-BAR": [False, True, False],
    "HOLE-INSIDE": [False, True, False],
    "HOLE-BELOW": [False, False, False],
    "HOLE-ABOVE": [False, False, False],
    "FLAG-INSIDE": [False, False, False],
    "NO-NEIGHBOURS": [False],
    "IDS-AGAINSTTIME": [False, False],
    "WEEK-BETWEEN": [False, True, False],
    "MORE-THANWEEK": [False, False, False],
    "MONTHS-EDGE": [False, True, False],
    "NOT-DENSE": [None],
}


def test_some_bars_by_hand(made: list[dict[str, Any]]):
    """So that the computation beside it is held to something, too."""
    by_width = {
        (pair, width): sorted(
            (row for row in made if (row["pair"], row["width"]) == (pair, width)), key=lambda row: [row["feed"], row["start"]]
        )
        for pair in STORIES
        for width in WIDTHS
    }
    assert {pair: [row["is_complete"] for row in by_width[pair, "5m"]] for pair in COMPLETE} == COMPLETE
    (against, _) = by_width["IDS-AGAINSTTIME", "5m"]
    assert [against[name] for name in ("open", "close", "high", "low", "price_diff", "price_change")] == [1, 8, 8, 1, 7, 700]
    (down,), (third,) = by_width["PRICE-DOWN", "5m"], by_width["PRICE-THIRD", "5m"]
    assert (down["price_diff"], down["price_change"]) == (-1, Decimal("-33.333333"))
    assert (third["price_diff"], third["price_change"]) == (2, Decimal("66.666667"))
    too_big, greatest = by_width["CHANGE-TOOBIG", "5m"]
    assert (too_big["price_change"], greatest["price_change"]) == (None, Decimal("999999.9"))


PERCENTS = {
    "half up": ("1", "200000000", "0.000001"),
    "half up below zero": ("-1", "200000000", "-0.000001"),
    "less than half": ("0.9999999999", "200000000", "0"),
    "23 decimals are kept before the second rounding": ("10", "2000000000.00000012", "0"),
    "the greatest": ("9999.99999999", "1", "999999.999999"),
    "rounded beyond the greatest": ("9999.999999995", "1", None),
    "more than a percentage can be": ("10000", "1", None),
    "more than 38 digits hold": ("9999999999", "0.0000000001", None),
    "of nothing": ("1", "0", None),
}


def test_percentages(spark: SparkSession):
    rows = [(case, part, whole) for case, (part, whole, _) in PERCENTS.items()]
    asked = frame(spark, rows, "case STRING, part DECIMAL(20,10), whole DECIMAL(20,10)")
    found = {row["case"]: row["p"] for row in rows_of(asked.select("case", percent(F.col("part"), F.col("whole")).alias("p")))}
    assert found == {case: None if right is None else Decimal(right) for case, (_, _, right) in PERCENTS.items()}
    assert {case: oracle.percent(Decimal(part), Decimal(whole)) for case, part, whole in rows} == found


def test_bars_of_days_begin_on_mondays(made: list[dict[str, Any]]):
    starts = {row["start"] for row in made if row["width"] == "7d" and row["pair"] in ("WHOLE-BAR", "MONTHS-EDGE", "YEARS-EDGE")}
    assert starts == {moment("00:00:00", "2026-04-27"), moment("00:00:00", "2025-12-29")}
    assert {start.weekday() for start in starts} == {0}
