"""What a file gives: landing lines, rows of history, rows that are not believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingest.envelope import Origin
from jobs.tables.table import Table

ZONE = "America/New_York"  # of the minutes that a system of the past named by its machine's clock


@dataclass(frozen=True)
class Asked:
    """What a person says of the files, where they do not say it themselves."""

    venue: str | None = None
    market: str | None = None
    pair: str | None = None
    zone: str = ZONE


class Line(NamedTuple):
    """A landing line."""

    origin: Origin
    at: int  # microseconds since 1970: when it was traded, or became so
    recv_ns: int
    text: bytes
    id: int | None = None


class Row(NamedTuple):
    """A row of a table that is kept in history alone."""

    table: Table
    venue: str
    market: str
    pair: str
    at: int  # microseconds since 1970
    values: Mapping[str, Any]  # the others of its columns
    line: int  # of the file; the first one is 1
    raw: str


class Reject(NamedTuple):
    """A row that is not believed."""

    line: int
    reason: str
    raw: str


Told = Line | Row | Reject
