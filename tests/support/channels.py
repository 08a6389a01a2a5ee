"""The queries of the channels without trades, over a lake of a test, without a streaming query around them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from ingest.landing import Files
from jobs.queries.appended import Appended
from jobs.queries.channels import channels
from jobs.queries.instruments import Instruments
from jobs.runtime import landed
from jobs.runtime.lease import Lease
from jobs.runtime.live import Live
from jobs.runtime.progress import Records
from jobs.tables import QUARANTINE

CHANNELS = {channel.name: channel for channel in channels(EXCHANGES)}


@contextlib.contextmanager
def driver(spark: SparkSession, lake: Path, name: str) -> Iterator[Appended]:
    """A driver that holds the lake's lease; not started."""
    store, channel = Files(lake), CHANNELS[name]
    lease = Lease(store, "stream", "test", ttl=3600)
    lease.take()
    live, quarantine = (Live(spark, store, lease, table, f"{lake}/tables/{table.name}") for table in (channel.table, QUARANTINE))
    try:
        also = channel.also
        beside = Instruments(Live(spark, store, lease, also, f"{lake}/tables/{also.name}"), quarantine) if also else None
        yield Appended(spark, channel, live, quarantine, Records(store, name), beside)
    finally:
        lease.release()


def take(query: Appended, lake: Path, objects: Sequence[str], number: int = 0) -> Mapping[str, Any]:
    """One batch of these landing objects; what of its record is not nought."""
    lines = landed.lines(query.spark.read, str(lake), landed.paths(str(lake), objects))
    found = query.batch(lines, number, "a-query")
    parts = ("control", "fresh", "improved", "duplicates", "conflicts", "quarantined")
    assert sum(found[part] for part in parts) == found["items"]
    return {part: found[part] for part in parts if found[part]}
