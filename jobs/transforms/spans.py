"""Runs of minutes, a minute being a number since 1970; and the literal conditions that they make on a table."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from jobs.transforms.ranges import MINUTE

Span = tuple[int, int]  # first and last minute, both included
Spans = Mapping[str, Sequence[Span]]  # of pairs
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def joined(spans: Iterable[Span], gap: int = 0) -> list[Span]:
    """In order; those that overlap, touch, or have no more than `gap` minutes between them are one."""
    found: list[Span] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1] + 1 + gap:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def together(all_: Iterable[Spans]) -> Spans:
    """The spans of several."""
    found: dict[str, list[Span]] = {}
    for spans in all_:
        for pair, mine in spans.items():
            found.setdefault(pair, []).extend(mine)
    return {pair: joined(mine) for pair, mine in found.items()}


def widened(spans: Iterable[Span], by: int) -> list[Span]:
    """So many minutes more on both sides."""
    return joined((low - by, high + by) for low, high in spans)


def predicate(spans: Mapping[str, Sequence[Span]], column: str, *, alias: str = "") -> str:
    """A literal condition on partitions and time that prunes files; wider than the spans of each pair, never narrower."""
    pairs: dict[tuple[int, int, int, int], list[str]] = {}
    for pair, found in sorted(spans.items()):
        # a condition more costs more than a minute too many
        for low, high in joined(found, gap=9):
            for part in months(low, high):
                pairs.setdefault(part, []).append(pair)
    parts = [
        f"({alias}pair {_one_of(found)} AND {alias}year = {year} AND {alias}month = {month} "
        f"AND {alias}{column} >= TIMESTAMP '{_text(low)}' AND {alias}{column} < TIMESTAMP '{_text(high + 1)}')"
        for (year, month, low, high), found in pairs.items()
    ]
    return "(" + " OR ".join(parts) + ")"


def _one_of(pairs: Sequence[str]) -> str:
    return f"= '{pairs[0]}'" if len(pairs) == 1 else f"IN ({', '.join(repr(pair) for pair in pairs)})"


def partitions(keys: Iterable[tuple[str, int, int]]) -> str:
    """A literal condition that names these partitions, each a pair, a year and a month; empty: none of them."""
    pairs: dict[tuple[int, int], list[str]] = {}
    for pair, year, month in keys:
        pairs.setdefault((year, month), []).append(pair)
    parts = (
        f"(year = {year} AND month = {month} AND pair IN ({', '.join(repr(pair) for pair in sorted(found))}))"
        for (year, month), found in sorted(pairs.items())
    )
    return f"({' OR '.join(parts)})" if pairs else ""


def months(low: int, high: int) -> Iterable[tuple[int, int, int, int]]:
    """(year, month, first minute, last minute) of a span, month by month."""
    while low <= high:
        start = time_of(low)
        last = min(high, month(start.year, start.month)[1])
        yield start.year, start.month, low, last
        low = last + 1


def month(year: int, number: int) -> Span:
    """All minutes of a month."""
    turn = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return minute_of(datetime(year, number, 1, tzinfo=UTC)), minute_of(turn) - 1


def time_of(minute: int) -> datetime:
    """The start of a minute."""
    return EPOCH + timedelta(microseconds=minute * MINUTE)


def minute_of(time: datetime) -> int:
    """The minute that a time lies in."""
    return (time - EPOCH) // timedelta(minutes=1)


def _text(minute: int) -> str:
    return f"{time_of(minute):%Y-%m-%d %H:%M:%S}+00:00"
