"""The views of conf/views over rows of a test, in Spark and in DuckDB."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
from pyspark.sql import SparkSession

from jobs.tables import IMPORTED, TABLES
from tests.support.project import HOME
from tests.support.readers import types
from tests.support.tables import rows_of
from tests.support.written import Row, frame_of, plain

ALL = (*TABLES.values(), *IMPORTED.values())
VIEWS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((HOME / "conf/views").glob("*.sql"))}
Tables = Mapping[str, Sequence[Row]]


def in_duckdb(tables: Tables) -> duckdb.DuckDBPyConnection:
    """A database with all tables, these of them with rows, and all views."""
    made = duckdb.connect()
    made.execute("SET TimeZone = 'UTC'")
    for table in ALL:
        kinds = types(table)
        columns = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
        made.execute(f"CREATE TABLE {table.name} ({columns})")
        texts = ", ".join(f"CAST(? AS {kind})" for kind in kinds.values())
        for row in plain(table, tables.get(table.name, ())):
            made.execute(f"INSERT INTO {table.name} VALUES ({texts})", row)  # noqa: S608 - ours
    for name, text in VIEWS.items():
        made.execute(f"CREATE VIEW {name} AS\n{text}")
    return made


def in_spark(spark: SparkSession, tables: Tables) -> None:
    """The same as temporary views of the session."""
    for table in ALL:
        frame_of(spark, table, tables.get(table.name, ())).createOrReplaceTempView(table.name)
    for name, text in VIEWS.items():
        spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS\n{text}")


def of_duckdb(made: duckdb.DuckDBPyConnection, name: str) -> list[Row]:
    """All rows of a view, in their order, times with their zone."""
    return of_query(made, f"SELECT * FROM {name}")  # noqa: S608 - ours


def of_query(made: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """The same of a SELECT."""
    kinds = {column: kind for column, kind, *_ in made.execute(f"DESCRIBE {sql}").fetchall()}
    # as a time with a zone they would depend on that of the machine
    chosen = (f"\"{column}\" AT TIME ZONE 'UTC'" if "TIME ZONE" in kind else f'"{column}"' for column, kind in kinds.items())
    found = made.execute(f"SELECT {', '.join(chosen)} FROM ({sql})").fetchall()  # noqa: S608 - ours
    return [dict(zip(kinds, map(_aware, row), strict=True)) for row in found]


def of_spark(spark: SparkSession, name: str) -> list[Row]:
    """The same, of Spark's."""
    return rows_of(spark.table(name))


def in_order(rows: Iterable[Row]) -> list[Row]:
    """So that two lists of rows whose order says nothing can be compared."""
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def _aware(value: Any) -> Any:  # noqa: ANN401 - what stands in a row
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
