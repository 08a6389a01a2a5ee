"""Twelve questions about one lake with history and live rows, and four readers that answer them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pyarrow.dataset as ds
from pyspark.sql import SparkSession

from ingest.landing import Files
from jobs.readers.names import HISTORY, delta_name, history_name
from jobs.readers.views import unions
from jobs.runtime import changes, history
from jobs.runtime.lake import Place
from jobs.tables import IMPORTED, TABLES
from jobs.tables.table import Table
from jobs.transforms.published import Month
from tests.support.readers import types
from tests.support.tables import rows_of
from tests.support.views import VIEWS, of_query

Row = dict[str, Any]
Ask = Callable[[str], list[Row]]
QUESTIONS: Mapping[str, str] = {
    "How many trades does each pair have in each month?": "SELECT venue, market, feed, pair, year, month, count(*) AS trades, "
    "sum(quantity) AS volume FROM trades GROUP BY venue, market, feed, pair, year, month",
    "When was each pair traded first and last?": "SELECT venue, market, feed, pair, min(ts) AS first_ts, max(ts) AS last_ts, "
    "min(trade_id) AS first_id, max(trade_id) AS last_id FROM trades GROUP BY venue, market, feed, pair",
    "What did takers do in one month?": "SELECT taker_side, count(*) AS trades, sum(quote_quantity) AS amount FROM trades "
    "WHERE pair = 'BTC-USDT' AND year = 2026 AND month = 5 GROUP BY taker_side",
    "At which prices?": "SELECT feed, min(price) AS low, max(price) AS high FROM trades WHERE pair = 'BTC-USDT' GROUP BY feed",
    "How much was traded on each day?": "SELECT venue, market, feed, pair, CAST(minute AS DATE) AS day, sum(volume) AS volume, "
    "sum(quote_volume) AS amount, sum(trades) AS trades FROM minute_aggregates GROUP BY venue, market, feed, pair, CAST(minute AS DATE)",
    "Which minutes are not complete?": "SELECT venue, market, feed, pair, minute, missing_trades FROM minute_aggregates "
    "WHERE NOT is_complete",
    "How much of each day is known?": "SELECT * FROM coverage_by_day WHERE pair = 'SOL-USD'",
    "What do candles of four hours look like?": "SELECT * FROM candles WHERE width = '4h'",
    "What did takers buy and sell, minute by minute?": "SELECT * FROM minute_rows WHERE year = 2026 AND month = 5",
    "What does the exchange say of a month?": "SELECT width, count(*) AS candles, sum(trades) AS trades, max(close) AS close FROM klines "
    "WHERE pair = 'BTC-USDT' AND year = 2026 AND month = 4 GROUP BY width",
    "How far were bid and ask apart?": "SELECT * FROM spreads WHERE state = 'ok'",
    "What does buying and selling at once come to?": "SELECT * FROM optimal_transactions",
}


def spark_reads(spark: SparkSession, lake: Path) -> Ask:
    """As the jobs do."""
    where = Place(str(lake), Files(lake))
    published = history.version(spark, where)
    for name in TABLES:
        live = changes.newest(spark, where, name)
        rows = history.both(spark, where, name, live, published) if name in HISTORY else changes.read(spark, where, name, live)
        rows.createOrReplaceTempView(name)
    for name, table in IMPORTED.items():
        schema = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
        spark.read.schema(schema).parquet(f"{lake}/history/{name}").createOrReplaceTempView(name)
    for name, text in VIEWS.items():
        spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS\n{text}")
    return lambda sql: rows_of(spark.sql(sql))


def duckdb_reads(lake: Path, published: Mapping[str, Sequence[Month]]) -> Ask:
    """The parquet files that Delta's log lists, and those of history."""
    made = _database()
    for table in TABLES.values():
        _view(made, delta_name(table), table, deltalake.DeltaTable(lake / "tables" / table.name).file_uris())
    for dataset, past in HISTORY.items():
        _view(
            made,
            history_name(dataset),
            past.table,
            [str(path) for path in sorted((lake / "history" / dataset).rglob("*.parquet"))],
        )
    return _asked(made, published)


def _view(made: duckdb.DuckDBPyConnection, name: str, table: Table, files: Sequence[str]) -> None:
    if files:
        columns = ", ".join(f'"{column}"' for column in table.names)
        made.execute(f'CREATE VIEW "{name}" AS SELECT {columns} FROM read_parquet({list(files)!r}, hive_partitioning = true)')  # noqa: S608 - ours
    else:
        columns = ", ".join(f'"{column}" {kind}' for column, kind in types(table).items())
        made.execute(f'CREATE TABLE "{name}" ({columns})')


def delta_rs_reads(lake: Path, published: Mapping[str, Sequence[Month]]) -> Ask:
    """Rows by delta-rs, and of history by Arrow; DuckDB only runs the SQL."""
    made = _database()
    for table in TABLES.values():
        reader = (
            deltalake.QueryBuilder().register("t", deltalake.DeltaTable(lake / "tables" / table.name)).execute("SELECT * FROM t")
        )
        made.register(delta_name(table), reader.read_all())
    for dataset in HISTORY:
        made.register(history_name(dataset), ds.dataset(lake / "history" / dataset, partitioning="hive").to_table())
    return _asked(made, published)


def _database() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    made.execute("SET TimeZone = 'UTC'")
    return made


def _asked(made: duckdb.DuckDBPyConnection, published: Mapping[str, Sequence[Month]]) -> Ask:
    for view in unions(published, TABLES):
        made.execute(f"CREATE VIEW {view.name} AS {view.sql}")
    for name, text in VIEWS.items():
        made.execute(f"CREATE VIEW {name} AS\n{text}")
    return lambda sql: of_query(made, sql)


def alike(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """As they can be compared: in one order, times to the millisecond that all of them have, UTC's."""
    return sorted((tuple(map(_alike, row.values())) for row in rows), key=lambda row: [str(value) for value in row])


def _alike(value: Any) -> Any:  # noqa: ANN401 - what stands in a row
    if not isinstance(value, datetime):
        return value
    later = (value if value.tzinfo else value.replace(tzinfo=UTC)) + timedelta(microseconds=500)
    return later.replace(microsecond=later.microsecond // 1000 * 1000)
