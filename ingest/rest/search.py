"""What of a hole is still to be looked for, whoever is asked: pure."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ingest.continuity import Hole
from ingest.exchanges.exchange import Page

Span = tuple[int, int]  # least and greatest id


@dataclass
class Search:
    """A hole, the ids of which nobody has told anything, and those that were found. Spans, for a hole may be of millions."""

    hole: Hole
    left: list[Span] = field(default_factory=list)
    found: list[Span] = field(default_factory=list)  # in order, none touching the next

    def __post_init__(self) -> None:
        if not self.left and not self.found:
            self.left = [(self.hole.low, self.hole.high)]

    def take(self, page: Page) -> bool:
        """Whether the page brought us on."""
        before = self.left
        for first, last in runs(number for number in page.ids if self.hole.low <= number <= self.hole.high):
            _add(self.found, first, last)
            self.left = list(without(self.left, first, last))
        self.left = list(without(self.left, page.low, page.high))
        return self.left != before

    def elsewhere(self) -> "Search":
        """What somebody else may have: all that was not found, though we were told that there is no such id."""
        left: list[Span] = [(self.hole.low, self.hole.high)]
        for first, last in self.found:
            left[-1:] = without(left[-1:], first, last)
        return Search(self.hole, left, self.found)

    @property
    def rows(self) -> int:
        """How many ids were found."""
        return sum(last - first + 1 for first, last in self.found)

    @property
    def outcome(self) -> str:
        """How it ended: all there, or the venue has none of the rest."""
        if self.left:
            return "left"
        if self.hole.sort == "ids" and self.rows < self.hole.high - self.hole.low + 1:
            return "absent"
        return "repaired"


def without(spans: Iterable[Span], low: int, high: int) -> Iterator[Span]:
    """What is left of the spans."""
    for first, last in spans:
        if high < first or low > last:
            yield first, last
            continue
        if first < low:
            yield first, low - 1
        if high < last:
            yield high + 1, last


def runs(ids: Iterable[int]) -> Iterator[Span]:
    """Ids as spans, in order."""
    span: Span | None = None
    for number in sorted(ids):
        if span is not None and number <= span[1] + 1:
            span = span[0], number
            continue
        if span is not None:
            yield span
        span = number, number
    if span is not None:
        yield span


def _add(spans: list[Span], first: int, last: int) -> None:
    """Put a span among the others, and join it with those that it touches."""
    begin = bisect_left(spans, (first,))
    if begin and spans[begin - 1][1] >= first - 1:
        begin -= 1
    end = begin
    while end < len(spans) and spans[end][0] <= last + 1:
        first, last = min(first, spans[end][0]), max(last, spans[end][1])
        end += 1
    spans[begin:end] = [(first, last)]
