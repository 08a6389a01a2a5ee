"""The ids that a feed has shown, held to plain sets of ids."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from jobs.transforms.ranges import MINUTE, Mark, Range, Ranges, ranges

IDS = range(40)
# what the venue made of each id: a trade's time, or None for an id that exists without a trade
world = st.fixed_dictionaries({id_: st.one_of(st.none(), st.integers(0, 6 * MINUTE)) for id_ in IDS})
islands = st.lists(
    st.tuples(st.sampled_from(IDS), st.integers(0, 4)).map(lambda part: [part[0], min(sum(part), IDS[-1])]), max_size=12
)


def island(times: Mapping[int, int | None], low: int, high: int) -> Range:
    marks = [Mark(id_, ts) for id_ in range(low, high + 1) if (ts := times[id_]) is not None]
    return Range(low, high, min(marks, default=None), max(marks, default=None))


def filled(times: Mapping[int, int | None], parts: list[list[int]]) -> tuple[Ranges, set[int]]:
    found = Ranges()
    for low, high in parts:
        found.add(island(times, low, high))
    return found, {id_ for low, high in parts for id_ in range(low, high + 1)}


@given(world, islands)
def test_ranges_hold_the_ids_that_were_added(times, parts):
    found, seen = filled(times, parts)
    assert {id_ for id_ in range(-1, 42) if found.holds(id_)} == seen


@given(world, islands)
def test_ranges_are_the_runs_of_the_ids_with_their_first_and_last_trade(times, parts):
    found, seen = filled(times, parts)
    lows = sorted(id_ for id_ in seen if id_ - 1 not in seen)
    highs = sorted(id_ for id_ in seen if id_ + 1 not in seen)
    assert found.all == [island(times, low, high) for low, high in zip(lows, highs, strict=True)]


@given(world, islands)
def test_flags_are_what_the_single_trades_say(times, parts):
    found, seen = filled(times, parts)
    trades = {id_: ts // MINUTE for id_ in sorted(seen) if (ts := times[id_]) is not None}
    ids = list(trades)
    missing: dict[int, int] = {}
    for before, here, after in zip([None, *ids][: len(ids)], ids, [*ids, None][1:], strict=True):
        below = None if before is None else len(set(range(before + 1, here)) - seen)
        above = None if after is None else len(set(range(here + 1, after)) - seen)
        if below != 0 or above != 0:  # what lies outside of all trades nobody knows
            missing[trades[here]] = missing.get(trades[here], 0) + (below or 0)
    assert found.flags() == missing


@given(world, islands)
def test_ranges_survive_json(times, parts):
    found, _ = filled(times, parts)
    assert ranges(found.plain()) == found


def test_flags_of_a_hole_between_two_minutes():
    found = Ranges()
    found.add(Range(1, 3, Mark(1, 0), Mark(3, MINUTE)))
    found.add(Range(7, 8, Mark(7, 2 * MINUTE), Mark(8, 3 * MINUTE)))
    assert found.flags() == {0: 0, 1: 0, 2: 3, 3: 0}
    found.add(Range(5, 5, None, None))  # a void in the hole: two are still missing
    assert found.flags() == {0: 0, 1: 0, 2: 2, 3: 0}


def test_nobody_knows_what_is_missing_before_the_first_trade_also_where_a_void_lies_before_it():
    found = Ranges()
    found.add(Range(1, 1, None, None))
    found.add(Range(5, 5, Mark(5, 0), Mark(5, 0)))
    assert found.flags() == {0: 0}


@given(world, islands, islands)
def test_what_of_some_ids_is_in_no_range_or_in_one(times, parts, others):
    found, seen = filled(times, parts)
    asked, ids = filled(times, others)
    spans = [(one.low, one.high) for one in asked.all]
    lost = found.without(reversed(spans))
    assert [id_ for low, high in lost for id_ in range(low, high + 1)] == sorted(ids - seen)
    assert lost == sorted(lost)
    for one in asked.all:
        shared = seen.intersection(range(one.low, one.high + 1))
        assert found.shared(one) == min(shared, default=None)
