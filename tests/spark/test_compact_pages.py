"""What `backfill` pages of venues without files, `compact` makes history of: every trade that they had, once, in its month."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ingest.backfill.paging import Paging, World
from ingest.backfill.wanted import Asked
from ingest.exchanges import find_exchange
from ingest.landing import Files
from ingest.settings import Endpoint, Ingest, Limits, Spool
from tests.support.fakes import FakeTime, Stop
from tests.support.inbox import Inbox
from tests.support.paged import EPOCH, Venue, evenly
from tests.support.tables import rows_of

FIRST, LAST = date(2024, 2, 29), date(2024, 3, 1)
BEGIN, END = datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC)
# from the day before to the day after
COINBASE = Venue("coinbase", "BTC-USD", evenly(range(95_300, 95_300 + 4801), BEGIN - timedelta(days=1), END + timedelta(days=1)))
BITSO = Venue(
    "bitso", "BTC-MXN", evenly([7 * n + n * n % 5 for n in range(1, 602)], BEGIN - timedelta(days=1), END + timedelta(days=1))
)


def page(lake: Path, folder: Path, venue: Venue) -> None:
    time = FakeTime()
    ingest = Ingest(
        "laptop",
        spool=Spool(folder / "spool"),
        endpoints={venue.venue: {"spot": Endpoint(rest=[venue.address])}},
        limits=Limits(folder / "limits"),
    )
    world = World(time.clock, venue.get, lambda: 0.0, Stop(time, 10_000))
    paging = Paging(ingest, find_exchange(venue.venue, "spot"), "trade", Files(lake), world, most_pages=2, watch=0.01)
    assert paging.run(Asked([venue.pair], FIRST, LAST), lambda _: None).is_good


@pytest.mark.long
def test_what_was_paged_is_history(spark: SparkSession, lake: Path, tmp_path: Path):
    for venue in (COINBASE, BITSO):
        page(lake, tmp_path, venue)
    there = Inbox(spark, lake)
    summary = there.run()
    assert {name: summary[name] for name in ("published", "rejected", "refused")} == {"published": 4, "rejected": 0, "refused": 0}
    names = ("venue", "pair", "year", "month", "trade_id", "price", "quantity", "taker_side", "ts", "source")
    found = rows_of(spark.read.parquet(f"{lake}/history/trades"))
    expected = [
        (
            venue.venue,
            venue.pair,
            at.year,
            at.month,
            one.trade_id,
            Decimal(one.price),
            Decimal(one.quantity),
            one.taker_side,
            at,
            "rest",
        )
        for venue in (COINBASE, BITSO)
        for one in venue.trades
        if BEGIN <= (at := EPOCH + timedelta(microseconds=one.ts)) < END
    ]
    assert sorted(tuple(str(row[name]) if name == "pair" else row[name] for name in names) for row in found) == sorted(expected)
    published = [row for row in there.table("published", "venue", "month") if row["dataset"] == "trades"]
    assert [(row["venue"], row["month"], row["rows"], row["missing"]) for row in published] == [
        ("bitso", 2, 150, None),
        ("bitso", 3, 150, None),
        ("coinbase", 2, 1200, 0),
        ("coinbase", 3, 1200, 0),
    ]
