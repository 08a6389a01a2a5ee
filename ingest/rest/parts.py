"""The published files of a pair, by the days that are in them: pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ingest.exchanges.exchange import Dump, Period

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Part:
    """A file, and the days that are in it."""

    path: str
    first: date
    last: date

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def period(self) -> Period:
        return "daily" if self.first == self.last else "monthly"

    @property
    def due(self) -> datetime:
        """When its last day is over: there is none before that."""
        return datetime.combine(self.last + DAY, time(), UTC)

    def has(self, day: date) -> bool:
        return self.first <= day <= self.last


def daily(dump: Dump, pair: str, day: date) -> Part:
    """The file of one day."""
    return Part(dump.daily(pair, day), day, day)


def monthly(dump: Dump, pair: str, day: date) -> Part:
    """The file of that day's month."""
    first = day.replace(day=1)
    return Part(dump.monthly(pair, day), first, (first + DAY * 31).replace(day=1) - DAY)
