"""A lake with live tables and with history, which hold each other's rows wrong: who reads a month from the wrong side is found out."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from jobs.history.columns import schema
from jobs.readers.names import HISTORY, joined
from jobs.tables import TABLES
from jobs.tables.imported_minutes import IMPORTED
from jobs.tables.published import PUBLISHED
from jobs.transforms.published import Month
from tests.support.lines import moment
from tests.support.seaweedfs import S3
from tests.support.written import Row, Written

Rows = Mapping[str, Sequence[Row]]
NUMBERS = {"trades": "price", "minute_aggregates": "volume", "klines": "close"}  # what is wrong in a row of the wrong side
WRONG = Decimal(-1)


def halves(dataset: str, rows: Iterable[Row], months: Iterable[Month]) -> tuple[list[Row], list[Row]]:
    """What lies in the live table and what in history, so that the two are these rows, read by the months that are published."""
    told, all_ = set(months), list(rows)
    past = [row for row in all_ if month_of(dataset, row) in told]
    live = [row for row in all_ if month_of(dataset, row) not in told]
    return live + spoilt(dataset, past), past + spoilt(dataset, live)


def spoilt(dataset: str, rows: Iterable[Row]) -> list[Row]:
    return [row | {NUMBERS[dataset]: WRONG} for row in rows]


def month_of(dataset: str, row: Row) -> Month:
    names = ("venue", "market", HISTORY[dataset].feed, "pair", "year", "month")
    return Month(*(row.get(name, IMPORTED) for name in names))


def make(spark: SparkSession, lake: Path, rows: Rows, published: Mapping[str, Sequence[Month]]) -> None:
    """Every Delta table, and the objects of history: those of months that are published, and others that nobody has taken away yet."""
    live, past = dict(rows), dict[str, list[Row]]()
    for dataset in HISTORY:
        there = rows.get(dataset, ())
        live[dataset], past[dataset] = (
            halves(dataset, there, published.get(dataset, ())) if dataset in joined() else ([], list(there))
        )
    live[PUBLISHED.name] = [row_of(dataset, month) for dataset, months in published.items() for month in months]
    for table in TABLES.values():
        written = Written(spark, lake, table)
        if live.get(table.name):
            written.append(live[table.name])
    for dataset, found in past.items():
        write_history(lake, dataset, found)


def write_history(lake: Path, dataset: str, rows: Iterable[Row]) -> None:
    """An object a feed, pair and month."""
    objects: dict[Month, list[Row]] = {}
    for row in rows:
        objects.setdefault(month_of(dataset, row), []).append(row)
    columns = schema(HISTORY[dataset].table)
    for month, found in objects.items():
        path = lake / key_of(dataset, month)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([{name: row[name] for name in columns.names} for row in found], columns), path)


def key_of(dataset: str, month: Month) -> str:
    place = f"pair={month.pair}/year={month.year}/month={month.month}"
    return f"history/{dataset}/{place}/{month.venue}-{month.market}-{month.feed}.parquet"


def row_of(dataset: str, month: Month) -> Row:
    """Of `published`."""
    told: dict[str, Any] = dict.fromkeys(PUBLISHED.names) | {"dataset": dataset} | month._asdict()
    return told | {"object": key_of(dataset, month), "sources": [], "published_at": moment("12:00:00", "2026-07-01")}


def upload(folder: Path, s3: S3, bucket: str, prefix: str) -> None:
    """The lake as it lies in a folder."""
    client = s3.client()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(".crc"):
            client.put_object(Bucket=bucket, Key=f"{prefix}/{path.relative_to(folder).as_posix()}", Body=path.read_bytes())
