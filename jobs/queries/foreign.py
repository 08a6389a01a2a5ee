"""After a second driver wrote: keep each key once, forget what was known, bring every minute."""

import logging

from pyspark.sql import functions as F

from jobs.queries import leftovers, quarantine
from jobs.queries.copies import keep, keep_first
from jobs.queries.live_tables import LiveTables
from jobs.queries.trades import Trades
from jobs.transforms.fresh import FEED

log = logging.getLogger(__name__)


def repair(query: Trades) -> None:
    """Make the tables what one driver would have made of the same landing zone."""
    tables = query.tables
    query.progress.drop()
    tables.open(accept=True)
    keep_first(tables.trades, [F.col(name) for name in tables.trades.table.key])
    keep_first(tables.quarantine, [quarantine.key()])
    forget_taken(tables)
    query.start_over()


def forget_taken(tables: LiveTables) -> None:
    """A conflict that is itself the row in `trades`: each driver had quarantined what the other one took."""
    conflicts = tables.quarantine.read().where("reason = 'conflict'")
    place = [*FEED, "trade_id", "conn", "seq", "item"]
    there = tables.trades_of(leftovers.minutes_of(conflicts)).select(*place)
    taken = conflicts.join(there, on=place, how="left_semi")
    kept = tables.quarantine.read().join(
        taken.select(quarantine.key().alias("taken")), on=quarantine.key() == F.col("taken"), how="left_anti"
    )
    keep(tables.quarantine, kept, but=taken)
