"""Whatever the order, the split into objects and batches, the copies and the losses: the tables are what the lines say."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from ingest.simulator.landed import envelopes
from ingest.simulator.listings import Listing
from ingest.simulator.market import market
from ingest.simulator.wire import Frame
from tests.support.lines import landed as object_of
from tests.support.lines import micros
from tests.support.oracle import Oracle
from tests.support.stories import interpret
from tests.support.stream import driver
from tests.support.tables import assert_tables
from tests.support.taking import accounted, feed, land

LISTINGS = (
    Listing("binance", "spot", "BTC-USDT", 6_180_000, 2, 800, 5, 420),
    Listing("coinbase", "spot", "BTC-USD", 6_182_000, 2, 900_000, 8, 240),
    Listing("bitso", "spot", "BTC-MXN", 116_500_000, 2, 400_000, 8, 360),
)
BEGIN = micros("23:58:00")
DAY = 86_400_000_000
# where a frame tells its price and its time, and another word for it
FIELDS = {
    "binance": ("data.p", "data.T", lambda ms: ms + 61_000),
    "coinbase": ("price", "time", lambda iso: iso.replace(":58:", ":57:").replace(":59:", ":58:")),
    "bitso": ("payload.0.r", "payload.0.x", lambda ms: ms + 61_000),
}


@dataclass(frozen=True)
class Arrival:
    """How likely it is that a frame …"""

    seed: int
    batches: int
    dropped: float  # … never comes
    late: float  # … comes in a later batch than its neighbours
    doubled: float  # … comes again, from the same or from another collector
    conflicting: float  # … comes again with another price or time
    days: bool  # is there a part of the market two days before, that comes last?

    def lines(self) -> list[list[bytes]]:
        """The lines of each batch."""
        random = Random(self.seed)  # noqa: S311 - an order, not a secret
        writers = [envelopes(name) for name in ("one", "two", "three")]
        found: list[list[bytes]] = [[] for _ in range(self.batches)]
        for place, frame in frames(days=self.days):
            if random.random() < self.dropped:
                continue
            batch = self.batches - 1 if random.random() < self.late else min(int(place * self.batches), self.batches - 1)
            line = writers[0](frame)
            found[batch].append(line)
            if random.random() < self.doubled:
                found[random.randrange(batch, self.batches)].append(random.choice([line, writers[1](frame)]))
            if random.random() < self.conflicting:
                found[random.randrange(self.batches)].append(writers[2](altered(frame, random)))
        for lines in found:
            random.shuffle(lines)
        return found


def frames(*, days: bool) -> Iterator[tuple[float, Frame]]:
    """The market, each frame with its place between 0 and 1; what happened two days before comes at the end."""
    today = list(market(7, BEGIN, BEGIN + 150_000_000, listings=LISTINGS))
    yield from ((place / len(today), frame) for place, frame in enumerate(today))
    if days:
        yield from ((1.0, frame) for frame in market(7, BEGIN - 2 * DAY, BEGIN - 2 * DAY + 60_000_000, listings=LISTINGS))


def altered(frame: Frame, random: Random) -> Frame:
    """The same trade, told otherwise."""
    price, time, moved = FIELDS[frame.series.venue]
    told = json.loads(frame.text)
    path = random.choice([price, time])
    *way, last = path.split(".")
    inner: Any = told
    for step in way:
        inner = inner[int(step) if step.isdigit() else step]
    inner[last] = moved(inner[last]) if path == time else f"{inner[last]}1" if "." in inner[last] else f"{inner[last]}.5"
    return frame._replace(text=json.dumps(told).encode())


def objects_of(lines: list[bytes], random: Random) -> Iterator[tuple[str, bytes]]:
    """The lines in objects of any size. A line never stands twice in one: a collector numbers its lines."""
    while lines:
        size = random.choice([1, 5, 40, 200])
        yield object_of(list(dict.fromkeys(lines[:size])))
        lines = lines[size:]


chances = st.sampled_from([0.0, 0.02, 0.3])
arrivals = st.builds(
    Arrival,
    st.integers(0, 10**6),
    st.sampled_from([1, 2, 3]),
    dropped=chances,
    late=chances,
    doubled=chances,
    conflicting=chances,
    days=st.booleans(),
)


@pytest.mark.timeout(3600)
@given(arrival=arrivals)
@settings(
    max_examples=settings.default.max_examples // 33,  # an example takes seconds
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
def test_whatever_arrives_the_tables_are_what_the_lines_say(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, arrival: Arrival
):
    interpret(spark)
    lake = tmp_path_factory.mktemp("arrival") / "lake"
    random = Random(arrival.seed)  # noqa: S311 - to come again, not to be secret
    landed: dict[str, bytes] = {}
    batches: list[list[str]] = []
    for lines in arrival.lines():
        objects = dict(objects_of(lines, random))
        landed |= objects
        batches.append(list(objects))
    land(lake, landed)
    oracle = Oracle()
    with driver(spark, lake) as query:
        query.start()
        records = feed(query, oracle, landed, [keys for keys in batches if keys])
        query.close()
        assert_tables(query, oracle, open_too=True)
    assert_adds_up(records, oracle)


def assert_adds_up(records: list[Mapping[str, Any]], oracle: Oracle) -> None:
    told = [accounted(record) for record in records]
    for record in told:
        assert record["items"] == sum(count for name, count in record.items() if name != "items")
    assert sum(record["trades"] for record in told) == len(oracle.trades)
