"""Which rows history has, as SQL of literals: what every engine that reads the lake is told of the months that are published."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")  # a literal that no engine reads in a way of its own
_AT = "year * 100 + month"
_YEAR, _MONTH = "pair || ' ' || CAST(year AS VARCHAR(4))", f"pair || ' ' || CAST({_AT} AS VARCHAR(6))"
NONE, ALL = "FALSE", "TRUE"


class Month(NamedTuple):
    """A row of `published`: a feed of a pair in a month."""

    venue: str
    market: str
    feed: str  # of candles their width
    pair: str
    year: int
    month: int


def is_published(months: Iterable[Month], feed: str = "feed") -> str:
    """Holds for exactly the rows of these months. `feed` is the name of the column: candles have a width.

    Plainly: what is wrapped into a function names no partitions to an engine.
    """
    return _within(months, feed) or NONE


def is_live(months: Iterable[Month], feed: str = "feed") -> str:
    """Holds for exactly the other rows, also for those that lack a value."""
    told = _within(months, feed)
    return f"NOT coalesce({told}, FALSE)" if told else ALL


def _within(months: Iterable[Month], feed: str) -> str:
    """Few conditions of long lists: an engine makes a program of all of them, and Trino's may be no longer than 64 kB."""
    by_feed: dict[tuple[str, str, str], dict[str, set[int]]] = {}
    for one in months:
        for name, value in zip(one._fields, one[:4], strict=False):
            if not _PLAIN.fullmatch(value):
                raise ValueError(f"published: {name} is {value!r}; letters, digits, dots, dashes and underscores would be right")
        by_feed.setdefault(one[:3], {}).setdefault(one.pair, set()).add(one.year * 12 + one.month - 1)
    alike: dict[tuple[str, str, str], list[str]] = {}  # feeds of which the same is published
    for (venue, market, name), pairs in sorted(by_feed.items()):
        alike.setdefault((venue, market, _of_pairs(pairs)), []).append(name)
    return _either(
        f"(venue = '{venue}' AND market = '{market}' AND {feed} IN ({_listed(names)}) AND {parts})"
        for (venue, market, parts), names in alike.items()
    )


def _of_pairs(pairs: Mapping[str, set[int]]) -> str:
    """From the first to the last month of all: years of a pair, without months that are absent, and months of other years."""
    low, high = (edge(edge(there) for there in pairs.values()) for edge in (min, max))
    years, absent, months = list[str](), list[str](), list[str]()
    for pair, there in sorted(pairs.items()):
        for year in sorted({month // 12 for month in there}):
            all_ = {month for month in range(year * 12, year * 12 + 12) if low <= month <= high}
            here = all_ & there
            if 2 * len(here) > len(all_):
                years.append(f"{pair} {year}")
                absent += _named(pair, all_ - here)
            else:
                months += _named(pair, here)
    whole = [f"{_YEAR} IN ({_listed(years)})"] if years else []
    whole += [f"{_MONTH} NOT IN ({_listed(absent)})"] if absent else []
    parts = [" AND ".join(whole)] if years else []
    parts += [f"{_MONTH} IN ({_listed(months)})"] if months else []
    return f"{_AT} BETWEEN {_number(low)} AND {_number(high)} AND {_either(parts)}"


def _named(pair: str, months: Iterable[int]) -> list[str]:
    return [f"{pair} {_number(month)}" for month in sorted(months)]


def _number(month: int) -> str:
    """As a row's year and month make it: 202401."""
    return str(month // 12 * 100 + month % 12 + 1)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _either(parts: Iterable[str]) -> str:
    found = list(parts)
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})" if found else ""
