"""DuckDB over both layouts, in a process of its own, so that what the process reads is what DuckDB reads."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import duckdb

from jobs.readers.names import history_name
from jobs.tables.trades import TRADES
from tests.benchmarks.duck import digest
from tests.benchmarks.layout import data
from tests.benchmarks.layout.reading import Reading, plain
from tests.benchmarks.worker import private_output, serve

TABLE = history_name(TRADES.name)


class Duck:
    """A connection that knows the layouts as schemas, each with the table that Glue would name."""

    def __init__(self, threads: int, lakes: Mapping[str, str]) -> None:
        self.layouts = tuple(lakes)
        self.connection = duckdb.connect(config={"threads": threads})
        self.connection.execute("SET TimeZone = 'UTC'")
        for layout, lake in lakes.items():
            rows = f"read_parquet('{lake}/{data.TRADES}/*/*/*/*.parquet', hive_partitioning = true)"
            self.connection.execute(f"CREATE SCHEMA {layout}; CREATE VIEW {layout}.{TABLE} AS FROM {rows}")

    def ask(self, layout: str, sql: str) -> Reading:
        self.connection.execute(f"SET schema = '{layout}'")
        before, began = bytes_read(), time.monotonic()
        rows = self.connection.execute(sql).fetchall()
        passed = time.monotonic() - began
        return Reading(passed, bytes_read() - before, plain(rows))

    def compare(self) -> int:
        """Are the rows of all layouts the same, in every column? How many."""
        found = {layout: self.connection.execute(digest(TRADES, f"{layout}.{TABLE}")).fetchall()[0] for layout in self.layouts}
        if len(set(found.values())) != 1:
            raise AssertionError(f"(rows, digest) are {found}")
        return int(next(iter(found.values()))[0])


def bytes_read() -> int:
    """By this process, by whatever call: what the cache of the system held counts, too."""
    told = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="utf-8").splitlines())
    return int(told["rchar"])


def main() -> int:
    """Serve questions."""
    answers = private_output()
    duck = Duck(int(sys.argv[1]), json.loads(sys.argv[2]))
    serve(answers, {"ask": duck.ask, "compare": duck.compare})
    return 0


if __name__ == "__main__":
    sys.exit(main())
