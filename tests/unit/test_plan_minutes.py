"""Which minutes a change brings along: a table of minutes kept by the plans is always what its trades say."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.queries.plan import Change, Plan, plan, predicate, whole
from jobs.transforms import feeds
from jobs.transforms.feeds import Feed, Known, State, brought, voids
from jobs.transforms.ranges import MINUTE
from jobs.transforms.spans import time_of

FEED = Feed("binance", "spot", "agg_trade", "BTC-USDT")
OTHER = Feed("bitso", "spot", "trade", "BTC-MXN")
DENSE = {("binance", "spot", "agg_trade"): True, ("bitso", "spot", "trade"): False}
Times = dict[int, int]  # id -> time of a trade
Row = tuple[frozenset[int], int | None, bool | None, bool]  # ids, missing, complete, closed


def marks(of: Feed, times: Times):
    return [(*of, id_, ts, id_ - 1 not in times, id_ + 1 not in times) for id_, ts in times.items()]


def minutes_of(trades: Times, seen: set[int], *, dense: bool) -> dict[int, Row]:
    """The naive truth."""
    found: dict[int, tuple[set[int], int, bool]] = {}
    ids = sorted(trades)
    for before, here, after in zip([None, *ids][: len(ids)], ids, [*ids, None][1:], strict=True):
        below = None if before is None else len(set(range(before + 1, here)) - seen)
        above = None if after is None else len(set(range(here + 1, after)) - seen)
        there, missing, complete = found.get(trades[here] // MINUTE, (set(), 0, True))
        found[trades[here] // MINUTE] = (there | {here}, missing + (below or 0), complete and below == 0 and above == 0)
    return {
        minute: (frozenset(there), missing if dense else None, complete if dense else None, minute < max(found))
        for minute, (there, missing, complete) in found.items()
    }


@dataclass
class Minutes:
    """The table that the plans keep, and all that was committed."""

    of: Feed
    state: State = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    trades: Times = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    @property
    def truth(self) -> dict[int, Row]:
        return minutes_of(self.trades, self.seen, dense=DENSE[self.of.venue, self.of.market, self.of.kind])

    def take(self, trades: Times, void: Iterable[int], *, fast: bool = True) -> None:
        change = Change(self.state)
        change.take(brought(marks(self.of, trades)), DENSE)
        change.take(voids(marks(self.of, dict.fromkeys(void, 0))), DENSE)
        self.trades |= trades
        self.seen |= {*trades, *void}
        self.write(plan(change, fast=fast), frozenset())

    def close(self) -> None:
        open_ = frozenset(feed for feed, known in self.state.items() if known.top is not None)
        self.write(plan(Change(self.state), fast=False, close=open_), open_)

    def restart(self) -> None:
        self.state = feeds.state(feeds.plain(self.state))

    def write(self, made: Plan, begin_open: frozenset[Feed]) -> None:
        """As the query does: what is appended must not be there; what is merged begins only where it is closed or asked for."""
        for low, high in made.append.get(self.of, []):
            for minute in {minute for minute in self.truth if low <= minute <= high}:
                assert minute not in self.rows, "a row twice"
                self.rows[minute] = self.truth[minute]
        for low, high in made.merge.get(self.of, []):
            for minute in {minute for minute in self.truth if low <= minute <= high}:
                if minute in self.rows or self.truth[minute][3] or self.of in begin_open:
                    self.rows[minute] = self.truth[minute]
        for feed, bare in made.bare.items():
            self.state[feed].bare = bare

    def check(self, *, closed: bool = False) -> None:
        should = {minute: row for minute, row in self.truth.items() if row[3] or minute in self.rows or closed}
        assert self.rows == should


trade = st.tuples(st.integers(1, 30), st.integers(0, 8 * MINUTE - 1))
step = st.one_of(
    st.tuples(st.just("batch"), st.lists(trade, max_size=8), st.lists(st.integers(1, 30), max_size=2)),
    st.just(("close", [], [])),
    st.just(("restart", [], [])),
    # a start that finds versions later than the progress
    st.tuples(st.just("crashed"), st.lists(trade, max_size=8), st.lists(st.integers(1, 30), max_size=2)),
)


@given(st.sampled_from([FEED, OTHER]), st.lists(step, max_size=10))
def test_whatever_comes_the_minutes_are_what_the_trades_say(of, steps):
    table = Minutes(of)
    for what, trades, void in steps:
        fresh = {id_: ts for id_, ts in dict(trades).items() if id_ not in table.seen and id_ not in void}
        new = [id_ for id_ in void if id_ not in table.seen] if of == FEED else []
        if what == "close":
            table.close()
            table.check(closed=True)
        elif what == "restart":
            table.restart()
        else:
            if what == "crashed":
                table.restart()
            table.take(fresh, new, fast=what == "batch")
        table.check()


def test_a_feed_in_order_is_appended_and_never_merged_but_for_the_open_minute_that_closes():
    table = Minutes(FEED)
    change = Change(table.state)
    change.take(brought(marks(FEED, {1: 0, 2: MINUTE, 3: 2 * MINUTE})), DENSE)
    assert plan(change, fast=True) == Plan({FEED: [(0, 1)]}, {}, {FEED: True})


def test_a_minute_that_this_run_left_without_a_row_is_appended_when_it_closes():
    state = {FEED: Known(top=2, bare=True)}
    change = Change(state)
    change.take(brought(marks(FEED, {4: 3 * MINUTE})), DENSE)
    made = plan(change, fast=True)
    assert (made.append, made.merge, made.bare) == ({FEED: [(2, 2)]}, {}, {FEED: True})


def test_after_a_start_nobody_knows_whether_the_open_minute_has_a_row_so_it_is_merged():
    state = {FEED: Known(top=2)}
    change = Change(state)
    change.take(brought(marks(FEED, {4: 3 * MINUTE})), DENSE)
    made = plan(change, fast=True)
    assert (made.append, made.merge, made.bare) == ({}, {FEED: [(2, 2)]}, {FEED: True})


def test_a_batch_that_changes_nothing_plans_nothing():
    assert plan(Change({FEED: Known(top=2)}), fast=True) == Plan({}, {}, {})


def test_whole_spans_reach_from_the_first_to_the_last_minute():
    assert whole({FEED: [(1, 2), (5, 9)], OTHER: []}) == {FEED: [(1, 9)]}


def minute(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) // 60


def test_a_condition_names_partitions_and_times():
    assert predicate({FEED: [(minute("2026-04-30T23:59"), minute("2026-05-01T00:01"))]}, "ts", alias="t.") == (
        "((t.pair = 'BTC-USDT' AND t.year = 2026 AND t.month = 4 AND t.ts >= TIMESTAMP '2026-04-30 23:59:00+00:00'"
        " AND t.ts < TIMESTAMP '2026-05-01 00:00:00+00:00')"
        " OR (t.pair = 'BTC-USDT' AND t.year = 2026 AND t.month = 5 AND t.ts >= TIMESTAMP '2026-05-01 00:00:00+00:00'"
        " AND t.ts < TIMESTAMP '2026-05-01 00:02:00+00:00'))"
    )


PART = re.compile(
    r"pair = '([^']+)' AND year = (\d+) AND month = (\d+) AND ts >= TIMESTAMP '([^']+)' AND ts < TIMESTAMP '([^']+)'"
)
some_minutes = st.integers(minute("2025-11-30T00:00"), minute("2026-03-01T00:00"))


@given(st.lists(st.tuples(some_minutes, st.integers(0, 50_000)), min_size=1, max_size=4))
def test_a_condition_is_never_narrower_than_the_minutes(spans):
    text = predicate({FEED: [(low, low + length) for low, length in spans]}, "ts")
    parts = [
        (int(year), int(month), datetime.fromisoformat(low), datetime.fromisoformat(high))
        for _, year, month, low, high in PART.findall(text)
    ]
    for low, length in spans:
        for one in (low, low + length // 2, low + length):
            time = time_of(one)
            assert any((year, month) == (time.year, time.month) and low <= time < high for year, month, low, high in parts)


def test_pairs_with_the_same_minutes_share_a_condition():
    feeds = [Feed("binance", "spot", "trade", f"{base}-USDT") for base in ("BTC", "ETH", "SOL")]
    same, other = minute("2026-04-30T10:00"), minute("2026-04-30T12:00")
    text = predicate({feed: [(other, other) if feed is feeds[1] else (same, same)] for feed in feeds}, "ts")
    assert text.count("year = 2026") == 2
    assert (
        "(pair IN ('BTC-USDT', 'SOL-USDT') AND year = 2026 AND month = 4 AND ts >= TIMESTAMP '2026-04-30 10:00:00+00:00'" in text
    )
    assert "(pair = 'ETH-USDT' AND year = 2026 AND month = 4 AND ts >= TIMESTAMP '2026-04-30 12:00:00+00:00'" in text


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 30)), min_size=17, max_size=40))
def test_many_pairs_have_few_conditions_which_are_never_narrower(found):
    start = minute("2026-04-30T22:00")
    feeds = {Feed("binance", "spot", "trade", f"P{place}-USDT"): span for place, span in enumerate(found)}
    text = predicate({feed: [(start + low, start + low + length)] for feed, (low, length) in feeds.items()}, "ts")
    parts = [part.split("'") for part in text.split(" OR ")]
    for feed, (low, length) in feeds.items():
        for at in (start + low, start + low + length):
            holds = [part for part in parts if feed.pair in part and _within(part, time_of(at))]
            assert holds, (feed, at)
    assert len(parts) <= 2 * len({(low // 10, (low + length) // 10) for low, length in found})


def _within(part: list[str], time: datetime) -> bool:
    low, high = (datetime.fromisoformat(text) for text in part if text.startswith("2026"))
    return low <= time < high


@pytest.mark.parametrize(("text", "whole_minutes"), [("1970-01-01T00:00", 0), ("2024-02-29T12:34", 28_486_834)])
def test_time_of_a_minute(text, whole_minutes):
    assert time_of(whole_minutes) == datetime.fromisoformat(text).replace(tzinfo=UTC)
