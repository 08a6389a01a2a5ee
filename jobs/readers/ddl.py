"""Statements that a person runs by hand where `catalog` may not: generated from the tables, never written. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from jobs.readers import records
from jobs.readers.names import HISTORY, delta_name, history_name, joined
from jobs.readers.views import View, union
from jobs.tables.table import Column, Table
from jobs.transforms.published import Month

NATIVE = "ticklake"  # schema of Redshift's own tables
SPECTRUM = "ticklake_lake"  # schema of what Spectrum reads in S3
_KEYS = "VARCHAR(256)"
_TEXTS = "VARCHAR(65535)"  # bytes; the longest there is
_REDSHIFT = {"STRING": _TEXTS, "INT": "INTEGER"}
Published = Mapping[str, Sequence[Month]]  # by dataset


def athena(database: str, lake: str, tables: Iterable[Table], views: Iterable[View], published: Published) -> list[str]:
    """Database, Delta tables, history with its partitions, views."""
    found = [f"CREATE DATABASE IF NOT EXISTS `{database}`"]
    # Athena learns columns, their comments and partitions from Delta's log, and refuses to be told
    found += [
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{delta_name(table)}`\nLOCATION '{lake}/tables/{table.name}/'\n"
        "TBLPROPERTIES ('table_type' = 'DELTA')"
        for table in tables
    ]
    for dataset in HISTORY:
        name = f"`{database}`.`{history_name(dataset)}`"
        found += [_history(name, lake, dataset), *_partitions(name, lake, dataset, published.get(dataset, ()))]
    return found + [create_view(view, database) for view in views]


def create_view(view: View, database: str) -> str:
    """As Athena and Trino take it. The names within belong to the database that the query is run in."""
    return f'CREATE OR REPLACE VIEW "{database}"."{view.name}" AS\n{view.sql}'


def _history(name: str, lake: str, dataset: str) -> str:
    record = records.history(dataset, lake)
    inside, keys = (
        ",\n".join(f"  `{one['Name']}` {one['Type']} COMMENT {_in_hive(one['Comment'])}" for one in columns)
        for columns in (record["StorageDescriptor"]["Columns"], record["PartitionKeys"])
    )
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} (\n{inside}\n)\nCOMMENT {_in_hive(record['Description'])}\n"
        f"PARTITIONED BY (\n{keys}\n)\nSTORED AS PARQUET\nLOCATION '{lake}/history/{dataset}/'"
    )


def _partitions(name: str, lake: str, dataset: str, months: Iterable[Month]) -> list[str]:
    names = HISTORY[dataset].table.partitioned_by
    found = []
    for values in sorted(records.values(months)):
        place = "/".join(f"{key}={value}" for key, value in zip(names, values, strict=True))
        told = ", ".join(f"`{key}` = '{value}'" for key, value in zip(names, values, strict=True))
        found.append(f"ALTER TABLE {name} ADD IF NOT EXISTS PARTITION ({told})\nLOCATION '{lake}/history/{dataset}/{place}/'")
    return found


def redshift(database: str, tables: Iterable[Table], published: Published) -> list[str]:
    """What Spectrum reads by way of Glue, tables for what is loaded, and views that join the two."""
    known = list(tables)
    found = [
        f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {SPECTRUM}\nFROM DATA CATALOG DATABASE '{database}'\nIAM_ROLE default",
        f"CREATE SCHEMA IF NOT EXISTS {NATIVE}",
    ]
    for table in known:
        name = f'{NATIVE}."{delta_name(table)}"'
        columns = ",\n".join(f'  "{column.name}" {_redshift(column, table)}' for column in table.columns)
        found.append(f"CREATE TABLE IF NOT EXISTS {name} (\n{columns}\n)")
        found.append(f"COMMENT ON TABLE {name} IS {_quoted(table.comment)}")
        found += [f'COMMENT ON COLUMN {name}."{column.name}" IS {_quoted(column.comment)}' for column in table.columns]
    for dataset in joined():
        sql = union(dataset, published.get(dataset, ())).sql
        # a view on what Spectrum reads may not be bound to it, and then names its schemas
        for name, place in ((delta_name(HISTORY[dataset].table), NATIVE), (history_name(dataset), SPECTRUM)):
            sql = sql.replace(f'FROM "{name}"', f'FROM {place}."{name}"')
        found.append(f'CREATE OR REPLACE VIEW {NATIVE}."{dataset}" AS\n{sql}\nWITH NO SCHEMA BINDING')
    return found


def _redshift(column: Column, table: Table) -> str:
    if column.type.startswith("ARRAY"):
        return "SUPER"
    is_key = column.name in (*table.key, *table.partitioned_by)
    return _KEYS if is_key and column.type == "STRING" else _REDSHIFT.get(column.type, column.type)


def text(statements: Iterable[str]) -> str:
    """As a file."""
    return "".join(f"{statement};\n\n" for statement in statements).rstrip("\n") + "\n"


def _in_hive(words: str) -> str:
    """A text as Athena's DDL has it, which is Hive's: a quote that is doubled there is two texts beside each other."""
    escaped = words.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _quoted(words: str) -> str:
    doubled = words.replace("'", "''")
    return f"'{doubled}'"
