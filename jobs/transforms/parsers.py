"""Which reading a line is for: one of an exchange's, chosen by who sent the line and what it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pyspark.sql import Column
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange, Source

Read = TypeVar("Read")


@dataclass(frozen=True)
class Parser(Generic[Read]):
    """A reading and whom it is for."""

    exchange: Exchange
    kind: str
    source: Source
    reading: Read


def which(known: Sequence[Parser[Any]]) -> Column:
    """Which of them reads an opened line; NULL: none is known."""
    found: Column | None = None
    for number, parser in enumerate(known):
        wanted = {"kind": parser.kind, "venue": parser.exchange.venue, "market": parser.exchange.market, "source": parser.source}
        condition = F.lit(True)
        for name, value in wanted.items():
            condition = condition & (F.col(name) == value)
        found = F.when(condition, number) if found is None else found.when(condition, number)
    assert found is not None, "no exchange has a reading"
    return found


def chosen(known: Sequence[Parser[Read]], of: Callable[[Parser[Read]], Column]) -> Column:
    """What the line's own parser (`parser`) finds."""
    return F.coalesce(*(F.when(F.col("parser") == number, of(one)) for number, one in enumerate(known)))
