"""Months of what another system computed: rows come together, each key once, whoever came first."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from ingest.landing import Files
from jobs.history.files import Month
from jobs.history.imported import Merged, merge
from jobs.tables.imported_spreads import IMPORTED_SPREADS

MONTH = Month("imported_spreads", "bitso", "spot", "imported", "BTC-MXN", 2024, 4)
KEY = "history/imported_spreads/pair=BTC-MXN/year=2024/month=4/bitso-spot-imported.parquet"


def row(second: int, bid: str = "1155350", *, file: str = "a", line: int = 2) -> dict[str, Any]:
    at = datetime(2024, 4, 11, 17, 22, second, tzinfo=UTC)
    found = {"venue": "bitso", "market": "spot", "ts": at, "bid": Decimal(bid), "ask": Decimal("1157300.5")}
    return found | {"spread_pct": Decimal("0.168496"), "object": f"adopted/{file}", "line": line}


def merged(lake: Path, *rows: dict[str, Any]) -> Merged:
    return merge(IMPORTED_SPREADS, MONTH, rows, Files(lake), lake.parent)


def there(lake: Path) -> list[tuple[int, str, str, int]]:
    query = "SELECT second(ts AT TIME ZONE 'UTC'), bid::VARCHAR, object, line FROM read_parquet(?)"
    with duckdb.connect() as connection:
        return connection.execute(query, [str(lake / KEY)]).fetchall()


def test_rows_are_sorted_and_come_to_those_that_are_there(lake: Path):
    first = merged(lake, row(30, line=3), row(10, line=2))
    assert (first.rows, first.duplicates, first.conflicts) == (2, 0, [])
    second = merged(lake, row(20, file="b"))
    assert (second.rows, second.duplicates, second.conflicts) == (3, 0, [])
    price = "1155350.0000000000"
    assert there(lake) == [(10, price, "adopted/a", 2), (20, price, "adopted/b", 2), (30, price, "adopted/a", 3)]
    assert second.bytes == (lake / KEY).stat().st_size


def test_what_is_there_counts_and_another_one_of_its_time_is_a_copy_or_a_conflict(lake: Path):
    merged(lake, row(10), row(20))
    stamp = (lake / KEY).stat().st_mtime_ns
    found = merged(lake, row(10, file="b", line=7), row(20, "1155351", file="b"), row(20, file="b"))
    assert (found.rows, found.duplicates, found.conflicts) == (2, 2, [1])
    assert (lake / KEY).stat().st_mtime_ns == stamp
    assert [one[2] for one in there(lake)] == ["adopted/a"] * 2


def test_of_two_new_ones_the_first_counts(lake: Path):
    assert merged(lake, row(10, "1155350"), row(10, "1155352")).conflicts == [1]
    assert [one[1] for one in there(lake)] == ["1155350.0000000000"]


def test_the_columns_are_those_of_the_table_without_its_partitions(lake: Path):
    merged(lake, row(10))
    wanted = [column.name for column in IMPORTED_SPREADS.columns if column.name not in ("pair", "year", "month")]
    schema = pq.read_schema(lake / KEY)
    assert schema.names == wanted
    assert (str(schema.field("bid").type), str(schema.field("ts").type)) == ("decimal128(20, 10)", "timestamp[us, tz=UTC]")
