"""Which format a file is in, told by what stands in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ingest.packed import UnreadableError
from jobs.adoption import books, candles, minutes, spreads, ticks
from jobs.adoption.files import Source, cells, lines
from jobs.adoption.values import Asked, Told

Read = Callable[[Source, Asked], Iterator[Told]]


@dataclass(frozen=True)
class Format:
    """A way in which a system of the past wrote what it had."""

    name: str
    dataset: str  # the table, or the part of history, that it ends in
    read: Read


TICKS = Format("ticks", "trades", ticks.read)
BOOK = Format("order book", "order_books", books.read)
CANDLES = Format("candles", "klines", candles.read)
MINUTES = Format("minutes", "imported_minutes", minutes.read)
SPREADS = Format("spreads", "imported_spreads", spreads.read)
NAMED: Mapping[Callable[[Sequence[str]], bool], Format] = {
    spreads.is_names: SPREADS,
    minutes.is_names: MINUTES,
    candles.is_names: CANDLES,
    ticks.is_row: TICKS,
    candles.is_row: CANDLES,
    minutes.is_row: MINUTES,
}
RIGHT = (
    "rows of ticks (trade,… or aggTrade,…), candles (open_time,…), minutes (timestamp,total_count_b,…) or spreads "
    "(timestamp,pair,bid,ask,spread), or the JSON of an order book, would be right"
)


def of(source: Source) -> Format:
    """The format of a file. UnreadableError: none that we know; says what would be right."""
    if source.path.name.endswith((".json", ".json.gz")):
        return BOOK
    first = next(islice(lines(source.path), 1), None)
    if first is None:
        raise UnreadableError(f"{source.name}: nothing is in it; {RIGHT}")
    values = [value.strip() for value in cells(first[1])]
    for is_so, format_ in NAMED.items():
        if is_so(values):
            return format_
    if set(candles.MADE) & set(values):
        raise UnreadableError(
            f"{source.name}: its candles were put together of others, in floats ({', '.join(candles.MADE)}); "
            "the candles that they were made of would be right, and `bars` makes such as these"
        )
    raise UnreadableError(f"{source.name}: begins with {first[1][:100]!r}; {RIGHT}")
