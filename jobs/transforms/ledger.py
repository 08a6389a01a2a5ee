"""What becomes of a hole: ids that are absent, words of collectors, and the rows that stand, made into the rows that should. Pure.

Two rows of a feed never overlap: an absent id belongs to the row between whose `before_id` and `after_id` it lies, and else to a new
one. So the sum of `missing` is what the minutes say.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from jobs.tables.gaps import FILLED, HALT, IMPLAUSIBLE, LATE, NOT_COLLECTED, OPEN, UNRECOVERABLE, VOID
from jobs.transforms.feeds import Feed

LEAP = 10_000_000  # ids; a hole of more is believed by nobody
FINAL = ("absent", "too_old")  # words of a repair after which there is nowhere left to ask
NOTHING_TO_ASK = "inner"  # sort of a hole inside an aggregate: the venue would tell the same again
ANEW = "reset"  # sort of a hole where ids began anew

Ids = tuple[int, int]  # from the first to the last, both included


@dataclass(frozen=True)
class Gap:
    """A row of `gaps`."""

    feed: Feed
    before_id: int
    after_id: int | None
    first_missing_id: int | None
    last_missing_id: int | None
    missing: int | None
    before_ts: datetime | None
    after_ts: datetime | None
    detected_by: str
    state: str
    repaired_rows: int | None
    detected_at: datetime
    closed_at: datetime | None

    @property
    def key(self) -> tuple[Feed, int]:
        return self.feed, self.before_id

    @property
    def inside(self) -> Ids:
        """The ids that belong to it; the second below the first: none."""
        return self.before_id + 1, self.before_id if self.after_id is None else self.after_id - 1

    @property
    def is_empty(self) -> bool:
        """Is there no id between its ends?"""
        return self.after_id is not None and self.after_id <= self.before_id + 1


class Run(NamedTuple):
    """Ids that are absent one after the other, and the nearest trades around them."""

    feed: Feed
    low: int
    high: int
    before_id: int | None
    before_ts: datetime | None
    after_id: int | None
    after_ts: datetime | None


class Word(NamedTuple):
    """What a collector or a repair says of a hole."""

    feed: Feed
    event: str  # gap, repair
    before_id: int | None
    after_id: int | None
    first_missing_id: int | None
    last_missing_id: int | None
    before_ts: datetime | None
    after_ts: datetime | None
    rows: int | None
    outcome: str | None
    source: str
    at: datetime


class Filling(NamedTuple):
    """The trades that lie in a gap."""

    rows: int
    source: str  # of the one that came last


class Evidence(NamedTuple):
    """What is known of one gap by now."""

    absent: Sequence[Ids]
    filling: Filling | None
    words: Sequence[Word]


@dataclass(frozen=True)
class Rules:
    """What is to be known of the markets."""

    is_dense: Callable[[Feed], bool]
    has_files: Callable[[Feed], bool]  # does the venue publish files in which more may stand than REST tells?


def suspected(words: Iterable[Word], standing: Iterable[Gap], rules: Rules) -> list[Gap]:
    """New rows for the holes that collectors told of and that no row holds."""
    known: dict[Feed, list[Gap]] = {}
    for gap in standing:
        known.setdefault(gap.feed, []).append(gap)
    made = []
    for word in words:
        rows = known.setdefault(word.feed, [])
        if word.event != "gap" or word.before_id is None or any(is_of(word, row) for row in rows):
            continue
        new = _told(word, is_dense=rules.is_dense(word.feed))
        if new.state != OPEN or not new.is_empty:  # else nothing lies between
            rows.append(new)
            made.append(new)
    return made


def _told(word: Word, *, is_dense: bool) -> Gap:
    assert word.before_id is not None
    ids = (word.first_missing_id, word.last_missing_id) if is_dense else (None, None)
    after_id = word.after_id if ids[1] is None else ids[1] + 1
    state = {NOTHING_TO_ASK: UNRECOVERABLE, ANEW: IMPLAUSIBLE}.get(word.outcome or "", OPEN)
    return Gap(
        word.feed,
        word.before_id,
        after_id,
        *ids,
        None,
        word.before_ts,
        word.after_ts,
        "collector",
        state,
        None,
        word.at,
        None if state == OPEN else word.at,
    )


def is_of(word: Word, row: Gap) -> bool:
    """Is it about the same hole? The same place, or some of the same ids."""
    if word.before_id == row.before_id:
        return True
    if word.before_id is None:
        return False
    last = word.last_missing_id if word.after_id is None else word.after_id - 1
    low, high = row.inside
    return last is not None and max(low, word.before_id + 1) <= min(high, last)


def cut(runs: Iterable[Run], rows: Iterable[Gap]) -> list[Run]:
    """What of these runs belongs to none of the rows."""
    held: dict[Feed, list[Ids]] = {}
    for row in rows:
        if row.inside[0] <= row.inside[1]:
            held.setdefault(row.feed, []).append(row.inside)
    parts = []
    for run in runs:
        rest, around = [(run.low, run.high)], held.get(run.feed, ())
        for low, high in around:
            rest = [left for ids in rest for left in _without(ids, low, high)]
        for low, high in rest:
            before = max((last for _, last in around if last < low), default=-1)
            after = min((first for first, _ in around if first > high), default=None)
            part = run._replace(low=low, high=high)
            if run.before_id is not None and before > run.before_id:
                part = part._replace(before_id=before)
            if after is not None and (run.after_id is None or after < run.after_id):
                part = part._replace(after_id=after)
            parts.append(part)
    return parts


def _without(ids: Ids, low: int, high: int) -> list[Ids]:
    if high < ids[0] or low > ids[1]:
        return [ids]
    return [part for part in ((ids[0], low - 1), (high + 1, ids[1])) if part[0] <= part[1]]


def found(runs: Iterable[Run], now: datetime, is_unasked: Callable[[Run, Run], bool]) -> list[Gap]:
    """New rows, one for all that is absent between two trades. `is_unasked`: was nobody to have what lies from the one run to the other?"""
    rows: dict[tuple[Feed, int], list[Run]] = {}
    for run in runs:
        if run.before_id is not None:  # what lies below a feed's first trade is not missing
            rows.setdefault((run.feed, run.before_id), []).append(run)
    made = []
    for (feed, before_id), parts in rows.items():
        first, last = parts[0], parts[-1]
        missing = sum(run.high - run.low + 1 for run in parts)
        state = NOT_COLLECTED if is_unasked(first, last) else OPEN if missing < LEAP else IMPLAUSIBLE
        times = first.before_ts, last.after_ts
        ids = before_id, last.after_id, first.low, last.high, missing
        made.append(Gap(feed, *ids, *times, "minutes", state, 0, now, None if state == OPEN else now))
    return made


def absent(gap: Gap, runs: Sequence[Run], ends: Ids | None) -> Sequence[Ids]:
    """Which of its ids are absent. `runs` are its feed's, in order; outside of `ends`, the least and greatest that is there, all are."""
    low, high = gap.inside
    least, greatest = ends or (high + 1, high + 1)
    between = [(run.low, run.high) for run in runs if run.low <= high and run.high >= low]
    mine = [(max(low, first), min(high, last)) for first, last in ((low, least - 1), *between, (greatest + 1, high))]
    return [ids for ids in mine if ids[0] <= ids[1]]


