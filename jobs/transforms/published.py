"""Which rows history has, as SQL of literals: what every engine that reads the lake is told of the months that are published."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")  # a literal that no engine reads in a way of its own
_APART = 6  # months: a hole so wide costs more as months that are left out than as a second run
_AT = "year * 100 + month"
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
    """Holds for exactly the rows of these months; never NULL. `feed` is the name of the column: candles have a width."""
    told = _within(months, feed)
    return f"coalesce({told}, FALSE)" if told else NONE


def is_live(months: Iterable[Month], feed: str = "feed") -> str:
    """Holds for exactly the other rows."""
    told = _within(months, feed)
    return f"NOT coalesce({told}, FALSE)" if told else ALL


def _within(months: Iterable[Month], feed: str) -> str:
    """By feed, then by what is published: pairs of which the same months are share them."""
    by_pair: dict[tuple[str, str, str], dict[str, set[int]]] = {}
    for one in months:
        for name, value in zip(one._fields, one[:4], strict=False):
            if not _PLAIN.fullmatch(value):
                raise ValueError(f"published: {name} is {value!r}; letters, digits, dots, dashes and underscores would be right")
        by_pair.setdefault((one.venue, one.market, one.feed), {}).setdefault(one.pair, set()).add(one.year * 12 + one.month - 1)
    return _either(_series(key, pairs, feed) for key, pairs in sorted(by_pair.items()))


def _series(key: tuple[str, str, str], pairs: dict[str, set[int]], feed: str) -> str:
    venue, market, name = key
    alike: dict[str, list[str]] = {}
    for pair, there in sorted(pairs.items()):
        alike.setdefault(_either(map(_run, _runs(sorted(there)))), []).append(f"'{pair}'")
    parts = _either(f"(pair IN ({', '.join(found)}) AND {when})" for when, found in alike.items())
    return f"(venue = '{venue}' AND market = '{market}' AND {feed} = '{name}' AND {parts})"


def _runs(there: Sequence[int]) -> list[list[int]]:
    """Months that are near to each other."""
    found = [[there[0]]]
    for before, after in pairwise(there):
        if after - before > _APART:
            found.append([])
        found[-1].append(after)
    return found


def _run(there: Sequence[int]) -> str:
    """From the first to the last of them, without those between that are not there."""
    first, last = there[0], there[-1]
    if len(there) == 1:
        return f"{_AT} = {_number(first)}"
    absent = sorted(set(range(first, last)).difference(there))
    run = f"{_AT} BETWEEN {_number(first)} AND {_number(last)}"
    return f"({run} AND {_AT} NOT IN ({', '.join(map(_number, absent))}))" if absent else run


def _number(month: int) -> str:
    """As a row's year and month make it: 202401."""
    return str(month // 12 * 100 + month % 12 + 1)


def _either(parts: Iterable[str]) -> str:
    found = list(parts)
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})" if found else ""
