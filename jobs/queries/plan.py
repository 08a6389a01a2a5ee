"""Which minutes a change of the trades brings along, and how each is written. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from jobs.transforms.feeds import Brought, Feed, Known, State
from jobs.transforms.ranges import MINUTE

Span = tuple[int, int]  # first and last minute, both included


@dataclass
class Change:
    """A change of the state while it happens: what each touched feed was like before, and which minutes got trades."""

    state: State
    before: dict[Feed, Mapping[int, int]] = field(default_factory=dict)
    tops: dict[Feed, int | None] = field(default_factory=dict)
    touched: dict[Feed, set[int]] = field(default_factory=dict)

    def take(self, arrived: Mapping[Feed, Brought], dense: Mapping[tuple[str, str, str], bool]) -> None:
        """Cover what arrived."""
        for feed, here in arrived.items():
            known = self.state.setdefault(feed, Known())
            self.before.setdefault(feed, known.ranges.flags())
            self.tops.setdefault(feed, known.top)
            self.touched.setdefault(feed, set()).update(here.minutes)
            for island in here.islands:
                if dense[feed.venue, feed.market, feed.kind]:
                    known.ranges.add(island)
                if island.last is not None:
                    known.highest = max(island.high, known.highest or 0)
            newest = max(here.minutes, default=None)
            if newest is not None and (known.top is None or newest > known.top):
                known.top, known.shown = newest, False


@dataclass(frozen=True)
class Plan:
    """Spans of minutes a feed: to append blindly; to merge; of those merged, the open ones that are only corrected, never begun."""

    append: Mapping[Feed, list[Span]]
    merge: Mapping[Feed, list[Span]]
    bare: Mapping[Feed, bool]  # afterwards: does this run know that the top minute has no row?


def plan(change: Change, *, fast: bool, close: Iterable[Feed] = ()) -> Plan:
    """The minutes of fresh rows; those in which a range end moved, appeared or vanished; the former top of a feed whose top rose.

    `fast`: every commit before this change is reflected in the minutes, so what lies above a feed's former top has no row.
    """
    closing = set(close)
    append: dict[Feed, list[Span]] = {}
    merge: dict[Feed, list[Span]] = {}
    bare: dict[Feed, bool] = {}
    for feed in change.before.keys() | closing:
        known = change.state[feed]
        old_top = change.tops.get(feed, known.top)
        minutes = set(change.touched.get(feed, ()))
        after = known.ranges.flags()
        was = change.before.get(feed, after)
        minutes |= {minute for minute in was.keys() | after.keys() if was.get(minute) != after.get(minute)}
        rose = known.top is not None and (old_top is None or known.top > old_top)
        if rose and old_top is not None:
            minutes.add(old_top)
        if feed in closing and known.top is not None:
            minutes.add(known.top)
        new_row = {minute for minute in minutes if _has_no_row(minute, old_top, known, fast=fast)}
        open_ = {known.top} if feed not in closing and (known.top in new_row) else set()
        append[feed] = _spans(new_row - open_)
        merge[feed] = _spans(minutes - new_row)
        bare[feed] = fast and known.top in (new_row | ({old_top} if known.bare else set())) and feed not in closing
    return Plan({f: s for f, s in append.items() if s}, {f: s for f, s in merge.items() if s}, bare)


def _has_no_row(minute: int, old_top: int | None, known: Known, *, fast: bool) -> bool:
    if known.bare and minute == old_top:
        return True
    return fast and (old_top is None or minute > old_top)


def _spans(minutes: Iterable[int]) -> list[Span]:
    """Minutes as runs; neighbours join."""
    found: list[Span] = []
    for minute in sorted(minutes):
        if found and minute <= found[-1][1] + 1:
            found[-1] = (found[-1][0], minute)
        else:
            found.append((minute, minute))
    return found


def whole(spans: Mapping[Feed, list[Span]]) -> Mapping[Feed, list[Span]]:
    """One span a feed, for minutes that are all above its former top: none in between belongs to another change."""
    return {feed: [(found[0][0], found[-1][1])] for feed, found in spans.items() if found}


def predicate(spans: Mapping[Feed, list[Span]], column: str, *, alias: str = "") -> str:
    """A literal condition on partitions and time that prunes files; wider than the spans, never narrower."""
    by_pair: dict[str, list[Span]] = {}
    for feed, found in spans.items():
        by_pair.setdefault(feed.pair, []).extend(found)
    parts = [
        f"({alias}pair = '{pair}' AND {alias}year = {year} AND {alias}month = {month} "
        f"AND {alias}{column} >= TIMESTAMP '{_text(low)}' AND {alias}{column} < TIMESTAMP '{_text(high + 1)}')"
        for pair, found in sorted(by_pair.items())
        for low, high in _near(found)
        for year, month, low, high in _months(low, high)
    ]
    return "(" + " OR ".join(parts) + ")"


def _near(spans: Iterable[Span], gap: int = 10) -> list[Span]:
    """Spans that nearly touch read as one: a condition more costs more than a minute too many."""
    found: list[Span] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1] + gap:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def _months(low: int, high: int) -> Iterable[tuple[int, int, int, int]]:
    """(year, month, first minute, last minute) of a span, month by month."""
    while low <= high:
        start = time_of(low)
        turn = datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
        last = min(high, int(turn.timestamp()) // 60 - 1)
        yield start.year, start.month, low, last
        low = last + 1


def time_of(minute: int) -> datetime:
    """The start of a minute."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=minute * MINUTE)


def _text(minute: int) -> str:
    return f"{time_of(minute):%Y-%m-%d %H:%M:%S}+00:00"
