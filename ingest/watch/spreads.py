"""How wide the books are that are streamed or asked for: the best prices of each, judged against the thresholds of the alerts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import orjson

from ingest.alerts.alert import Raised, Recovered
from ingest.alerts.spread import NOTHING_EXCEEDED, Exceeded, judge_spread
from ingest.exchanges.exchange import Top


class Book(NamedTuple):
    """The newest text of a book, as it came."""

    where: str  # binance spot BTC-USDT
    source: str  # the stream or the poll that told it
    top: Top
    raw: bytes


@dataclass
class Spreads:
    """The books of one collector."""

    thresholds: Sequence[Decimal]
    _exceeded: dict[str, Exceeded] = field(default_factory=dict)
    _seen: dict[tuple[str, str], bytes] = field(default_factory=dict)  # by place and source: who says nothing new says nothing

    def judge(self, books: Iterable[Book], at_ns: int) -> Iterator[Raised | Recovered]:
        """What has changed since the last look. A text that is no book says nothing."""
        for book in books:
            if self._seen.get(book[:2]) == book.raw:
                continue
            self._seen[book[:2]] = book.raw
            best = best_prices(book.top, book.raw)
            if best is None:
                continue
            before = self._exceeded.get(book.where, NOTHING_EXCEEDED)
            self._exceeded[book.where], events = judge_spread(before, *best, self.thresholds, book.where, at_ns)
            yield from events


def best_prices(top: Top, raw: bytes) -> tuple[Decimal, Decimal] | None:
    """The highest bid and the lowest ask; None: there are not both."""
    try:
        tree = orjson.loads(raw)
        bids, asks = _at(tree, top.bids), _at(tree, top.asks)
        if top.price is None:
            return Decimal(bids), Decimal(asks)
        return max(Decimal(level[top.price]) for level in bids), min(Decimal(level[top.price]) for level in asks)
    except (ValueError, TypeError, KeyError, IndexError, InvalidOperation):
        return None


def _at(tree: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value
    for name in path.split("."):
        tree = tree[name]
    return tree
