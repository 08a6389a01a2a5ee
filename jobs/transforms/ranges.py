"""The ids that a feed has shown, as ranges: what is fresh, what is missing, which minutes a range begins or ends in.

Bounded by the holes that nobody repaired, not by the table. Ids of voids and other seen items are covered too, but have no minute.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MINUTE = 60_000_000  # microseconds, as all times here


class Mark(NamedTuple):
    """A trade at an end of a range."""

    id: int
    ts: int


class Range(NamedTuple):
    """Ids from `low` to `high`, all seen; the first and the last *trade* in it, None where it holds none."""

    low: int
    high: int
    first: Mark | None
    last: Mark | None


@dataclass
class Ranges:
    """Disjoint, not adjacent, in order."""

    all: list[Range] = field(default_factory=list)

    def holds(self, id_: int) -> bool:
        place = bisect_right(self.all, id_, key=lambda r: r.low) - 1
        return place >= 0 and self.all[place].high >= id_

    def shared(self, other: Range) -> int | None:
        """The least id that a range has in common with these."""
        place = bisect_left(self.all, other.low, key=lambda r: r.high)
        is_shared = place < len(self.all) and self.all[place].low <= other.high
        return max(self.all[place].low, other.low) if is_shared else None

    def without(self, ids: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those of these ids, given from and to, that no range holds."""
        found: list[tuple[int, int]] = []
        for low, high in sorted(ids):
            start = low
            for held in self.all[bisect_left(self.all, low, key=lambda r: r.high) :]:
                if held.low > high:
                    break
                if held.low > start:
                    found.append((start, held.low - 1))
                start = held.high + 1
            if start <= high:
                found.append((start, high))
        return found

    def add(self, new: Range) -> None:
        """Take in a range; where it overlaps or touches others, they become one."""
        start = bisect_left(self.all, new.low - 1, key=lambda r: r.high)
        end = bisect_right(self.all, new.high + 1, key=lambda r: r.low)
        touched = [*self.all[start:end], new]
        firsts = [r.first for r in touched if r.first]
        lasts = [r.last for r in touched if r.last]
        self.all[start:end] = [
            Range(min(r.low for r in touched), max(r.high for r in touched), min(firsts, default=None), max(lasts, default=None))
        ]

    def flags(self) -> Mapping[int, int]:
        """Minute -> ids missing below its trades, for exactly the minutes in which a range begins or ends.

        Every other minute misses none and is complete. None is missing below the feed's first trade: nobody knows where it began.
        """
        found: dict[int, int] = {}
        gap, high, after_a_trade = 0, None, False
        for r in self.all:
            gap += 0 if high is None else r.low - high - 1
            high = r.high
            if r.first and r.last:
                minute = r.first.ts // MINUTE
                found[minute] = found.get(minute, 0) + (gap if after_a_trade else 0)
                found.setdefault(r.last.ts // MINUTE, 0)
                gap, after_a_trade = 0, True
        return found

    def plain(self) -> list[list[int | None]]:
        """As JSON holds it."""
        return [[r.low, r.high, *(r.first or (None, None)), *(r.last or (None, None))] for r in self.all]


def ranges(plain: Iterable[Sequence[int | None]]) -> Ranges:
    """The inverse of `plain`."""
    return Ranges([_range(*row) for row in plain])


def _range(low: int | None, high: int | None, *marks: int | None) -> Range:
    assert low is not None, "a range without its lowest id"
    assert high is not None, "a range without its highest id"
    first_id, first_ts, last_id, last_ts = marks
    if first_id is None or first_ts is None or last_id is None or last_ts is None:
        return Range(low, high, None, None)
    return Range(low, high, Mark(first_id, first_ts), Mark(last_id, last_ts))
