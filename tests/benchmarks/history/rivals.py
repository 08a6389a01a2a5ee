"""DuckDB and polars doing the job's work on the same files, each in a process of its own; and the comparison of what came out."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from jobs.history.columns import TRADE_SCHEMA
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.table import Table
from jobs.tables.trades import TRADES
from tests.benchmarks import cpu
from tests.benchmarks.duck import SQL, digest
from tests.benchmarks.history.data import Inbox, Published, read
from tests.benchmarks.worker import private_output, serve

GROUP = 131_072  # rows of a row group, as the job writes them
NAME = "binance-spot-agg_trade.parquet"
FILES: Mapping[str, Table] = {"trades": TRADES, "minute_aggregates": MINUTE_AGGREGATES}
# `seq` is the line's number: ids are dense here, so a rival need not count
MONTH = """
    SELECT
        'binance' AS venue, 'spot' AS market, 'agg_trade' AS feed, a AS trade_id, f AS first_id, l AS last_id,
        p AS price, q AS quantity, (p * q)::DECIMAL(38, 18) AS quote_quantity,
        CASE WHEN m THEN 'sell' ELSE 'buy' END AS taker_side,
        make_timestamp(t // 1000 * 1000) AS ts, NULL::TIMESTAMP AS event_ts, make_timestamp({recv}) AS recv_ts,
        'dump' AS source, '{key}' AS object, 'file-{sha}' AS conn, a - {first} + 1 AS seq, 0::INTEGER AS item
    FROM read_csv('{path}', header = false, auto_detect = false, columns = {{
        a: 'BIGINT', p: 'DECIMAL(20, 10)', q: 'DECIMAL(22, 8)', f: 'BIGINT', l: 'BIGINT', t: 'BIGINT', m: 'BOOLEAN', b: 'BOOLEAN'
    }})
    ORDER BY ts, trade_id
"""
MACROS = SQL.partition("CREATE OR REPLACE TABLE trades AS")[0]
MINUTES = SQL.partition("CREATE OR REPLACE TABLE minutes AS")[2].strip().removesuffix(";")
COPY = f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {GROUP})"


class Duck:
    """A connection with as many threads as Spark has tasks."""

    def __init__(self, threads: int) -> None:
        self.connection = duckdb.connect(config={"threads": threads})
        self.connection.execute(MACROS)

    def trades(self, file: Published, source: Path, into: Path) -> None:
        rows = MONTH.format(
            recv=source.stat().st_mtime_ns // 1000, key=file.key, sha=file.sha256[:12], first=file.first, path=source
        )
        self.connection.execute(f"COPY ({rows}) TO '{into}' {COPY}")

    def minutes(self, file: Published, trades: Path, into: Path) -> None:
        self.connection.execute(
            f"CREATE OR REPLACE VIEW trades AS SELECT *, '{file.pair}' AS pair FROM read_parquet('{trades}')"  # noqa: S608 - our own names
        )
        self.connection.execute(f"COPY (FROM ({MINUTES}) ORDER BY minute) TO '{into}' {COPY}")


class Polars:
    """Trades alone. POLARS_MAX_THREADS says how many threads it takes."""

    def trades(self, file: Published, source: Path, into: Path) -> None:
        import polars as pl  # noqa: PLC0415 - the other rival's process has no need of it

        raw = pl.scan_csv(
            source,
            has_header=False,
            schema={
                "a": pl.Int64,
                "p": pl.Decimal(20, 10),
                "q": pl.Decimal(22, 8),
                "f": pl.Int64,
                "l": pl.Int64,
                "t": pl.Int64,
                "m": pl.String,  # it knows true and false alone
                "b": pl.String,
            },
        )
        words = {"venue": "binance", "market": "spot", "feed": "agg_trade", "source": "dump", "object": file.key}
        rows = raw.select(
            trade_id="a",
            first_id="f",
            last_id="l",
            price="p",
            quantity="q",
            quote_quantity=(pl.col("p") * pl.col("q")).cast(pl.Decimal(38, 18)),
            taker_side=pl.when(pl.col("m") == "True").then(pl.lit("sell")).otherwise(pl.lit("buy")),
            ts=(pl.col("t") // 1000 * 1000).cast(pl.Datetime("us", "UTC")),
            event_ts=pl.lit(None, pl.Datetime("us", "UTC")),
            recv_ts=pl.lit(source.stat().st_mtime_ns // 1000).cast(pl.Datetime("us", "UTC")),
            conn=pl.lit(f"file-{file.sha256[:12]}"),
            seq=pl.col("a") - (file.first - 1),
            item=pl.lit(0, pl.Int32),
            **{name: pl.lit(text) for name, text in words.items()},
        )
        ordered = rows.select(TRADE_SCHEMA.names).sort("ts", "trade_id")
        ordered.sink_parquet(into, compression="zstd", row_group_size=GROUP)


def round_of(rival: Duck | Polars, root: str, files: Sequence[Mapping[str, Any]], out: str) -> Mapping[str, Mapping[str, float]]:
    """All months from nothing: what the trades took, and what the minutes, where the rival makes them."""
    shutil.rmtree(out, ignore_errors=True)
    found = {}
    made = _files(root, files)
    steps: dict[str, Callable[[Published, Path, Path], None]] = {"trades": rival.trades}
    if isinstance(rival, Duck):
        steps["minute_aggregates"] = rival.minutes
    for dataset, write in steps.items():
        used, began = cpu.seconds(os.getpid()), time.monotonic()
        for file in made.files:
            folder = Path(out, dataset, file.place)
            folder.mkdir(parents=True)
            source = Path(out, "trades", file.place, NAME) if dataset != "trades" else made.root / file.key
            write(file, source, folder / NAME)
        found[dataset] = {"cpu": cpu.seconds(os.getpid()) - used, "wall": time.monotonic() - began}
    return found


def compare(duck: Duck, files: Sequence[Mapping[str, Any]], lake: str, out: str, polars: str = "") -> Mapping[str, int]:
    """Are all rows of the job's objects the rivals', in every column that both know, and in the same order? Counts, for the report."""
    found = {}
    for dataset, table in FILES.items():
        total = 0
        for file in _files("", files).files:
            places = {
                "the job": f"{lake}/history/{dataset}/{file.place}/{NAME}",
                "DuckDB": f"{out}/{dataset}/{file.place}/{NAME}",
            }
            if polars and dataset == "trades":
                places["polars"] = f"{polars}/{dataset}/{file.place}/{NAME}"
            told = {who: _told(duck.connection, table, path, file.pair) for who, path in places.items()}
            if len(set(told.values())) > 1:
                raise AssertionError(f"{dataset} of {file.place}: (rows, digest) are {told}")
            total += told["DuckDB"][0]
        found[dataset] = total
    return found


def _told(connection: duckdb.DuckDBPyConnection, table: Table, path: str, pair: str) -> tuple[int, int]:
    """Rows, and a sum in which each value counts; AssertionError: in no order, or in other row groups."""
    order = "ts, trade_id" if table is TRADES else "minute"
    names = order.replace("ts,", "epoch_us(ts),").replace("minute", "epoch_us(minute)")
    disorder = connection.execute(
        f"SELECT count(*) FROM (SELECT row({names}) < lag(row({names})) OVER (ORDER BY file_row_number) AS falls "  # noqa: S608 - our own names
        f"FROM read_parquet('{path}', file_row_number = true)) WHERE falls"
    ).fetchall()[0][0]
    biggest = connection.execute(f"SELECT max(row_group_num_rows) FROM parquet_metadata('{path}')").fetchall()[0][0]  # noqa: S608 - see above
    if disorder or biggest > GROUP:
        raise AssertionError(f"{path}: {disorder} rows stand before one that they should follow, {biggest} rows in a group")
    rows = f"(SELECT *, '{pair}' AS pair FROM read_parquet('{path}'))"  # noqa: S608 - see above
    count, sum_ = connection.execute(digest(table, rows)).fetchall()[0]
    return int(count), int(sum_)


def _files(root: str, files: Sequence[Mapping[str, Any]]) -> Inbox:
    return Inbox(Path(root), [Published(**file) for file in files])


def once(threads: int, root: str, out: str) -> int:
    """A round as a program of its own."""
    files = read(Path(root)).files
    round_of(Duck(threads), root, [asdict(file) for file in files], out)
    sys.stdout.write(f"{len(files)} published\n")
    return 0


def main() -> int:
    """Serve rounds; DuckDB comparisons, too. With a folder and a place for the results: one round."""
    name, threads, *rest = sys.argv[1:]
    if rest:
        return once(int(threads), *rest)
    answers = private_output()
    duck = Duck(int(threads))
    rival = duck if name == "duck" else Polars()
    functions: Mapping[str, Callable[..., Any]] = {
        "round": lambda **asked: round_of(rival, **asked),
        "compare": lambda **asked: compare(duck, **asked),
    }
    serve(answers, functions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
