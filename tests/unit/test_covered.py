"""What feeds cover, as it grows: from minutes that changed alone the same as from all of them."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.transforms.covered import Covered, covered, grown, moved, plain
from jobs.transforms.feeds import Feed

FEEDS = [Feed("binance", market, feed, "BTC-USDT") for market, feed in (("spot", "trade"), ("usdm", "agg_trade"))]
rows = st.sets(st.tuples(st.sampled_from(FEEDS), st.integers(0, 30)), max_size=12)
spans = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda one: (one[0], one[0] + one[1])), min_size=1, max_size=3
)


def ends(there: set[tuple[Feed, int]]) -> Covered:
    times = {feed: [minute for one, minute in there if one == feed] for feed, _ in there}
    return {feed: (min(found), max(found)) for feed, found in times.items()}


@given(rows, rows, spans)
def test_it_grows_to_what_all_minutes_say_or_says_that_it_cannot(before, drawn, changed):
    def is_inside(row: tuple[Feed, int]) -> bool:
        return any(low <= row[1] <= high for low, high in changed)

    after = {row for row in before if not is_inside(row)} | {row for row in drawn if is_inside(row)}
    found = grown(ends(before), {"BTC-USDT": changed}, ends({row for row in after if is_inside(row)}))
    if found is None:
        assert any(
            end not in {minute for one, minute in after if one == feed} for feed, span in ends(before).items() for end in span
        )
    else:
        assert found == ends(after)
        fresh = {minute for _, (low, high) in moved(ends(before), found) for minute in range(low, high + 1)}
        for feed, (low, high) in found.items():
            was = ends(before).get(feed, (1, 0))
            assert fresh >= {minute for minute in range(low, high + 1) if not was[0] <= minute <= was[1]}
            assert fresh >= {end for end, now in zip(was, (low, high), strict=True) if end != now and feed in ends(before)}


@given(rows)
def test_it_is_kept_as_it_is(there):
    assert covered(plain(ends(there))) == ends(there)


def test_what_did_not_move_is_not_looked_at():
    assert list(moved({FEEDS[0]: (3, 9)}, {FEEDS[0]: (3, 9)})) == []
    assert list(moved({FEEDS[0]: (3, 9)}, {FEEDS[0]: (1, 12)})) == [("BTC-USDT", (1, 3)), ("BTC-USDT", (9, 12))]
    assert list(moved({}, {FEEDS[0]: (3, 9)})) == [("BTC-USDT", (3, 9))]
