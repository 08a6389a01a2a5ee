"""The ledger after any history: what it says is missing is what is missing, in one row each, and a row's key never changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.gaps import Seen, judged
from jobs.queries.holes import Holes, Located, Suspect, span
from jobs.transforms import spans
from jobs.transforms.feeds import Feed
from jobs.transforms.ledger import Filling, Gap, Run, Word
from jobs.transforms.published import Month
from tests.support.ledgers import BEGIN, BITCOIN, COINBASE, MEXICO, time_of
from tests.support.lines import moment

NOW = moment("20:00:00")
FEED, NO_FILES, NOT_DENSE = Feed(*BITCOIN), Feed(*COINBASE), Feed(*MEXICO)


@dataclass
class World:
    """Tables as sets of ids, and a ledger over them. Only what a run may look at is shown to it."""

    feed: Feed = FEED
    there: dict[int, str] = field(default_factory=dict)  # id -> source
    came: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)  # ids that were there once
    rows: dict[tuple[Feed, int], Gap] = field(default_factory=dict)
    before: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    said: list[Word] = field(default_factory=list)
    now: datetime = NOW

    def take(self, ids: Iterable[int], source: str = "ws") -> None:
        for id_ in ids:
            if id_ not in self.seen and id_ not in self.there:
                self.there[id_] = source
                self.came.append(id_)

    def minutes(self) -> dict[int, tuple[Any, ...]]:
        """The closed ones: number -> its trades, and what they miss below."""
        found: dict[int, list[int]] = {}
        for id_ in sorted(self.there):
            found.setdefault(spans.minute_of(time_of(id_)), []).append(id_)
        top = max(found, default=None)
        gone = {b: len(self.absent(a, b)) for a, b in pairwise(sorted(self.there))}
        return {at: (*ids, sum(gone.get(id_, 0) for id_ in ids)) for at, ids in found.items() if at != top}

    def absent(self, after: int, before: int) -> list[int]:
        return [id_ for id_ in range(after + 1, before) if id_ not in self.there and id_ not in self.seen]

    def located(self, suspects: Sequence[Suspect], rows: Sequence[Gap]) -> Located:
        minutes = {minute for one in suspects for minute in one.minutes}
        minutes |= {minute for gap in rows for minute in range(span(gap)[0], span(gap)[1] + 1)}
        read = [id_ for id_ in sorted(self.there) if spans.minute_of(time_of(id_)) in minutes]
        points = sorted({*read, *self.seen})
        runs = [
            Run(
                self.feed,
                a + 1,
                b - 1,
                *self._trade([id_ for id_ in read if id_ <= a][-1:]),
                *self._trade([i for i in read if i >= b]),
            )
            for a, b in pairwise(points)
            if b > a + 1
        ]
        inside = {gap.key: [id_ for id_ in self.came if id_ in read and gap.inside[0] <= id_ <= gap.inside[1]] for gap in rows}
        fillings = {key: Filling(len(ids), self.there[ids[-1]]) for key, ids in inside.items() if ids}
        return Located(runs, {self.feed: (points[0], points[-1])} if points else {}, fillings)

    def _trade(self, ids: Sequence[int]) -> tuple[int | None, datetime | None]:
        return (ids[0], time_of(ids[0])) if ids else (None, None)

    def is_unasked(self, *_: Run) -> bool:
        return False  # there is no history

    def last_below(self, word: Word) -> int | None:
        return max((id_ for id_ in self.there if id_ < (word.after_id or 0)), default=None)

    def words(self, files: None, pairs: set[str]) -> list[Word]:
        assert (files, pairs) == (None, {self.feed.pair})
        return self.said

    def run(self, *words: Word, full: bool = False) -> list[Gap]:
        """The job's, on what changed; or on all minutes and words."""
        self.said += words
        words = tuple(self.said) if full else words
        minutes = self.minutes()
        unsettled = [gap for gap in self.rows.values() if gap.state in ("unrecoverable", "implausible")]
        suspects: list[Suspect] = []
        if self.feed == NOT_DENSE:
            minutes = {}
        for (before, _), (at, (*ids, missing)) in pairwise([(None, ()), *sorted(minutes.items())]):
            low = minutes[before][0] if before is not None else ids[0]
            is_beside = any(low <= gap.inside[1] and ids[-1] >= gap.inside[0] for gap in unsettled)
            if (missing or is_beside) and (full or self.before.get(at) != minutes[at]):
                suspects.append(Suspect(self.feed, (low, ids[-1]), [at] if before is None else [at, before]))
        standing = [gap for gap in self.rows.values() if gap.state == "open" or gap in unsettled or suspects or words]
        self.now += timedelta(minutes=1)
        changed = judged(self, Seen(words, suspects), standing, self.now)  # type: ignore[arg-type]  # stands in for the tables
        self.before = minutes
        self.rows |= {gap.key: gap for gap in changed}
        return changed

    def closed_holes(self) -> dict[int, list[int]]:
        """Id of a trade -> the ids absent above it, where a closed minute tells."""
        closed = {id_ for *ids, _ in self.minutes().values() for id_ in ids}
        ordered = sorted(self.there)
        return {a: self.absent(a, b) for a, b in pairwise(ordered) if b in closed and self.absent(a, b)}


