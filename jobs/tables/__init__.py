"""The tables. A new one: one file here, one line below."""

from collections.abc import Mapping

from jobs.tables.bars import BARS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.quarantine import QUARANTINE
from jobs.tables.table import Table
from jobs.tables.trades import TRADES

LIVE: Mapping[str, Table] = {table.name: table for table in (TRADES, MINUTE_AGGREGATES, QUARANTINE)}  # the stream writes them
DERIVED: Mapping[str, Table] = {table.name: table for table in (BARS,)}  # each has a job of its own
TABLES: Mapping[str, Table] = {**LIVE, **DERIVED}
