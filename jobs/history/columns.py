"""The columns of history: those of the live tables, as Arrow types. Partitions are in the path and not in the file."""

import re
from typing import Any

import pyarrow as pa

from jobs.tables.table import Table
from jobs.tables.trades import TRADES

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_TYPES = {"BIGINT": pa.int64(), "INT": pa.int32(), "TIMESTAMP": pa.timestamp("us", "UTC"), "BOOLEAN": pa.bool_()}
WORDS = pa.dictionary(pa.int32(), pa.string())  # few different texts; a reader sees a string


def type_of(sql: str) -> pa.DataType:
    """The Arrow type of a SQL type."""
    if sql == "STRING":
        return WORDS
    decimal = _DECIMAL.fullmatch(sql)
    return pa.decimal128(int(decimal[1]), int(decimal[2])) if decimal else _TYPES[sql]


def schema(table: Table) -> pa.Schema:
    """Of an object of a table's history."""
    columns = [column for column in table.columns if column.name not in table.partitioned_by]
    return pa.schema([pa.field(column.name, type_of(column.type)) for column in columns])


def writing(of: pa.Schema) -> dict[str, Any]:
    """How an object is written: with statistics of each page, so that a reader leaves out what it need not see."""
    words = [column.name for column in of if column.type == WORDS]
    return {"compression": "zstd", "use_dictionary": words, "write_page_index": True, "store_schema": False}


TRADE_SCHEMA = schema(TRADES)