def word(event: str, before: int | None, after: int | None, *, feed: Feed = FEED, **said: Any) -> Word:  # noqa: ANN401 - fields
    ids = (None, None) if before is None or after is None or feed == NOT_DENSE else (before + 1, after - 1)
    times = [None if id_ is None else time_of(id_) for id_ in (before, after)]
    outcome, source = ("ids", "ws") if event == "gap" else ("repaired", "rest")
    at = times[1] or times[0] or NOW
    return Word(feed, event, before, after, *ids, *times, None, outcome, source, at)._replace(**said)


def states(world: World) -> list[tuple[Any, ...]]:
    return [(gap.before_id, gap.after_id, gap.missing, gap.state, gap.repaired_rows) for _, gap in sorted(world.rows.items())]


def is_told(world: World, gap: Gap) -> bool:
    """Do closed minutes tell of all that lies in it? A row that is closed is looked at again once they do, or change."""
    inside = range(gap.inside[0], gap.inside[1] + 1)
    closed = {id_ for *ids, _ in world.minutes().values() for id_ in ids}
    gone = {id_ for ids in world.closed_holes().values() for id_ in ids}
    between = range(min(closed, default=0), max(closed, default=0))
    return all(id_ in closed if id_ in world.there else id_ in gone or (id_ in world.seen and id_ in between) for id_ in inside)


def check(world: World, ledger: dict[tuple[Feed, int], Gap]) -> None:
    """The sum is what the minutes say, and no id belongs to two rows."""
    gone = {id_ for ids in world.closed_holes().values() for id_ in ids}
    told: dict[int, int] = {}
    for gap in world.rows.values():
        low, high = gap.inside
        inside = [id_ for id_ in range(low, high + 1) if id_ not in world.there and id_ not in world.seen]
        for id_ in range(low, high + 1):
            assert told.setdefault(id_, gap.before_id) == gap.before_id, f"{id_} belongs to {told[id_]} and to {gap.before_id}"
        if gap.state == "unrecoverable" and not is_told(world, gap):
            continue
        if gap.state in ("open", "unrecoverable"):
            assert gap.missing == len(inside) > 0
            assert (gap.first_missing_id, gap.last_missing_id) == (inside[0], inside[-1])
        else:
            assert not gone.intersection(inside), f"{gap} is closed and misses {inside}"
        assert (gap.closed_at is None) == (gap.state == "open")
        was = ledger.get(gap.key)
        fixed = ("after_id", "before_ts", "after_ts", "detected_by", "detected_at")
        assert was is None or all(getattr(was, name) == getattr(gap, name) for name in fixed)
    assert gone <= told.keys(), f"in no row: {sorted(gone - told.keys())}"


def look_again(world: World) -> list[Gap]:
    """What a look at everything makes of it: other rows than stand, but for some that the minutes do not tell of yet.

    Those are the rows that were given up, and those that were closed by a trade that is gone again.
    """
    other = replace(world, rows=dict(world.rows), said=list(world.said))
    stood = [world.rows.get(gap.key) for gap in other.run(full=True)]
    assert other.run(full=True) == []

    def may_differ(gap: Gap) -> bool:
        lost = world.gone.intersection(range(gap.inside[0], gap.inside[1] + 1))
        return (gap.state == "unrecoverable" or (gap.state != "open" and bool(lost))) and not is_told(world, gap)

    return [gap for gap in stood if gap is None or not may_differ(gap)]


