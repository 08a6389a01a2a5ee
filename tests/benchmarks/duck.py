"""DuckDB doing the stream's work, in a process of its own; and the comparison of both results."""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable

from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.table import Table
from jobs.tables.trades import TRADES
from tests.benchmarks import cpu
from tests.benchmarks.worker import private_output, serve

SQL = Path(__file__).with_name("duck.sql").read_text(encoding="utf-8")
ORDER = {"trades": "venue, market, feed, pair, trade_id", "minutes": "venue, market, feed, pair, minute"}
# what the stream alone can say of a minute; and the partitions, which the folders say
NOT_COMPARED = ("missing_trades", "is_complete", "revision", "updated_at", "year", "month")


class Duck:
    """A connection with as many threads as Spark has tasks."""

    def __init__(self, threads: int) -> None:
        self.connection = duckdb.connect(config={"threads": threads})

    def round(self, landing: str, out: str) -> Mapping[str, float]:
        """Both tables as parquet, from nothing."""
        shutil.rmtree(out, ignore_errors=True)
        used, began = cpu.seconds(os.getpid()), time.monotonic()
        self.connection.execute(SQL.replace("$landing", landing))
        for table, order in ORDER.items():
            # PARTITION_BY would lose the order inside the files; one COPY a partition keeps it
            for (pair,) in self.connection.execute(f"SELECT DISTINCT pair FROM {table}").fetchall():  # noqa: S608 - the same
                folder = Path(out, table, f"pair={pair}")
                folder.mkdir(parents=True)
                rows = f"SELECT * EXCLUDE (pair) FROM {table} WHERE pair = '{pair}' ORDER BY {order}"  # noqa: S608 - our own names
                self.connection.execute(f"COPY ({rows}) TO '{folder}/data.parquet' (FORMAT parquet, COMPRESSION zstd)")
        return {"cpu": cpu.seconds(os.getpid()) - used, "wall": time.monotonic() - began}

    def compare(self, lake: str, out: str, since: str | None = None) -> Mapping[str, Any]:
        """Is every row of the lake's two tables DuckDB's, in every column that both know? Counts, for the report.

        `since`: rows from this time on. Others were there before, of which the last minute had to be brought.
        """
        found = {}
        for table, folder, time_ in ((TRADES, "trades", "ts"), (MINUTE_AGGREGATES, "minutes", "minute")):
            ours = _rows(lake, table)
            if since:
                ours = f"(FROM {ours} WHERE {time_} >= TIMESTAMPTZ '{since}')"
            theirs = f"read_parquet('{out}/{folder}/*/*.parquet', hive_partitioning = true)"
            here, there = (self.connection.execute(digest(table, rows)).fetchall()[0] for rows in (ours, theirs))
            if here != there:
                raise AssertionError(f"{table.name}: the stream's (rows, digest) are {here}, DuckDB's {there}")
            found[table.name] = here[0]
        if since:
            self._compare_before(lake, since)
        return found

    def _compare_before(self, lake: str, since: str) -> None:
        minute = f"ts >= TIMESTAMPTZ '{since}' - INTERVAL 1 MINUTE AND ts < TIMESTAMPTZ '{since}'"
        sums = "pair, count(*), sum(quantity), sum(price * quantity), min(trade_id), max(trade_id)"
        there = f"SELECT {sums} FROM {_rows(lake, TRADES)} WHERE {minute} GROUP BY ALL ORDER BY ALL"  # noqa: S608 - our own names
        told = "pair, ticks, volume, quote_volume, first_id, last_id"
        here = f"SELECT {told} FROM {_rows(lake, MINUTE_AGGREGATES)} WHERE minute < TIMESTAMPTZ '{since}' ORDER BY ALL"  # noqa: S608 - the same
        stream, duck = (self.connection.execute(rows).fetchall() for rows in (here, there))
        if stream != duck or not duck:
            raise AssertionError(f"the minute before {since}: the stream's {told} are {stream}, DuckDB's {duck}")


def _rows(lake: str, table: Table) -> str:
    """The rows of a table, by delta-rs' reading of its log."""
    return f"read_parquet({DeltaTable(f'{lake}/tables/{table.name}').file_uris()!r}, hive_partitioning = true)"


def digest(table: Table, rows: str) -> str:
    """Number of rows, and a sum over them in which each value of each compared column counts, whatever the order."""
    columns = [_comparable(column.name, column.type) for column in table.columns if column.name not in NOT_COMPARED]
    return f"SELECT count(*), sum(hash({', '.join(columns)})::HUGEINT) FROM {rows}"  # noqa: S608 - our own names


def _comparable(name: str, type_: str) -> str:
    """Spark writes times with a zone, UTC; DuckDB here without one."""
    return f'epoch_us("{name}")' if type_ == "TIMESTAMP" else f'"{name}"::{ {"STRING": "VARCHAR"}.get(type_, type_) }'


def main() -> int:
    """Serve rounds and comparisons."""
    answers = private_output()
    duck = Duck(int(sys.argv[1]))
    serve(answers, {"round": duck.round, "compare": duck.compare, "version": lambda: duckdb.__version__})
    return 0


if __name__ == "__main__":
    sys.exit(main())
