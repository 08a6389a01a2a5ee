"""Which minutes a change of the trades brings along, and how each is written. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jobs.transforms.feeds import Brought, Feed, Known, State
from jobs.transforms.spans import Span, joined
from jobs.transforms.spans import predicate as of_pairs

MANY = 16  # pairs


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
        append[feed] = _runs(new_row - open_)
        merge[feed] = _runs(minutes - new_row)
        bare[feed] = fast and known.top in (new_row | ({old_top} if known.bare else set())) and feed not in closing
    return Plan({f: s for f, s in append.items() if s}, {f: s for f, s in merge.items() if s}, bare)


def _has_no_row(minute: int, old_top: int | None, known: Known, *, fast: bool) -> bool:
    if known.bare and minute == old_top:
        return True
    return fast and (old_top is None or minute > old_top)


def _runs(minutes: Iterable[int]) -> list[Span]:
    """Minutes as runs; neighbours join."""
    return joined((minute, minute) for minute in minutes)


def whole(spans: Mapping[Feed, list[Span]]) -> Mapping[Feed, list[Span]]:
    """One span a feed, for minutes that are all above its former top: none in between belongs to another change."""
    return {feed: [(found[0][0], found[-1][1])] for feed, found in spans.items() if found}


def predicate(spans: Mapping[Feed, list[Span]], column: str, *, alias: str = "") -> str:
    """`spans.predicate` of the minutes of feeds; for many pairs, of more: who asks filters, or has keys.

    In whole tens of minutes they have few conditions among them. One that is too long Spark interprets, and says so at length.
    """
    by_pair: dict[str, list[Span]] = {}
    for feed, found in spans.items():
        by_pair.setdefault(feed.pair, []).extend(found)
    if len(by_pair) > MANY:
        by_pair = {pair: [(low - low % 10, high - high % 10 + 9) for low, high in found] for pair, found in by_pair.items()}
    return of_pairs(by_pair, column, alias=alias)
