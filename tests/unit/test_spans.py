"""Runs of minutes: how they join, the months they lie in, and how far a change in them reaches."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.transforms.bars import REACH, looked_at, reached
from jobs.transforms.spans import joined, minute_of, month, months, partitions, time_of

minutes = st.integers(29_000_000, 29_600_000)
some = st.lists(st.tuples(minutes, st.integers(0, 100_000)).map(lambda one: (one[0], one[0] + one[1])), min_size=1, max_size=4)
WIDTHS = ([5], [1], [5, 60, 1440], [7, 1440], [480, 10_080], [2880, 4320])


@pytest.mark.parametrize(
    ("spans", "gap", "expected"),
    [
        ([], 0, []),
        ([(5, 6), (1, 2)], 0, [(1, 2), (5, 6)]),
        ([(1, 2), (3, 4)], 0, [(1, 4)]),
        ([(1, 9), (2, 3)], 0, [(1, 9)]),
        ([(1, 2), (5, 6)], 1, [(1, 2), (5, 6)]),
        ([(1, 2), (5, 6)], 2, [(1, 6)]),
    ],
)
def test_spans_that_touch_are_one(spans, gap, expected):
    assert joined(spans, gap) == expected


@given(some)
def test_months_cut_a_span_without_loss(spans):
    low, high = spans[0]
    found = list(months(low, high))
    assert (found[0][2], found[-1][3]) == (low, high)
    assert all(after[2] == before[3] + 1 for before, after in pairwise(found))
    for year, number, first, last in found:
        assert {(time_of(one).year, time_of(one).month) for one in (first, last)} == {(year, number)}


@pytest.mark.parametrize(("year", "number", "days"), [(2026, 12, 31), (2024, 2, 29), (2026, 4, 30)])
def test_a_month_is_all_of_its_minutes(year, number, days):
    low, high = month(year, number)
    assert (time_of(low), high - low + 1) == (datetime(year, number, 1, tzinfo=UTC), days * 1440)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the zone follows
def test_a_time_lies_in_its_minute(time):
    assert timedelta(0) <= time - time_of(minute_of(time)) < timedelta(minutes=1)


@given(some, st.sampled_from(WIDTHS))
def test_a_change_reaches_whole_bars_and_all_that_may_know_of_it(spans, widths):
    found = reached(spans, widths)
    monday = minute_of(datetime(1970, 1, 5, tzinfo=UTC))
    for low, high in found:
        assert all((low - monday) % width == 0 and (high + 1 - monday) % width == 0 for width in widths)
    for low, high in spans:
        assert any(first <= low - REACH and high + REACH <= last for first, last in found)
    for low, high in found:
        assert any(first <= low - REACH and high + REACH <= last for first, last in looked_at(found))


def test_partitions_are_named_by_month():
    assert partitions([("B-C", 2026, 4), ("A-B", 2026, 4), ("A-B", 2025, 12)]) == (
        "((year = 2025 AND month = 12 AND pair IN ('A-B')) OR (year = 2026 AND month = 4 AND pair IN ('A-B', 'B-C')))"
    )
