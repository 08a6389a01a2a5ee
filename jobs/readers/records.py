"""The records of Glue, in the one shape that Athena, Redshift Spectrum, EMR and Trino read. Pure."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from jobs.readers.names import HISTORY, delta_name, history_name
from jobs.tables.table import Column, Table
from jobs.transforms.published import Month

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import ColumnTypeDef, PartitionInputTypeDef, StorageDescriptorTypeDef, TableInputTypeDef

COMMENT = 255  # characters; Glue refuses more
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_FIELD = re.compile(r"(\w+): ")
_WORD = " …"


def hive(sql: str) -> str:
    """A type in Hive's words, which are Glue's."""
    return _FIELD.sub(r"\1:", sql).replace(", ", ",").lower()


def comment(text: str) -> str:
    """As much of it as fits, in whole words; docs/tables.md has the rest."""
    if len(text) <= COMMENT:
        return text
    return text[: COMMENT - len(_WORD) + 1].rpartition(" ")[0] + _WORD


def delta(table: Table, lake: str) -> "TableInputTypeDef":
    """Of a Delta table. Its rows and partitions are told by its own log."""
    location = f"{lake}/tables/{table.name}"
    return {
        "Name": delta_name(table),
        "Description": table.comment,
        "TableType": "EXTERNAL_TABLE",
        # Athena knows it by table_type; Trino wants the provider, and the path beside the location
        "Parameters": {
            "EXTERNAL": "TRUE",
            "table_type": "DELTA",
            "spark.sql.sources.provider": "delta",
            "classification": "delta",
        },
        "StorageDescriptor": {
            "Location": location,
            "Columns": _columns(table.columns),
            "SerdeInfo": {"Parameters": {"path": location}},
        },
        "PartitionKeys": [],
    }


def history(dataset: str, lake: str) -> "TableInputTypeDef":
    """Of the parquet of published months. Partitions are registered one by one, as they are published."""
    table = HISTORY[dataset].table
    inside = [column for column in table.columns if column.name not in table.partitioned_by]
    keys = [column for name in table.partitioned_by for column in table.columns if column.name == name]
    return {
        "Name": history_name(dataset),
        "Description": f"The published months of {dataset}: what published names is to be believed, and nothing else that may lie there.",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "StorageDescriptor": {"Columns": _columns(inside), **_stored(f"{lake}/history/{dataset}/")},
        "PartitionKeys": _columns(keys),
    }


def tables(live: Iterable[Table], lake: str) -> "list[TableInputTypeDef]":
    """Of these Delta tables, and of history."""
    return [*(delta(table, lake) for table in live), *(history(dataset, lake) for dataset in HISTORY)]


def partition(dataset: str, lake: str, values: tuple[str, ...]) -> "PartitionInputTypeDef":
    """Of a pair's month, whatever feeds of it there are."""
    table = HISTORY[dataset].table
    inside = [column for column in table.columns if column.name not in table.partitioned_by]
    folders = "/".join(f"{name}={value}" for name, value in zip(table.partitioned_by, values, strict=True))
    stored = _stored(f"{lake}/history/{dataset}/{folders}/")
    return {"Values": list(values), "StorageDescriptor": {"Columns": _columns(inside), **stored}}


def values(months: Iterable[Month]) -> set[tuple[str, ...]]:
    """The partitions that months lie in."""
    return {(one.pair, str(one.year), str(one.month)) for one in months}


def _stored(location: str) -> "StorageDescriptorTypeDef":
    return {  # the slash at its end: a reader that asks for month=1 gets no month=10
        "Location": location,
        "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
        "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        },
    }


def _columns(columns: Iterable[Column]) -> "list[ColumnTypeDef]":
    return [{"Name": column.name, "Type": hive(column.type), "Comment": comment(column.comment)} for column in columns]


def holds(found: Any, wanted: Any) -> bool:  # noqa: ANN401 - JSON values
    """Is everything in it that is wanted? Glue and its readers add words of their own."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(holds(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        there = found or []
        return len(there) == len(wanted) and all(map(holds, there, wanted))
    return bool(found == wanted)
