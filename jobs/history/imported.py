"""Months of what another system computed, as parquet objects: rows come to those that are there, each key once."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.landing import Store
from jobs.history.columns import WORDS, schema
from jobs.history.files import Month
from jobs.tables.table import Table

WHENCE = ("object", "line")  # where a row stood: two that differ in nothing else say the same
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Merged:
    """What became of rows of a month."""

    rows: int  # in the object now
    duplicates: int  # of the new rows: they say what another one says
    conflicts: Sequence[int]  # places among the new rows: another one of the same key, which counts, says something else
    sha256: str  # of the object
    bytes: int


def merge(table: Table, month: Month, rows: Sequence[Row], store: Store, scratch: Path) -> Merged:
    """Put rows to those of a month; whichever came first counts. Where they bring nothing, the object stays as it is."""
    time = table.key[-1]
    with TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        there = _there(month, store, folder)
        before = {row[time]: row for row in (pq.read_table(there).to_pylist() if there else ())}
        after, duplicates, conflicts = dict(before), 0, []
        for place, row in enumerate(rows):
            other = after.setdefault(row[time], row)
            if other is not row:
                is_same = all(row[name] == other[name] for name in row if name not in WHENCE)
                duplicates += is_same
                conflicts += [] if is_same else [place]
        into = there
        if into is None or len(after) > len(before):
            into = folder / "month.parquet"
            _write(table, [after[at] for at in sorted(after)], into)
            store.put(month.key, into)
        return Merged(len(after), duplicates, conflicts, hashlib.sha256(into.read_bytes()).hexdigest(), into.stat().st_size)


def _there(month: Month, store: Store, folder: Path) -> Path | None:
    try:
        return store.local(month.key, folder)
    except FileNotFoundError:
        return None


def _write(table: Table, rows: Sequence[Row], into: Path) -> None:
    columns = schema(table)
    words = [column.name for column in columns if column.type == WORDS]
    made = pa.Table.from_pylist(list(rows), schema=columns)
    pq.write_table(made, into, compression="zstd", use_dictionary=words, write_page_index=True, store_schema=False)
