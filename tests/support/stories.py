"""Small landing zones with something of everything in them, told to the stream and to the oracle."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from jobs.queries.trades import Trades
from tests.support.lines import Collector, put
from tests.support.oracle import Oracle
from tests.support.stream import driver, take

# two venues, one with dense ids and one without: fewer make a smaller projection
VENUES = {key: EXCHANGES[key] for key in (("binance", "spot"), ("bitso", "spot"))}
BEFORE = "2026-04-29"


def interpret(spark: SparkSession) -> None:
    """Dozens of batches of a few rows: to generate and compile code for each costs more than to interpret it."""
    spark.conf.set("spark.sql.codegen.wholeStage", "false")
    spark.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")


@dataclass
class Story:
    """A lake, and what its tables must hold once the batches told so far are done."""

    spark: SparkSession
    lake: Path
    oracle: Oracle = field(default_factory=lambda: Oracle(dict(VENUES)))
    collector: Collector = field(default_factory=Collector)

    def driver(self) -> AbstractContextManager[Trades]:
        return driver(self.spark, self.lake, exchanges=VENUES)

    def put(self, *lines: bytes, venue: str = "binance") -> str:
        return put(self.lake, lines, venue=venue)

    def tell(self, *objects: str) -> None:
        """A batch that the stream takes in, sooner or later."""
        self.oracle.batch({key: (self.lake / key).read_bytes() for key in objects})

    def batch(self, query: Trades, *objects: str) -> Mapping[str, Any]:
        """A batch, undisturbed; its record."""
        self.tell(*objects)
        return take(query, objects)


def first(story: Story) -> Sequence[str]:
    """Minutes 10:00 to 10:02 of three feeds; id 5 of one is missing."""
    bitcoin, ether, bitso = story.collector, Collector("test-1-2"), Collector("test-1-3")
    times = {1: "10:00:01", 2: "10:00:50", 3: "10:01:00", 4: "10:01:30", 6: "10:02:10"}
    aggregates = [bitcoin.aggregate(id_, at, f"{100 + id_}.00000001") for id_, at in times.items()]
    fills = [ether.fill(id_, at, "7.5", pair="ETH-USDT") for id_, at in ((1, "10:00:00"), (2, "10:01:59.999"))]
    return [
        story.put(*aggregates, *fills),
        story.put(bitso.bitso([10, 12], "10:00:05"), bitso.bitso([15], "10:01:00"), venue="bitso"),
    ]


def second(story: Story) -> Sequence[str]:
    """Every kind of item: new minutes, the open one going on, a void in the hole, the day before, a conflict, duplicates."""
    late, bitso = Collector("late-1-1"), Collector("late-1-2")
    on = [late.aggregate(id_, at, "109.5", taker="sell") for id_, at in ((7, "10:02:20"), (8, "10:03:00"), (9, "10:04:00"))]
    void = late.aggregate(5, "10:01:45", "0", fills=(-1, -1))
    day_before = late.aggregate(0, "23:59:59.999", "99.99999999", day=BEFORE, late=40_000)
    conflict = late.aggregate(3, "10:01:00", "104.00000001")
    duplicate = late.aggregate(4, "10:01:30", "104.00000001")
    filled = [bitso.bitso([20, 22], "10:03:00"), bitso.bitso([11], "10:00:09", late=200), bitso.bitso([12], "10:00:05")]
    return [
        story.put(*on, late.fill(3, "10:02:00", "7.6", pair="ETH-USDT")),
        story.put(void, day_before, conflict, duplicate),
        story.put(*filled, venue="bitso"),
    ]
