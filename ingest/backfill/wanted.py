"""Which published files make up a range of days: a file of a whole month where there is one, else those of its days. Pure."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Literal

from ingest.exchanges.exchange import Dump
from ingest.rest.parts import DAY, Part, daily, monthly

Where = Literal["before", "between", "after", "all"]  # of what is published


@dataclass(frozen=True)
class Asked:
    """What somebody wants to have: patterns of pairs, and the first and the last day."""

    pairs: Sequence[str]
    first: date
    last: date
    recheck: bool = False


@dataclass(frozen=True)
class Absent:
    """Days in a row that no file is of."""

    first: date
    last: date
    where: Where


@dataclass(frozen=True)
class Wanted:
    """The files of a pair, and the days without one, both in order."""

    parts: Sequence[Part]
    absent: Sequence[Absent]


def wanted(dump: Dump, pair: str, first: date, last: date, listed: AbstractSet[str]) -> Wanted:
    """The files among those `listed` (paths) that have the days from `first` to `last`; no other days, where days have files."""
    parts, without, day = list[Part](), list[date](), first
    while day <= last:
        whole, part = monthly(dump, pair, day), daily(dump, pair, day)
        if (not dump.has_days or (whole.first == day and whole.last <= last)) and whole.path in listed:
            part = whole
        if part.path in listed:
            parts.append(part)
        else:
            without.append(day)
        day = part.last + DAY
    return Wanted(parts, [_absent(run, parts) for run in _runs(without)])


def chosen(patterns: Sequence[str], pairs: Sequence[str]) -> Sequence[str]:
    """The pairs that a pattern fits (`*-USDT`), and those that are named, in order."""
    named = {pattern for pattern in patterns if "*" not in pattern}
    return sorted(named.union(pair for pair in pairs if any(fnmatchcase(pair, pattern) for pattern in patterns)))


def _runs(days: Sequence[date]) -> Sequence[tuple[date, date]]:
    found: list[tuple[date, date]] = []
    for day in days:
        if found and found[-1][1] + DAY == day:
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found


def _absent(run: tuple[date, date], parts: Sequence[Part]) -> Absent:
    first, last = run
    if not parts:
        return Absent(first, last, "all")
    if last < parts[0].first:
        return Absent(first, last, "before")
    return Absent(first, last, "after" if first > parts[-1].last else "between")
