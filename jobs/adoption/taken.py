"""A file as a whole: everything that it gives, or why it is refused."""

from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple

from ingest.envelope import Origin
from ingest.packed import UnreadableError
from jobs.adoption import formats
from jobs.adoption.files import Source
from jobs.adoption.formats import Format
from jobs.adoption.values import Asked, Line, Reject, Row, Told
from jobs.tables.imported_minutes import IMPORTED
from jobs.tables.trades import TRADES

IN_MEMORY = 1 << 20  # bytes of lines of a group; more go to the disk
MOST_REJECTS = 10_000  # a file with more is not what it looks like
DAY = 86_400_000_000  # microseconds


class Group(NamedTuple):
    """Lines that lie together, wherever they go to."""

    venue: str
    market: str
    channel: str
    kind: str
    pair: str
    day: int  # since 1970: when it was traded; of what is no trade, when it was received
    received: int  # the day on which it was received


@dataclass
class Taken:
    """What was found in a file. Refused: `refused` says why, and it gives nothing."""

    source: Source
    format: Format | None = None
    refused: str = ""
    groups: dict[Group, IO[bytes]] = field(default_factory=dict)
    imported: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    series: set[tuple[str, str, str, str]] = field(default_factory=set)  # venue, market, feed, pair
    rows: int = 0
    first_us: int | None = None
    last_us: int | None = None
    first_id: int | None = None
    last_id: int | None = None
    text_bytes: int = 0

    def take(self, told: Told) -> None:
        """Count a row, and put its line to those of its group. UnreadableError: too many rows are none."""
        if isinstance(told, Reject):
            self.rejects.append(told)
            if len(self.rejects) > MOST_REJECTS:
                raise UnreadableError(f"{self.source.name}: more than {MOST_REJECTS} rows are none, such as {_shown(told)}")
            return
        self.rows += 1
        self.first_us = told.at if self.first_us is None else min(self.first_us, told.at)
        self.last_us = told.at if self.last_us is None else max(self.last_us, told.at)
        if isinstance(told, Row):
            self.imported.append(told)
            self.series.add((told.venue, told.market, IMPORTED, told.pair))
            return
        if told.id is not None:
            self.first_id = told.id if self.first_id is None else min(self.first_id, told.id)
            self.last_id = told.id if self.last_id is None else max(self.last_id, told.id)
        group = _group(told.origin, told)
        if group not in self.groups:
            self.groups[group] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed with the portion
            width = (told.origin.stream or "").partition("?interval=")[2]
            self.series.add((group.venue, group.market, width or group.kind, group.pair))
        self.groups[group].write(told.text)
        self.text_bytes += len(told.text)

    def check(self) -> None:
        """UnreadableError: no row is one."""
        if not self.rows:
            such = f", such as {_shown(self.rejects[0])}" if self.rejects else ""
            raise UnreadableError(f"{self.source.name}: no row of it is believed{such}")

    def close(self) -> None:
        for file in self.groups.values():
            file.close()


def taken(source: Source, asked: Asked) -> Taken:
    """Read a file to its end: one that breaks off there gives nothing."""
    found = Taken(source)
    try:
        found.format = formats.of(found.source)
        for told in found.format.read(found.source, asked):
            found.take(told)
        found.check()
    except UnreadableError as error:
        found.close()
        return Taken(found.source, found.format, str(error))
    return found


def _shown(reject: Reject) -> str:
    return f"line {reject.line} ({reject.reason}): {reject.raw[:100]!r}"


def _group(origin: Origin, told: Line) -> Group:
    assert origin.pair is not None, f"{origin.stream}: lines of a pair"
    received = told.recv_ns // 1000 // DAY
    day = told.at // DAY if origin.channel == TRADES.name else received
    return Group(origin.venue, origin.market, origin.channel, origin.kind, origin.pair, day, received)
