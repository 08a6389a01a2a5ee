"""The channels without trades: what each of their lines becomes, and in which table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import DataFrame

from ingest.exchanges.exchange import Exchange
from jobs.tables.collector_events import COLLECTOR_EVENTS
from jobs.tables.instruments import INSTRUMENTS
from jobs.tables.klines import KLINES, RANK
from jobs.tables.order_books import ORDER_BOOKS
from jobs.tables.table import Table
from jobs.transforms import books, events, klines
from jobs.transforms.envelopes import Step
from jobs.transforms.items import items


@dataclass(frozen=True, eq=False)
class Channel:
    """A landing channel, the query of which appends what is not there yet."""

    name: str
    table: Table
    make: Callable[[], Sequence[Step]]  # from lines to items
    time: str = "recv_ts"  # by which its rows are looked up
    also: Table | None = None  # that comes down the channel, too: see `queries.instruments`
    rank: Sequence[str] = ()  # of several copies of a row the greatest counts; (): the first one, and others are conflicts

    @cached_property
    def steps(self) -> Sequence[Step]:
        """Made once: to build an expression takes Python some thousand calls into the JVM."""
        return self.make()

    def items(self, lines: DataFrame) -> DataFrame:
        """See `transforms.items.items`."""
        return items(lines, self.steps)


def channels(exchanges: Mapping[tuple[str, str], Exchange]) -> Sequence[Channel]:
    """All but `trades`."""
    known = books.parsers(exchanges.values())
    candles = klines.parsers(exchanges.values())
    return (
        Channel("klines", KLINES, lambda: klines.steps(candles), "open_time", rank=RANK),
        Channel("books", ORDER_BOOKS, lambda: books.steps(known)),
        Channel("events", COLLECTOR_EVENTS, events.steps, also=INSTRUMENTS),
    )
