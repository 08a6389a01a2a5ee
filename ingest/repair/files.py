"""Which days' published files may hold what is missing, and what they prove: pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from ingest.rest.parts import DAY, Part
from ingest.rest.search import Span

EARLIER = timedelta(minutes=1)  # a gap may begin at a time of sending, and files go by the times of trades


def days(before: datetime | None, after: datetime | None) -> Sequence[date]:
    """The days of a gap in order; the one that is only its edge comes last. None where no time is known."""
    known = [at.astimezone(UTC) for at in (before, after) if at is not None]
    if not known:
        return ()
    first, last = min(known).date(), max(known).date()
    found = [first + DAY * number for number in range((last - first).days + 1)]
    edge = (min(known) - EARLIER).date()
    return [*found, edge] if edge < first else found


def proven(read: Mapping[Part, Span | None]) -> Sequence[Span]:
    """Of which ids the files tell everything: from the least to the greatest of each run of days. None: a file without rows."""
    found: list[Span] = []
    until: date | None = None
    for part in sorted(read, key=lambda part: (part.first, part.last)):
        span = read[part]
        if until is not None and part.first <= until + DAY and found:
            found[-1] = (min(found[-1][0], span[0]), max(found[-1][1], span[1])) if span else found[-1]
        elif span is not None:
            found.append(span)
        else:
            continue
        until = part.last if until is None else max(until, part.last)
    return found
