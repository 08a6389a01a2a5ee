"""From which to which minute a feed has rows. What lies between is covered: without a row it is empty, or lost."""

from collections.abc import Iterable, Mapping

from jobs.transforms.feeds import Feed
from jobs.transforms.spans import Span, Spans

Covered = Mapping[Feed, Span]  # its first and its last minute


def grown(covered: Covered, changed: Spans, found: Covered) -> Covered | None:
    """What is covered after a change; `found` are the first and last rows that there are now in the minutes that changed.

    None: an end is gone, and where the next row is was not looked for.
    """
    after = {**found, **covered}
    for feed, (first, last) in covered.items():
        low, high = found.get(feed, (last + 1, first - 1))
        spans = changed.get(feed.pair, ())
        if (low > first and _holds(spans, first)) or (high < last and _holds(spans, last)):
            return None
        after[feed] = (min(first, low), max(last, high))
    return after


def moved(before: Covered, after: Covered) -> Iterable[tuple[str, Span]]:
    """(Pair, minutes) that came to be covered, with the ends of before: a candle there may have waited for it."""
    for feed, (first, last) in after.items():
        was_first, was_last = before.get(feed, (None, None))
        if was_first is None or was_last is None:
            yield feed.pair, (first, last)
            continue
        if first != was_first:
            yield feed.pair, (first, was_first)
        if last != was_last:
            yield feed.pair, (was_last, last)


def plain(covered: Covered) -> list[list[object]]:
    """As JSON holds it."""
    return [[*feed, *ends] for feed, ends in sorted(covered.items())]


def covered(plain: Iterable[tuple[str, str, str, str, int, int]]) -> Covered:
    """The inverse of `plain`."""
    return {Feed(*feed): (first, last) for *feed, first, last in plain}


def _holds(spans: Iterable[Span], minute: int) -> bool:
    return any(low <= minute <= high for low, high in spans)
