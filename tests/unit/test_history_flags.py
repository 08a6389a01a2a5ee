"""What is said of the minutes of a month of history: which ids they miss, and which minute may still grow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from jobs.history.columns import schema
from jobs.history.files import Held, Month
from jobs.history.flags import flagged
from jobs.history.minutes import Flags, Wanted, minutes_of, wanted
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.transforms.feeds import Feed
from jobs.transforms.ranges import MINUTE, Mark, Range
from jobs.transforms.spans import month as span_of
from tests.support.lines import micros

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TOLD = ("missing_trades", "is_complete", "revision", "updated_at")
DENSE, LOOSE = Feed("binance", "spot", "agg_trade", "BTC-USDT"), Feed("bitso", "spot", "trade", "BTC-MXN")
JANUARY, FEBRUARY, MARCH = (span_of(2026, number) for number in (1, 2, 3))


def flags(missing: Mapping[int, int] | None, *, is_newest: bool = False) -> list[tuple[Any, ...]]:
    """Of the minutes 10, 11 and 13."""
    shape = schema(MINUTE_AGGREGATES)
    given = [name for name in reversed(shape.names) if name not in (*TOLD, "minute", "first_id")]
    minutes = pa.array([number * MINUTE for number in (10, 11, 13)], pa.timestamp("us", "UTC"))
    columns = {name: pa.nulls(3, shape.field(name).type) for name in given}
    values = pa.table({**columns, "first_id": pa.array([1, 2, 3], pa.int64()), "minute": minutes, "month": pa.array([1, 1, 1])})
    found = flagged(values, Flags(missing, is_newest), NOW)
    assert found.schema == shape
    rows = found.to_pylist()
    for row, number, id_ in zip(rows, (10, 11, 13), (1, 2, 3), strict=True):
        at = datetime.fromtimestamp(number * 60, UTC)
        assert {name: row[name] for name in row if name not in TOLD} == dict.fromkeys(given) | {"minute": at, "first_id": id_}
    return [tuple(row[name] for name in TOLD) for row in rows]


def test_a_minute_in_which_a_run_begins_or_ends_is_not_complete_even_if_none_is_missing_below_it():
    assert flags({10: 0, 12: 7, 13: 5}) == [(0, False, 1, NOW), (0, True, 1, NOW), (5, False, 1, NOW)]


def test_the_last_minute_of_a_feed_may_still_grow():
    assert flags({}, is_newest=True) == [(0, True, 1, NOW), (0, True, 1, NOW), (0, True, 0, NOW)]


def test_where_ids_are_not_dense_nothing_is_claimed():
    assert flags(None) == [(None, None, 1, NOW)] * 3


def run(low: int, high: int, first: int, last: int) -> Range:
    """Ids without a break, with the times of their first and their last trade, in microseconds."""
    return Range(low, high, Mark(low, first), Mark(high, last))


def held(feed: Feed, month: int, *runs: Range, year: int = 2026) -> Held:
    one = Month("trades", *feed, year, month)
    return Held(one, one.key, f"sha of {month}", runs[0].low, runs[-1].high, (), None if feed == LOOSE else runs)


def of_january(feed: Feed = DENSE) -> Held:
    """Its ids end in its last minute."""
    return held(feed, 1, run(1, 5, JANUARY[0] * MINUTE, JANUARY[1] * MINUTE))


def of_february(feed: Feed = DENSE) -> Held:
    """Its ids begin in its first minute, and have a hole."""
    half = (FEBRUARY[0] + 1000) * MINUTE
    return held(feed, 2, run(9, 12, FEBRUARY[0] * MINUTE, half), run(15, 16, half + MINUTE, FEBRUARY[1] * MINUTE))


def said(published: Sequence[Held], live: Mapping[Feed, Sequence[Range]]) -> dict[tuple[str, int], Flags]:
    found = wanted(published, live)
    assert [one.trades for one in found] == list(published)
    assert [one.month for one in found] == [replace(one.month, dataset="minute_aggregates") for one in published]
    return {(one.month.pair, one.month.month): one.flags for one in found}


def test_each_month_is_told_of_its_own_minutes_what_all_months_of_the_feed_say():
    half = FEBRUARY[0] + 1000
    january = {JANUARY[0]: 0, JANUARY[1]: 0}
    february = {FEBRUARY[0]: 3, half: 0, half + 1: 2, FEBRUARY[1]: 0}
    assert said([of_january(), of_february()], {}) == {
        ("BTC-USDT", 1): Flags(january, is_newest=False),
        ("BTC-USDT", 2): Flags(february, is_newest=True),
    }


def test_a_month_alone_misses_nothing_below_its_first_trade():
    half = FEBRUARY[0] + 1000
    assert said([of_february()], {}) == {
        ("BTC-USDT", 2): Flags({FEBRUARY[0]: 0, half: 0, half + 1: 2, FEBRUARY[1]: 0}, is_newest=True)
    }


def test_live_trades_beside_a_month_are_neighbours_and_those_of_another_feed_are_not():
    december = run(-9, 0, JANUARY[0] * MINUTE - 10 * MINUTE, JANUARY[0] * MINUTE - 1)
    february = run(8, 8, FEBRUARY[0] * MINUTE, FEBRUARY[0] * MINUTE)
    alone = Flags({JANUARY[0]: 0, JANUARY[1]: 0}, is_newest=True)
    other = DENSE._replace(pair="ETH-USDT")
    assert said([of_january()], {DENSE: [december]})["BTC-USDT", 1] == Flags({JANUARY[1]: 0}, is_newest=True)  # it adjoins
    assert said([of_january()], {DENSE: [february]})["BTC-USDT", 1] == replace(alone, is_newest=False)
    assert said([of_january()], {other: [december, february]})["BTC-USDT", 1] == alone
    assert said([of_january(), of_january(other)], {other: [february]}) == {
        ("BTC-USDT", 1): alone,
        ("ETH-USDT", 1): replace(alone, is_newest=False),
    }


@pytest.mark.parametrize(("at", "is_newest"), [("2026-01-31T23:59:59.999999", True), ("2026-02-01T00:00:00", False)])
def test_a_month_s_last_minute_is_the_feed_s_unless_a_trade_is_of_the_next_month(at: str, *, is_newest: bool):
    day, _, time = at.partition("T")
    ts = micros(time, day)
    assert said([of_january()], {DENSE: [run(8, 8, ts, ts)]})["BTC-USDT", 1].is_newest is is_newest


def test_a_live_month_that_goes_on_for_long_is_later_by_its_last_trade():
    assert not said([of_january()], {DENSE: [run(8, 99, JANUARY[0] * MINUTE, MARCH[0] * MINUTE)]})["BTC-USDT", 1].is_newest


def test_ids_that_began_anew_are_dense_as_those_before_and_another_feed():
    anew = DENSE._replace(feed="agg_trade.2")
    found = wanted([of_january(), of_february(anew)], {})
    half = FEBRUARY[0] + 1000
    assert [one.flags for one in found] == [
        Flags({JANUARY[0]: 0, JANUARY[1]: 0}, is_newest=True),
        Flags({FEBRUARY[0]: 0, half: 0, half + 1: 2, FEBRUARY[1]: 0}, is_newest=True),
    ]


def test_the_newest_month_is_the_one_of_the_latest_year():
    december = held(DENSE, 12, run(-5, 0, 1, 2), year=2025)
    found = said([of_january(), december], {})
    assert {key: one.is_newest for key, one in found.items()} == {("BTC-USDT", 1): True, ("BTC-USDT", 12): False}


def test_where_ids_are_not_dense_the_newest_is_known_and_nothing_else():
    assert said([of_january(LOOSE), of_february(LOOSE)], {}) == {
        ("BTC-MXN", 1): Flags(None, is_newest=False),
        ("BTC-MXN", 2): Flags(None, is_newest=True),
    }


def test_minutes_are_made_anew_when_their_trades_or_one_of_their_flags_are_others():
    one = Wanted(of_january(), Flags({1: 0, 2: 5}, is_newest=False))
    others = [
        replace(one, trades=replace(one.trades, sha256="another")),
        replace(one, flags=Flags({1: 0, 2: 6}, is_newest=False)),
        replace(one, flags=Flags({1: 0, 3: 5}, is_newest=False)),
        replace(one, flags=Flags({1: 0, 2: 5}, is_newest=True)),
        replace(one, flags=Flags({}, is_newest=False)),
        replace(one, flags=Flags(None, is_newest=False)),
    ]
    assert len({one.made_with, *(other.made_with for other in others)}) == 7
    assert replace(one, flags=Flags({2: 5, 1: 0}, is_newest=False)).made_with == one.made_with
    assert minutes_of(one.trades.month).key == (
        "history/minute_aggregates/pair=BTC-USDT/year=2026/month=1/binance-spot-agg_trade.parquet"
    )