@pytest.mark.parametrize("seed", [*range(400), 19298])  # the last one: given up, and the minute above it is open still
def test_after_any_history_each_missing_id_is_in_one_row(seed):
    random = Random(seed)  # noqa: S311 - a history, no secret
    world = World(random.choice((FEED, NO_FILES)))
    market = range(1, 70)
    for _ in range(random.randint(1, 7)):
        start = random.choice(market)
        some = range(start, start + random.randint(1, 30))
        words = []
        match random.randint(0, 5):
            case 0 | 1 | 2:
                world.take((id_ for id_ in some if random.random() < 0.7), random.choice(("ws", "rest", "dump")))
            case 3:
                world.seen |= {id_ for id_ in random.choices(some, k=3) if id_ not in world.there}
            case 4:
                for id_ in random.choices(some, k=2):
                    world.gone |= {id_} & world.there.keys()
                    world.there.pop(id_, None)
                    world.came = [one for one in world.came if one != id_]
            case 5:
                after = random.choice((start + random.randint(1, 9), None))
                told = {"first_missing_id": start + 1, "last_missing_id": start + 5} if after is None else {}
                words.append(word("gap", start, after, feed=world.feed, **told))
        if random.random() < 0.3:  # of a row, or before there is one
            gap = random.choice([*world.rows.values(), SimpleNamespace(before_id=start, after_id=start + 9)])
            outcome, source = random.choice(("repaired", "absent", "too_old", "left")), random.choice(("rest", "dump"))
            words.append(word("repair", gap.before_id, gap.after_id, feed=world.feed, outcome=outcome, source=source))
        before = dict(world.rows)
        world.run(*words)
        check(world, before)
        assert look_again(world) == [], "a second look finds something else"


def last(world: World) -> tuple[Any, ...]:
    """The only row."""
    (row,) = states(world)
    return row


def test_a_gap_closes_with_the_source_of_the_row_that_came_last():
    for source, state in (
        ("rest", "repaired_rest"),
        ("dump", "repaired_dump"),
        ("ws", "repaired_late"),
        ("adopted", "repaired_late"),
    ):
        world = World()
        world.take([1, 2, 3, 7, 8, 20])
        world.run()
        assert last(world) == (3, 7, 3, "open", 0)
        world.take([5], "ws")
        world.run()
        assert last(world) == (3, 7, 2, "open", 1)
        world.take([4, 6], source)
        world.run()
        assert last(world) == (3, 7, 0, state, 3)


def test_a_hole_of_voids_is_void_and_one_with_voids_counts_the_others():
    world = World()
    world.take([1, 2, 7, 8, 20])
    world.seen |= {4}
    world.run()
    assert last(world) == (2, 7, 3, "open", 0)
    gap = world.rows[FEED, 2]
    assert (gap.first_missing_id, gap.last_missing_id, gap.before_ts, gap.after_ts) == (3, 6, time_of(2), time_of(7))
    world.seen |= {3, 5, 6}
    world.run()
    assert last(world) == (2, 7, 0, "void", 0)


def test_what_a_collector_saw_and_repaired_before_anybody_looked_is_in_the_ledger():
    world = World()
    world.take(range(1, 10))
    world.take(range(10, 14), "rest")
    world.take(range(14, 30))
    world.run(word("gap", 9, 14), word("repair", 9, 14, rows=4))
    assert last(world) == (9, 14, 0, "repaired_rest", 4)
    assert world.rows[FEED, 9].detected_by == "collector"


def test_a_hole_told_twice_and_seen_in_the_minutes_is_one_row():
    world = World()
    world.take([*range(1, 10), *range(14, 30)])
    world.run()
    world.run(word("gap", 9, 14))
    world.run(word("gap", 8, 13), word("gap", 12, 20))
    assert last(world) == (9, 14, 4, "open", 0)
    assert world.rows[FEED, 9].detected_by == "minutes"


