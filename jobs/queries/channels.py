"""The channels without trades: what each of their lines becomes, and in which table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame

from ingest.exchanges.exchange import Exchange
from jobs.tables.collector_events import COLLECTOR_EVENTS
from jobs.tables.klines import KLINES, RANK
from jobs.tables.order_books import ORDER_BOOKS
from jobs.tables.table import Table
from jobs.transforms import books, events, klines


@dataclass(frozen=True)
class Channel:
    """A landing channel, the query of which appends what is not there yet."""

    name: str
    table: Table
    items: Callable[[DataFrame], DataFrame]  # lines (`value`, `object`) -> see `transforms.items.item`
    time: str = "recv_ts"  # by which its rows are looked up
    rank: Sequence[str] = ()  # of several copies of a row the greatest counts; (): the first one, and others are conflicts


def channels(exchanges: Mapping[tuple[str, str], Exchange]) -> Sequence[Channel]:
    """All but `trades`."""
    known = books.parsers(exchanges.values())
    candles = klines.parsers(exchanges.values())
    return (
        Channel("klines", KLINES, lambda lines: klines.items(lines, candles), "open_time", RANK),
        Channel("books", ORDER_BOOKS, lambda lines: books.items(lines, known)),
        Channel("events", COLLECTOR_EVENTS, events.items),
    )
