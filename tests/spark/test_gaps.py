"""Where minutes and trades say that ids are absent: whole rows of a few that can be counted by hand."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.queries.holes import BOUNDS
from jobs.runtime.frames import frame
from jobs.tables import MINUTE_AGGREGATES, QUARANTINE, TRADES
from jobs.tables.gaps import GAPS
from jobs.tables.quarantine import REASONS
from jobs.transforms import gaps
from jobs.transforms.published import Month
from tests.support.bars import minute
from tests.support.ledgers import BITCOIN, COINBASE, SERIES, Series, time_of, trade, trades
from tests.support.lines import moment
from tests.support.stories import interpret
from tests.support.tables import rows_of
from tests.support.written import Row, frame_of

FUTURES: Series = ("binance", "usdm", "trade", "BTC-USDT")
TEN, NOW = timedelta(minutes=10), moment("20:00:00")


@pytest.fixture(autouse=True)
def interpreted(spark: SparkSession) -> None:
    interpret(spark)


def minutes(spark: SparkSession, *rows: Row) -> DataFrame:
    return frame_of(spark, MINUTE_AGGREGATES, rows)


def at(text: str) -> datetime:
    return moment(f"{text}:00")


def told(rows: Iterable[Row], *names: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[name] for name in names) for row in rows), key=str)


def before(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[Any, ...] | None]:
    """Of each minute, by market and hour: the minute before it."""
    return {
        (row["market"], f"{row['minute']:%H:%M}"): None if row["before"] is None else tuple(row["before"].values())
        for row in rows
    }


def neighbour(text: str, first: int, last: int) -> tuple[Any, ...]:
    return first, last, at(text) + timedelta(seconds=59), at(text)


HOURS = [minute("10:00", 1, 9), minute("10:01", 10, 19), minute("12:00", 30, 39)]
OTHERS = [minute("10:03", 2, 29, market="usdm"), minute("10:02", 0, 1, market="usdm")]


def test_the_minute_before_is_the_one_with_the_next_lower_ids_of_the_same_feed(spark: SparkSession):
    found = before(rows_of(gaps.with_neighbours(minutes(spark, *HOURS, *OTHERS))))
    assert found == {
        ("spot", "10:00"): None,
        ("spot", "10:01"): neighbour("10:00", 1, 9),
        ("spot", "12:00"): neighbour("10:01", 10, 19),
        ("usdm", "10:02"): None,
        ("usdm", "10:03"): neighbour("10:02", 0, 1),
    }


@pytest.mark.parametrize(("within", "expected"), [(119, neighbour("10:01", 10, 19)), (118, None), (0, None)])
def test_one_further_away_than_everything_was_read_is_not_known(
    spark: SparkSession, within: int, expected: tuple[Any, ...] | None
):
    found = before(rows_of(gaps.with_neighbours(minutes(spark, *HOURS), timedelta(minutes=within))))
    assert found["spot", "12:00"] == expected


def test_the_minute_before_is_found_however_far_away_and_a_feed_begins_without_one(spark: SparkSession):
    everything = minutes(spark, *HOURS, *OTHERS, minute("09:00", 100, 109, day="2026-05-09"))
    edges = gaps.with_neighbours(everything).withColumn("before", F.when(F.col("first_id") < 0, F.col("before")))
    made = gaps.found_before(edges, everything)
    assert made.columns == edges.columns
    assert before(rows_of(made)) == {
        ("spot", "10:00"): None,
        ("spot", "10:01"): neighbour("10:00", 1, 9),
        ("spot", "12:00"): neighbour("10:01", 10, 19),
        ("spot", "09:00"): neighbour("12:00", 30, 39),
        ("usdm", "10:02"): None,
        ("usdm", "10:03"): neighbour("10:02", 0, 1),
    }


def test_a_minute_is_a_suspect_that_misses_something_or_lies_beside_a_gap_of_its_feed(spark: SparkSession):
    """The gap holds the ids 20 to 29: the minute below it is none beside, for the one above it says what became of them."""
    there = minutes(
        spark,
        minute("10:00", 1, 9),
        minute("10:01", 10, 19),
        minute("10:02", 30, 39),
        minute("10:03", 40, 49),
        minute("10:04", 55, 59, missing_trades=5),
        minute("10:01", 10, 19, market="usdm"),
        minute("10:02", 30, 39, market="usdm"),
    )
    near = gaps.with_neighbours(there)
    missing = ("spot", 40, 59, at("10:04"), at("10:03"), 5)
    names = ("market", "low", "high", "minute", "before_minute", "missing_trades")
    assert told(rows_of(gaps.suspects(near, None)), *names) == [missing]
    bounds = frame(
        spark,
        [(*BITCOIN, 19, 20, 29)],
        BOUNDS,
    )
    beside = ("spot", 10, 39, at("10:02"), at("10:01"), 0)
    assert told(rows_of(gaps.suspects(near, bounds)), *names) == [beside, missing]


def test_a_halt_is_where_ids_go_on_and_the_time_jumps_by_more(spark: SparkSession):
    """From 10:00:59: exactly as long, a microsecond longer, and as long with an id missing, or with one that two minutes share."""
    exactly = at("10:00") + timedelta(seconds=59) + TEN
    longer = exactly + timedelta(microseconds=1)
    pairs: Mapping[str, tuple[int, datetime]] = {
        "EXACTLY": (10, exactly),
        "LONGER": (10, longer),
        "LOSS": (11, longer),
        "SHARED": (9, longer),
    }
    rows = [minute("10:00", 1, 9, pair=f"{name}-USD") for name in pairs]
    rows += [minute("10:10", first, 20, pair=f"{name}-USD", first_ts=ts) for name, (first, ts) in pairs.items()]
    found = gaps.halts(gaps.with_neighbours(minutes(spark, *rows)), TEN, F.lit(NOW))
    assert found.columns == GAPS.names
    assert rows_of(found) == [
        dict.fromkeys(GAPS.names)
        | {"venue": "binance", "market": "spot", "feed": "trade", "pair": "LONGER-USD"}
        | {"before_id": 9, "after_id": 10, "missing": 0, "before_ts": exactly - TEN, "after_ts": longer}
        | {"detected_by": "minutes", "state": "exchange_halt", "repaired_rows": 0, "detected_at": NOW, "closed_at": NOW}
        | {"year": 2026, "month": 4}
    ]


def test_a_border_is_where_live_minutes_begin_after_history_and_ids_lie_between(spark: SparkSession):
    """Of each pair the last minute of April and the first of May: history has April of all but one, and May of one."""
    pairs: Mapping[str, tuple[int, int]] = {  # the first id of May, and what its minute misses
        "ONE": (11, 0),
        "SOME": (20, 0),
        "ADJOINS": (10, 0),
        "SHARED": (9, 0),
        "KNOWN": (20, 10),
        "PUBLISHED": (20, 0),
        "LIVE": (20, 0),
    }
    rows = [minute("23:59", 1, 9, pair=f"{name}-USD") for name in pairs]
    for name, (first, missing) in pairs.items():
        rows.append(minute("00:00", first, 29, pair=f"{name}-USD", day="2026-05-01", missing_trades=missing))
        rows.append(minute("00:01", 40, 49, pair=f"{name}-USD", day="2026-05-01"))
    rows.append(minute("00:00", 20, 29, pair="SOME-USD", day="2026-05-01", market="usdm"))
    of_history = [Month("binance", "spot", "trade", f"{name}-USD", 2026, 4) for name in pairs if name != "LIVE"]
    of_history += [Month("binance", "spot", "trade", f"{name}-USD", 2026, 5) for name in ("PUBLISHED", "LIVE")]
    found = gaps.borders(gaps.with_neighbours(minutes(spark, *rows)), of_history)
    names = (*SERIES, "low", "high", "before_id", "before_ts", "after_id", "after_ts")
    last, first = moment("23:59:59"), moment("00:00:01", "2026-05-01")
    assert found.columns == list(names)
    assert told(rows_of(found), *names) == [
        ("binance", "spot", "trade", "ONE-USD", 10, 10, 9, last, 11, first),
        ("binance", "spot", "trade", "SOME-USD", 10, 19, 9, last, 20, first),
    ]


def quarantined(reason: str, id_: int | None, series: Series = BITCOIN) -> Row:
    return {**dict.fromkeys(QUARANTINE.names), **dict(zip(SERIES, series, strict=True)), "reason": reason, "trade_id": id_}


def test_ids_that_exist_are_those_of_trades_and_of_what_is_no_trade_though_its_id_was_used(spark: SparkSession):
    others = [quarantined(reason, id_) for id_, reason in enumerate(sorted(REASONS), 100)]
    used = {row["trade_id"] for row in others if row["reason"] in ("void", "not_market", "overflow")}
    seen = frame_of(spark, QUARANTINE, [*others, quarantined("void", None)])
    found = gaps.present(frame_of(spark, TRADES, trades(BITCOIN, 1)), seen)
    a_trade = [(*BITCOIN, 1, {"id": 1, "ts": time_of(1)})]
    assert len(used) == 3
    assert told(rows_of(found), *SERIES, "trade_id", "trade") == a_trade + [(*BITCOIN, id_, None) for id_ in sorted(used)]


def test_absent_ids_lie_between_the_nearest_that_are_there_and_the_nearest_trades_around_them(spark: SparkSession):
    """Of one feed 3 to 4 and 6 are absent around a void, and 8 below another; the other one begins with a void."""
    there = frame_of(spark, TRADES, [*trades(BITCOIN, 1, 2, 7, 10), *trades(FUTURES, 3)])
    seen = frame_of(spark, QUARANTINE, [quarantined("void", 5), quarantined("void", 9), quarantined("void", 1, FUTURES)])
    present = gaps.present(there, seen)
    names = (*SERIES, "low", "high", "before_id", "before_ts", "after_id", "after_ts")
    assert told(rows_of(gaps.runs(present)), *names) == [
        (*BITCOIN, 3, 4, 2, time_of(2), 7, time_of(7)),
        (*BITCOIN, 6, 6, 2, time_of(2), 7, time_of(7)),
        (*BITCOIN, 8, 8, 7, time_of(7), 10, time_of(10)),
        (*FUTURES, 2, 2, None, None, 3, time_of(3)),
    ]
    assert told(rows_of(gaps.ends(present)), *SERIES, "least", "greatest") == [(*BITCOIN, 1, 10), (*FUTURES, 1, 3)]


def test_a_gap_is_filled_by_the_trades_inside_it_and_by_whoever_was_the_last_to_come(spark: SparkSession):
    """The last by the time of its receipt, and of those received at once by its id."""
    early, late = moment("10:00:00"), moment("11:00:00")
    rows = [
        trade(BITCOIN, 2, "dump", recv_ts=late + TEN),  # below
        trade(BITCOIN, 3, "rest", recv_ts=late),
        trade(BITCOIN, 4, "dump", recv_ts=late),
        trade(BITCOIN, 5, "ws", recv_ts=early),
        trade(BITCOIN, 6, "ws", recv_ts=late + TEN),  # above
        trade(BITCOIN, 12, "rest", recv_ts=late),
        trade(BITCOIN, 13, "dump", recv_ts=early),
        trade(FUTURES, 4, "adopted", recv_ts=late + TEN),
        trade(COINBASE, 4, "adopted", recv_ts=late + TEN),
    ]
    bounds = frame(
        spark,
        [(*BITCOIN, 2, 3, 5), (*BITCOIN, 10, 11, 19), (*BITCOIN, 20, 21, 29), (*FUTURES, 3, 4, 4)],
        BOUNDS,
    )
    found = gaps.fillings(frame_of(spark, TRADES, rows), bounds)
    assert told(rows_of(found), *SERIES, "before_id", "rows", "source") == [
        (*BITCOIN, 10, 2, "rest"),
        (*BITCOIN, 2, 3, "dump"),
        (*FUTURES, 3, 1, "adopted"),
    ]