def test_what_no_frame_came_after_is_missing_until_it_comes():
    world = World()
    world.take(range(1, 10))
    told = word("gap", 9, None, first_missing_id=10, last_missing_id=12, at=time_of(12))
    world.run(told)
    assert last(world) == (9, 13, 3, "open", 0)
    world.take([10, 11, 12], "rest")
    world.run()
    assert last(world) == (9, 13, 0, "repaired_rest", 3)


@pytest.mark.parametrize(
    ("feed", "outcome", "source", "state"),
    [
        (FEED, "absent", "rest", "open"),  # the files may have it
        (FEED, "absent", "dump", "unrecoverable"),
        (FEED, "too_old", "rest", "open"),
        (FEED, "left", "dump", "open"),
        (FEED, "not_published", "dump", "open"),
        (FEED, "repaired", "rest", "open"),  # a word: the tables have not got it
        (NO_FILES, "absent", "rest", "unrecoverable"),
        (NO_FILES, "too_old", "rest", "unrecoverable"),
        (NO_FILES, "failed", "rest", "open"),
    ],
)
def test_after_the_last_who_could_be_asked_it_is_given_up(feed, outcome, source, state):
    world = World(feed)
    world.take([1, 2, 3, 7, 8, 20])
    world.run()
    world.run(word("repair", 3, 7, feed=feed, outcome=outcome, source=source))
    assert last(world) == (3, 7, 3, state, 0)
    world.take([4, 5, 6], "dump")
    world.run()
    assert last(world) == (3, 7, 0, "repaired_dump", 3)


def test_a_later_hole_inside_opens_its_row_again():
    world = World()
    world.take([1, 2, 3, 7, 8, 20])
    world.run()
    world.take([4, 5, 6], "rest")
    world.run()
    closed = world.rows[FEED, 3]
    del world.there[5]
    world.run()
    assert last(world) == (3, 7, 1, "open", 2)
    assert world.rows[FEED, 3] == replace(
        closed, state="open", missing=1, first_missing_id=5, last_missing_id=5, repaired_rows=2, closed_at=None
    )


def test_what_nobody_was_to_have_stays_so_until_it_is_there_whatever_is_said_of_it():
    """However much it is, and whoever asked the venue: nobody repairs it unasked, and nobody gives it up."""
    border = Run(FEED, 4, 20_000_004, 3, time_of(3), 20_000_005, time_of(4))

    def tables(absent: Sequence[Run], filling: Filling | None = None) -> Any:  # noqa: ANN401 - stands in for the tables
        found = Located(absent, {FEED: (1, 20_000_010)}, {(FEED, 3): filling} if filling else {})
        return SimpleNamespace(is_unasked=lambda *_: False, words=lambda *_: [], located=lambda *_: found)

    (gap,) = judged(tables([]), Seen([], [], [border]), [], NOW)
    assert (gap.before_id, gap.after_id, gap.missing, gap.state, gap.closed_at) == (
        3,
        20_000_005,
        20_000_001,
        "not_collected",
        NOW,
    )
    assert judged(tables([]), Seen([], [], [border]), [gap], BEGIN) == []  # a later look sees it again
    near = [Suspect(FEED, (1, 20_000_010), [0])]
    told = Word(FEED, "repair", 3, 20_000_005, None, None, None, None, 0, "absent", "dump", NOW)
    part = border._replace(low=10)
    (less,) = judged(tables([part], Filling(6, "dump")), Seen([told], near), [gap], NOW)
    assert (less.first_missing_id, less.missing, less.state, less.repaired_rows) == (10, 19_999_995, "not_collected", 6)
    (filled,) = judged(tables([], Filling(20_000_001, "dump")), Seen([], near), [less], NOW)
    assert (filled.missing, filled.state, filled.closed_at) == (0, "repaired_dump", NOW)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("2026-01-31", "2026-03-01", True),  # February is not there
        ("2025-12-31", "2026-02-01", True),
        ("2026-01-31", "2026-02-01", False),  # they adjoin: what is missing, files lack
        ("2025-11-30", "2025-12-01", False),
        ("2025-12-31", "2026-01-01", False),
        ("2026-01-01", "2026-01-31", False),
        ("2026-01-31", "2026-05-01", False),  # of May nothing is published
        ("2025-10-31", "2026-01-01", False),
    ],
)
def test_what_lies_between_two_months_of_history_that_do_not_adjoin_nobody_was_to_have(
    before: str, after: str, *, expected: bool
):
    known = [(2025, 11), (2025, 12), (2026, 1), (2026, 2), (2026, 3)]
    tables: Any = SimpleNamespace(published=frozenset(Month(*FEED, *one) for one in known))
    first = Run(FEED, 4, 5, 3, moment("23:59:59", before), 6, None)
    last = Run(FEED, 7, 8, 6, None, 9, moment("00:00:00", after))
    assert Holes.is_unasked(tables, first, last) is expected
    assert not Holes.is_unasked(tables, first._replace(before_ts=None), last)
    assert not Holes.is_unasked(tables, first, last._replace(after_ts=None))
    other = FEED._replace(pair="ETH-USDT")
    assert not Holes.is_unasked(tables, first._replace(feed=other), last._replace(feed=other))


