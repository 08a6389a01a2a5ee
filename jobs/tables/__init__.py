"""The tables. A new one: one file here, one line below."""

from collections.abc import Mapping

from jobs.tables.bars import BARS
from jobs.tables.collector_events import COLLECTOR_EVENTS
from jobs.tables.fills import FILLS
from jobs.tables.gaps import GAPS
from jobs.tables.imported_minutes import IMPORTED_MINUTES
from jobs.tables.imported_spreads import IMPORTED_SPREADS
from jobs.tables.instruments import INSTRUMENTS
from jobs.tables.klines import KLINES
from jobs.tables.loads import LOADS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.order_books import ORDER_BOOKS
from jobs.tables.published import PUBLISHED
from jobs.tables.quality_results import QUALITY_RESULTS
from jobs.tables.quarantine import QUARANTINE
from jobs.tables.reconciliation import RECONCILIATION
from jobs.tables.rejects import REJECTS
from jobs.tables.table import Table
from jobs.tables.trades import TRADES

__all__ = [
    "BARS",
    "COLLECTOR_EVENTS",
    "DERIVED",
    "FILLS",
    "GAPS",
    "IMPORTED",
    "INSTRUMENTS",
    "KLINES",
    "LIVE",
    "LOADS",
    "MINUTE_AGGREGATES",
    "ORDER_BOOKS",
    "PUBLISHED",
    "QUALITY_RESULTS",
    "QUARANTINE",
    "RECONCILIATION",
    "REJECTS",
    "TABLES",
    "TRADES",
]

# the stream writes them
LIVE: Mapping[str, Table] = {
    table.name: table for table in (TRADES, MINUTE_AGGREGATES, QUARANTINE, ORDER_BOOKS, KLINES, COLLECTOR_EVENTS, INSTRUMENTS)
}
DERIVED: Mapping[str, Table] = {
    table.name: table for table in (BARS, FILLS, GAPS, LOADS, PUBLISHED, QUALITY_RESULTS, RECONCILIATION, REJECTS)
}  # of jobs of their own
TABLES: Mapping[str, Table] = {**LIVE, **DERIVED}  # Delta's
# kept in history alone
IMPORTED: Mapping[str, Table] = {table.name: table for table in (IMPORTED_MINUTES, IMPORTED_SPREADS)}
