"""What files are, for a person who has not taken them in yet."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs.adoption import formats
from jobs.adoption.numbers import moment
from jobs.adoption.placed import HISTORY, LANDING
from jobs.adoption.taken import Taken

NAMES = ("file", "format", "venue", "market", "pair", "rows", "rejected", "first", "last", "goes to")
INBOX = "inbox, for compact"


def table(found: Sequence[Taken], into: str | None) -> Iterator[str]:
    """A line a file, below the names of the columns."""
    rows = [NAMES, *(_row(one, into) for one in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(NAMES))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def summary(found: Sequence[Taken]) -> Mapping[str, Any]:
    """The figures of all."""
    refusals = [one.refused for one in found if one.refused]
    return {
        "files": len(found),
        "rows": sum(one.rows for one in found),
        "rejected": sum(len(one.rejects) for one in found),
        "refused": len(refusals),
        "refusals": refusals,
    }


def _row(one: Taken, into: str | None) -> Sequence[str]:
    if one.refused:
        return (one.source.name, one.format.name if one.format else "-", *"-" * 7, "refused")
    venues, markets, _, pairs = (",".join(sorted(set(values))) for values in zip(*one.series, strict=True))
    ends = ("-" if at is None else f"{moment(at):%Y-%m-%dT%H:%M:%SZ}" for at in (one.first_us, one.last_us))
    format_ = one.format or formats.TICKS
    return (
        one.source.name,
        format_.name,
        venues,
        markets,
        pairs,
        str(one.rows),
        str(len(one.rejects)),
        *ends,
        _goes(format_, into),
    )


def _goes(format_: formats.Format, into: str | None) -> str:
    if format_ is formats.TICKS:
        unsaid = f"{LANDING} where trades has that month, else {INBOX}"
        return {LANDING: LANDING, HISTORY: INBOX}.get(into or "", unsaid)
    return LANDING if format_ in (formats.BOOK, formats.CANDLES) else f"{HISTORY}/{format_.dataset}"
