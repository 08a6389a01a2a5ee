"""The stream's query over a lake of a test, without a streaming query around it."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from ingest.exchanges.exchange import Exchange
from ingest.landing import Files
from ingest.settings import Epoch
from jobs.queries import foreign
from jobs.queries.live_tables import LiveTables
from jobs.queries.recovery import Recovery
from jobs.queries.trades import Trades
from jobs.runtime.lease import Lease
from jobs.runtime.live import Live
from jobs.runtime.progress import Progress, Records
from jobs.tables import LIVE

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)  # what updated_at says in tests


@contextlib.contextmanager
def driver(
    spark: SparkSession, lake: Path, *, exchanges: Mapping[tuple[str, str], Exchange] = EXCHANGES, epochs: Sequence[Epoch] = ()
) -> Iterator[Trades]:
    """A driver that holds the lake's lease; not started. Another one may follow it when the block ends, however it ends."""
    store = Files(lake)
    lease = Lease(store, "stream", "test", ttl=3600)  # nobody renews it here, and a first batch may take half a minute
    lease.take()
    try:
        lives = {name: Live(spark, store, lease, table, f"{lake}/tables/{name}") for name, table in LIVE.items()}
        three = (lives["trades"], lives["quarantine"], lives["minute_aggregates"])
        tables = LiveTables(spark, exchanges, epochs, str(lake), *three, now=lambda: NOW)
        yield Trades(tables, Progress(store, "trades", every=0), Records(store, "trades"))
    finally:
        lease.release()


def recovery_of(query: Trades) -> Recovery:
    """As the job makes it."""
    trades = query.tables.trades
    return Recovery("trades", query, trades, lambda: foreign.repair(query), trades.store)


def take(query: Trades, objects: Sequence[str], number: int = 0) -> Mapping[str, Any]:
    """One batch of these landing objects (keys relative to the lake)."""
    return query.batch(query.tables.frames(objects), number, "test")