def test_ten_million_ids_are_believed_by_nobody():
    world = World()
    world.take([1, 2, 3])
    told = Run(FEED, 4, 10_000_004, 3, time_of(3), 10_000_005, time_of(4))
    tables = SimpleNamespace(
        is_unasked=lambda *_: False, words=lambda *_: [], located=lambda *_: Located([told], {FEED: (1, 10_000_005)}, {})
    )
    (gap,) = judged(tables, Seen([], [Suspect(FEED, (1, 10_000_005), [0])]), [], NOW)  # type: ignore[arg-type]  # stands in for the tables
    assert (gap.missing, gap.state, gap.closed_at) == (10_000_001, "implausible", NOW)
    smaller = told._replace(high=10_000_002, after_id=10_000_003)
    tables = SimpleNamespace(
        is_unasked=lambda *_: False, words=lambda *_: [], located=lambda *_: Located([smaller], {FEED: (1, 10_000_003)}, {})
    )
    (gap,) = judged(tables, Seen([], [Suspect(FEED, (1, 10_000_003), [0])]), [], NOW)  # type: ignore[arg-type]  # stands in for the tables
    assert (gap.missing, gap.state) == (9_999_999, "open")


@pytest.mark.parametrize(("sort", "state"), [("inner", "unrecoverable"), ("reset", "implausible")])
def test_what_nobody_can_ask_for_is_told_at_once(sort, state):
    world = World()
    world.take(range(1, 30))
    after = 10 if sort == "inner" else 2
    world.run(word("gap", 9, after, outcome=sort, first_missing_id=None, last_missing_id=None))
    assert last(world) == (9, after, None, state, None)


@pytest.mark.parametrize(
    ("outcome", "source", "rows", "state"),
    [
        ("repaired", "rest", 3, "repaired_rest"),
        ("repaired", "rest", 0, "void"),
        ("left", "rest", 1, "open"),
        ("too_old", "rest", 0, "unrecoverable"),
        ("implausible", "rest", 0, "implausible"),
    ],
)
def test_where_ids_are_not_dense_whoever_asked_is_believed(outcome, source, rows, state):
    world = World(NOT_DENSE)
    world.take([10, 12, 30])
    world.run(word("gap", 12, 30, feed=NOT_DENSE, outcome="suspected"))
    assert last(world) == (12, 30, None, "open", None)
    world.run(word("repair", 12, 30, feed=NOT_DENSE, outcome=outcome, source=source, rows=rows))
    assert last(world) == (12, 30, None, state, rows if outcome == "repaired" else None)


def test_where_the_disk_forgot_how_far_we_were_the_tables_tell():
    forgot = word("gap", None, 30, outcome="forgotten")
    world = World(NOT_DENSE)
    world.take([10, 12, 30])
    world.run(forgot._replace(feed=NOT_DENSE))
    assert last(world) == (12, 30, None, "open", None)
    dense = World()
    dense.take([10, 11, 12, 30, 31, 50])
    dense.run(forgot)
    assert last(dense) == (12, 30, 17, "open", 0)
    began = World()
    began.take(range(30, 50))
    began.run(forgot._replace(first_missing_id=28, last_missing_id=29))
    assert states(began) == [(27, 30, 2, "open", 0)]
