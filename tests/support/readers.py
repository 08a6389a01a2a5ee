"""A live table as readers other than Spark see it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import duckdb

from jobs.tables.order_books import LEVELS
from jobs.tables.published import RUNS, SOURCES
from jobs.tables.table import Table

# where it has another word
DUCKDB = {
    "STRING": "VARCHAR",
    "INT": "INTEGER",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
    SOURCES: "STRUCT(object VARCHAR, sha256 VARCHAR)[]",
    RUNS: "STRUCT(low BIGINT, high BIGINT, first_id BIGINT, first_ts TIMESTAMP WITH TIME ZONE, last_id BIGINT, "
    "last_ts TIMESTAMP WITH TIME ZONE)[]",
    LEVELS: "STRUCT(price DECIMAL(20,10), quantity DECIMAL(22,8))[]",
}
HIVE = {"pair": "VARCHAR", "year": "BIGINT", "month": "BIGINT"}  # what a folder's name does not tell


def types(table: Table, *, hive: bool = False) -> Mapping[str, str]:
    """Each column's type in DuckDB's words; `hive`: of partition columns what the folders tell."""
    told = {column.name: DUCKDB.get(column.type, column.type) for column in table.columns}
    return told | ({name: HIVE[name] for name in table.partitioned_by} if hive else {})


def delta_rs(path: Path, table: Table) -> tuple[Mapping[str, str], list[dict[str, Any]]]:
    """Types and rows, as delta-rs reads them; DuckDB only turns its Arrow data into Python's."""
    reader = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(path)).execute("SELECT * FROM t")
    with duckdb.connect() as connection:
        connection.register("found", reader.read_all())
        return _rows(connection, "found", [], table)


def duckdb_files(path: Path, table: Table) -> tuple[Mapping[str, str], list[dict[str, Any]]]:
    """Types and rows of the plain parquet files that delta-rs lists, as DuckDB reads them."""
    files = deltalake.DeltaTable(path).file_uris()
    with duckdb.connect() as connection:
        return _rows(connection, "read_parquet(?, hive_partitioning = true)", [files], table)


def parquet_types(path: Path) -> Mapping[str, tuple[str | None, ...]]:
    """Physical and converted type, precision and scale of each column in one of the table's files."""
    file = deltalake.DeltaTable(path).file_uris()[0]
    with duckdb.connect() as connection:
        asked = connection.execute("SELECT name, type, converted_type, precision, scale FROM parquet_schema(?)", [file])
        return {name: tuple(rest) for name, *rest in asked.fetchall()}


def protocol(path: Path) -> tuple[int, int]:
    """(Reader, writer) version."""
    told = deltalake.DeltaTable(path).protocol()
    return told.min_reader_version, told.min_writer_version


def _rows(
    connection: duckdb.DuckDBPyConnection, source: str, values: Sequence[object], table: Table
) -> tuple[Mapping[str, str], list[dict[str, Any]]]:
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}", values).fetchall()  # noqa: S608 - ours
    told = {name: kind for name, kind, *_ in described}
    # a time with a zone would need one more package to become Python's
    plain = (f'"{name}" AT TIME ZONE \'UTC\' AS "{name}"' if "TIME ZONE" in told[name] else f'"{name}"' for name in table.names)
    rows = connection.execute(f"SELECT {', '.join(plain)} FROM {source}", values).fetchall()  # noqa: S608 - ours
    return told, [{name: _aware(value) for name, value in zip(table.names, row, strict=True)} for row in rows]


def _aware(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
