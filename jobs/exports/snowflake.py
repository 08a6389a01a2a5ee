"""What Snowflake is told: a database, a stage, a table and a pipe each, and a view of the newest file of each day or month."""

import re
from collections.abc import Mapping
from string import Template

from jobs.exports.files import SUFFIX
from jobs.exports.layouts import LAYOUTS
from jobs.exports.loads import Load
from jobs.tables import TABLES
from jobs.tables.table import Table

SCHEMA = "ticklake.lake"
# moments: one without a zone would be read as of the session's
_TYPES = {
    "STRING": "VARCHAR",
    "BIGINT": "NUMBER(19,0)",
    "INT": "NUMBER(10,0)",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMP_LTZ(6)",
}
_DECIMAL = re.compile(r"DECIMAL(\(\d+,\d+\))")
HEAD = """-- Written by `make docs`. &{lake} is the lake's place, such as s3://bucket/prefix; &{role} the role that may read it.
"""
GONE = Template("""\
-- After load $number of $table; at any time, as often as one likes.
DELETE FROM $schema.${table}_files USING (SELECT name FROM (VALUES
$names
) AS told (name)) AS gone
WHERE RIGHT(file, LENGTH(gone.name)) = gone.name;
""")


def scripts() -> Mapping[str, str]:
    """File name -> statements, in the order in which they are to be run."""
    tables = [TABLES[name] for name in LAYOUTS["snowflake"].forms]
    return {
        "1_database.sql": _database(),
        "2_stage.sql": HEAD + _stage(),
        "3_tables.sql": "\n".join(_table(table) for table in tables),
        "4_pipes.sql": "\n".join(_pipe(table) for table in tables),
        "5_views.sql": "\n".join(_view(table) for table in tables),
    }


def beside(load: Load) -> Mapping[str, str]:
    """Of one load: the rows of files whose place others took, or that went. The views leave the former out before it has run."""
    gone = sorted(file.key.removeprefix("exports/snowflake/") for file in load.before.values())
    if not gone:
        return {}
    names = ",\n".join(f"  ('{name}')" for name in gone)
    return {"sql": GONE.substitute(number=load.number, table=load.table, schema=SCHEMA, names=names)}


def type_of(sql: str) -> str:
    """A column's type there."""
    decimal = _DECIMAL.fullmatch(sql)
    return f"NUMBER{decimal[1]}" if decimal else _TYPES[sql]


def _database() -> str:
    database, _, _ = SCHEMA.partition(".")
    return f"CREATE DATABASE IF NOT EXISTS {database};\nCREATE SCHEMA IF NOT EXISTS {SCHEMA};\n"


def _stage() -> str:
    return (
        "CREATE STORAGE INTEGRATION IF NOT EXISTS ticklake\n"
        "  TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE\n"
        "  STORAGE_AWS_ROLE_ARN = '&{role}' STORAGE_ALLOWED_LOCATIONS = ('&{lake}/exports/snowflake/');\n"
        f"CREATE FILE FORMAT IF NOT EXISTS {SCHEMA}.parquet_file TYPE = PARQUET USE_LOGICAL_TYPE = TRUE;\n"
        f"CREATE STAGE IF NOT EXISTS {SCHEMA}.exports\n"
        "  URL = '&{lake}/exports/snowflake/' STORAGE_INTEGRATION = ticklake\n"
        f"  FILE_FORMAT = (FORMAT_NAME = '{SCHEMA}.parquet_file');\n"
    )


def _table(table: Table) -> str:
    columns = "".join(f'  "{c.name.upper()}" {type_of(c.type)} COMMENT {_quoted(c.comment)},\n' for c in table.columns)
    return (
        f"-- all rows of all files, also of those whose place others took; the view {table.name} leaves them out\n"
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{table.name}_files (\n{columns}"
        "  \"FILE\" VARCHAR NOT NULL COMMENT 'The file that the row came in.'\n)\n"
        f"COMMENT = {_quoted(table.comment)};\n"
    )


def _pipe(table: Table) -> str:
    return (
        f"CREATE PIPE IF NOT EXISTS {SCHEMA}.{table.name}_pipe AUTO_INGEST = TRUE AS\n"
        f"COPY INTO {SCHEMA}.{table.name}_files FROM @{SCHEMA}.exports/{table.name}/files/\n"
        f"  FILE_FORMAT = (FORMAT_NAME = '{SCHEMA}.parquet_file')\n"
        "  MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE INCLUDE_METADATA = (file = METADATA$FILENAME);\n"
    )


def _view(table: Table) -> str:
    columns = ", ".join(f'"{name.upper()}"' for name in table.names)
    return (
        "-- a file's name ends with its version and the beginning of its sha256: of those that differ in nothing else the last one counts\n"
        f"CREATE OR REPLACE VIEW {SCHEMA}.{table.name} AS\nSELECT {columns}\nFROM {SCHEMA}.{table.name}_files\n"
        f"QUALIFY file = MAX(file) OVER (PARTITION BY LEFT(file, LENGTH(file) - {SUFFIX}));\n"
    )


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
