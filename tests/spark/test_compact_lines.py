"""Files of lines become history: the rows that the stream would make of the same lines, a month at a time."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from jobs.tables.trades import TRADES
from tests.support.inbox import Inbox
from tests.support.items import items_of
from tests.support.lines import Collector, put
from tests.support.oracle import minutes
from tests.support.stream import driver, take
from tests.support.tables import assert_rows, rows_of

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
RECEIVED = 1_780_000_000_000_000
COINBASE = {
    "venue": "coinbase",
    "kind": "trade",
    "pair": "BTC-USD",
    "source": "rest",
    "stream": "/products/BTC-USD/trades?limit=1000",
}
BITSO = {"venue": "bitso", "kind": "trade", "pair": "BTC-MXN", "source": "rest", "stream": "/api/v3/trades?book=btc_mxn"}


@pytest.fixture
def there(spark: SparkSession, lake: Path) -> Inbox:
    return Inbox(spark, lake)


def file(lake: Path, lines: Sequence[bytes], first: str, last: str, of: Mapping[str, Any] = COINBASE) -> tuple[str, bytes]:
    """Lines in the inbox, with their checksum; the key."""
    text = b"".join(lines)
    name = f"{first}_{last}_{hashlib.sha256(text).hexdigest()[:12]}.jsonl.gz"
    key = f"inbox/{of['venue']}/spot/lines/{of['kind']}/{of['pair']}/{name}"
    path, data = lake / key, gzip.compress(text, mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    Path(f"{path}.CHECKSUM").write_text(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
    return key, data


def told(id_: int, at: datetime, price: str = "100.5") -> dict[str, Any]:
    """A trade as Coinbase's REST tells it."""
    side = "sell" if id_ % 2 else "buy"
    return {"trade_id": id_, "side": side, "size": "0.25", "price": price, "time": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"}


def mexican(id_: int, at: datetime, price: str = "1200000") -> dict[str, Any]:
    when = f"{at:%Y-%m-%dT%H:%M:%S}+00:00"
    return {"book": "btc_mxn", "created_at": when, "amount": "0.5", "maker_side": "buy", "price": price, "tid": id_}


def history(there: Inbox, dataset: str = "trades") -> list[dict[str, Any]]:
    found = rows_of(there.spark.read.option("mergeSchema", "true").parquet(f"{there.lake}/history/{dataset}"))
    return [{**row, "pair": str(row["pair"])} for row in found]


def check(there: Inbox, files: Mapping[str, bytes], *unfit: int) -> list[dict[str, Any]]:
    """Trades and minutes are those of the plain computation; the rows."""
    told = [item for key, data in files.items() for item in items_of(key, gzip.decompress(data), EXCHANGES)]
    expected: dict[int, dict[str, Any]] = {}
    for item in sorted(
        (one for one in told if one.reason is None and one.columns["trade_id"] not in unfit), key=lambda one: one.arrival
    ):
        at = item.columns["ts"]
        whole = {**item.columns, "year": at.year, "month": at.month}
        expected.setdefault(whole["trade_id"], {name: whole[name] for name in TRADES.names})
    found = history(there)
    assert_rows([{name: row[name] for name in TRADES.names} for row in found], expected.values(), TRADES.key)
    kept = [{name: value for name, value in row.items() if name != "updated_at"} for row in history(there, "minute_aggregates")]
    seen = {item.columns["trade_id"] for item in told if item.reason == "void"}
    assert_rows(kept, minutes(expected.values(), seen, EXCHANGES), ("pair", "minute"))
    return found


def test_pages_become_months_each_trade_once(there: Inbox):
    """Two files, which share a page's end and a month's turn; a trade told twice, one told otherwise, one that cannot be read, a hole."""
    one = Collector("c-1-1")
    times = {id_: NEW_YEAR + timedelta(seconds=20 * (id_ - 10)) for id_ in range(1, 40)}
    pages = [
        [told(id_, times[id_]) for id_ in (5, 4, 3, 2, 1)],
        [told(9, times[9]), told(8, times[8], price="1.00000000001"), told(6, times[6]), told(5, times[5])],
        [told(id_, times[id_]) for id_ in range(14, 8, -1)],
        [told(20, times[20], price="0"), told(17, times[17]), told(16, times[16]), told(14, times[14], price="7")],
    ]
    lines = [one.line(page, received=RECEIVED + n, **COINBASE) for n, page in enumerate(pages)]
    first = file(there.lake, lines[:3], "2025-12-31", "2026-01-01")
    second = file(there.lake, lines[3:], "2026-01-01", "2026-01-01")
    summary = there.run()
    assert {name: summary[name] for name in ("months", "published", "rows", "rejected", "refused")} == {
        "months": 2,
        "published": 2,
        "rows": 14,
        "rejected": 3,
        "refused": 0,
    }
    found = check(there, dict([first, second]), 8)  # a price of eleven decimals, as the oracle would take it
    assert sorted((row["trade_id"], row["month"]) for row in found) == [
        *((id_, 12) for id_ in (1, 2, 3, 4, 5, 6, 9)),
        *((id_, 1) for id_ in (10, 11, 12, 13, 14, 16, 17)),
    ]
    rows = [row for row in there.table("published", "year") if row["dataset"] == "trades"]
    names = ("month", "rows", "first_id", "last_id", "missing", "duplicates")
    assert [tuple(row[name] for name in names) for row in rows] == [(12, 7, 1, 9, 2, 2), (1, 7, 10, 17, 3, 0)]
    rejects = [(row["line"], row["item"], row["trade_id"], row["reason"]) for row in there.table("rejects", "line", "item")]
    assert rejects == [(2, 1, None, "price"), (4, 0, 20, "void"), (4, 3, None, "conflict")]
    assert there.run() == there.told(2)

    third = file(there.lake, [one.line([told(15, times[15])], received=RECEIVED + 9, **COINBASE)], "2026-01-01", "2026-01-01")
    again = there.run()  # January alone; the first file has days of December, too
    assert (again["published"], again["rows"], again["refused"]) == (1, 8, 0)
    check(there, dict([first, second, third]), 8)
    assert [
        (row["line"], row["item"], row["trade_id"], row["reason"]) for row in there.table("rejects", "line", "item")
    ] == rejects


@pytest.mark.long
def test_where_ids_are_not_dense_nothing_is_said_of_holes_and_live_trades_are_looked_for_by_name(there: Inbox):
    one = Collector("c-1-1")
    page = [mexican(id_, NEW_YEAR + timedelta(seconds=id_)) for id_ in (90, 70, 10)]
    body = {"success": True, "payload": page}
    key, data = file(there.lake, [one.line(body, received=RECEIVED, **BITSO)], "2026-01-01", "2026-01-01", BITSO)
    assert there.run()["published"] == 1
    check(there, {key: data})
    trades = [row for row in there.table("published", "dataset") if row["dataset"] == "trades"]
    assert [(row["missing"], row["runs"], row["rows"]) for row in trades] == [(None, None, 3)]
    assert {row["is_complete"] for row in history(there, "minute_aggregates")} == {None}
    with driver(there.spark, there.lake) as query:
        query.start()
        take(query, [put(there.lake, [Collector("d-1-1").bitso([70, 80], "00:01:10", day="2026-01-01")], venue="bitso")])
        query.close()
    found = there.run()
    why = "the live table has 1 ids that are not in it, such as 80"
    name = "history/trades/pair=BTC-MXN/year=2026/month=1/bitso-spot-trade.parquet"
    assert (found["withdrawn"], found["refusals"]) == (1, [f"{name}: withdrawn, for {why}"])
    assert there.run() == there.told(1, refused=1, refusals=[f"{name}: {why}"])


def test_a_file_of_lines_that_is_not_its_checksum_is_refused_with_its_months(there: Inbox):
    line = Collector("c-1-1").line([told(1, NEW_YEAR)], received=RECEIVED, **COINBASE)
    key, _ = file(there.lake, [line], "2025-12-31", "2026-01-01")
    Path(f"{there.lake / key}.CHECKSUM").write_text("0" * 64 + "  x\n")
    found = there.run()
    assert (found["published"], found["refused"]) == (0, 2)
    assert [row["verdict"] for row in there.table("loads", "object")] == ["checksum"] * 2  # a row a month