def judged(gap: Gap, known: Evidence, rules: Rules, now: datetime) -> Gap:
    """The row as it should be."""
    if gap.state == HALT or gap.is_empty:
        return gap
    words = [word for word in known.words if word.event == "repair" and word.feed == gap.feed and is_of(word, gap)]
    if rules.is_dense(gap.feed):
        return _counted(gap, known._replace(words=words), rules, now)
    return _believed(gap, words, rules, now)


def _counted(gap: Gap, known: Evidence, rules: Rules, now: datetime) -> Gap:
    """Ids are dense: what is absent is known."""
    gone, filling = known.absent, known.filling
    count = sum(high - low + 1 for low, high in gone)
    if not count:
        state = FILLED.get(filling.source, LATE) if filling else VOID
    elif gap.state == NOT_COLLECTED:
        state = NOT_COLLECTED
    elif count >= LEAP:
        state = IMPLAUSIBLE
    elif gap.state == UNRECOVERABLE or any(_is_final(word, rules) for word in known.words):
        state = UNRECOVERABLE
    else:
        state = OPEN
    counted = replace(
        gap,
        first_missing_id=gone[0][0] if gone else None,
        last_missing_id=gone[-1][1] if gone else None,
        missing=count,
        repaired_rows=filling.rows if filling else 0,
    )
    return _in_state(counted, state, now)


def _believed(gap: Gap, words: Sequence[Word], rules: Rules, now: datetime) -> Gap:
    """Ids tell nothing: whoever asked the venue does."""
    state, rows = gap.state, gap.repaired_rows
    for word in words:
        if word.outcome == "repaired":
            rows = word.rows or 0
            state = FILLED.get(word.source, LATE) if rows else VOID
        elif state == OPEN and word.outcome == IMPLAUSIBLE:
            state = IMPLAUSIBLE
        elif state == OPEN and _is_final(word, rules):
            state = UNRECOVERABLE
    return _in_state(replace(gap, repaired_rows=rows), state, now)


def _is_final(word: Word, rules: Rules) -> bool:
    return word.outcome in FINAL and (word.source == "dump" or not rules.has_files(word.feed))


def _in_state(gap: Gap, state: str, now: datetime) -> Gap:
    closed_at = None if state == OPEN else gap.closed_at if gap.state == state and gap.closed_at else now
    return replace(gap, state=state, closed_at=closed_at)


def inside(runs: Sequence[Run], intervals: Mapping[Feed, Sequence[Ids]]) -> list[Run]:
    """The runs that lie whole in one of the intervals in which everything was looked at. Intervals are disjoint and in order."""
    whole = []
    for run in runs:
        known = intervals.get(run.feed, ())
        place = bisect_left(known, run.low, key=lambda ids: ids[1])
        if place < len(known) and known[place][0] <= run.low and run.high <= known[place][1]:
            whole.append(run)
    return whole
