"""A table of many trades before the first batch: made by DuckDB, once a size, and registered as one version of the table."""

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from jobs.queries.live_tables import LiveTables
from jobs.runtime.progress import Progress
from jobs.tables.trades import TRADES
from jobs.transforms.feeds import Feed, Known, State
from jobs.transforms.ranges import MINUTE, Mark, Range, Ranges
from jobs.transforms.spans import minute_of, month
from tests.benchmarks import data
from tests.benchmarks.costs.landing import FILLS, KIND, MARKET, START, VENUE, names
from tests.benchmarks.submit import CORES

FORMAT = 1  # of what is kept
STEP = 2_500_000  # microseconds between two trades of a pair: 100 million of four pairs are two years
FILE_ROWS = 2_000_000  # at most: some 80 MB
FILE_BYTES = 128_000_000
ADDS = "adds.jsonl"
# without the columns that the folders say; ids and times as `landing` goes on with them
ROWS = f"""
    SELECT
        '{VENUE}' AS venue, '{MARKET}' AS market, '{KIND}' AS feed,
        id AS trade_id, {FILLS} * id AS first_id, {FILLS} * id + {FILLS - 1} AS last_id, price, quantity,
        (price * quantity)::DECIMAL(38, 18) AS quote_quantity, CASE WHEN hash(id) % 2 = 0 THEN 'sell' ELSE 'buy' END AS taker_side,
        make_timestamptz(us) AS ts, make_timestamptz(us + 4_000) AS event_ts,
        make_timestamptz(us + 30_000 + (hash(id) % 9_000)::BIGINT) AS recv_ts,
        'ws' AS source, 'landing/channel=trades/venue={VENUE}/market={MARKET}/' || us // 3_600_000_000 || '-bench.jsonl.gz' AS object,
        'bench-' || us // 86_400_000_000 AS conn, id AS seq, 0::INTEGER AS item
    FROM (
        SELECT
            id, {START} - ($last - id + 1) * {STEP} AS us,
            (2_500 + (hash(id // 50) % 5_000 + id % 7)::DECIMAL(18, 0) * 0.01::DECIMAL(3, 2))::DECIMAL(20, 10) AS price,
            ((1 + hash(id, 1) % 90_000)::DECIMAL(18, 0) * 0.00001::DECIMAL(6, 5))::DECIMAL(22, 8) AS quantity
        FROM (SELECT unnest(range($low, $high + 1)) AS id)
    )
"""  # noqa: S608 - our own names


def table(rows: int, pairs: int) -> Path:
    """The files and what the log is to say of them, from the cache."""
    folder = data.CACHE / f"table-{FORMAT}-{rows}-{pairs}"
    if not folder.exists():
        data.CACHE.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=data.CACHE, prefix="part-"))
        try:
            connection = duckdb.connect(config={"threads": CORES})
            connection.execute("SET TimeZone = 'UTC'")
            adds = [
                _written(connection, part, pair, *ids, last=rows // pairs)
                for pair in names(pairs)
                for ids in _files(rows // pairs)
            ]
            connection.close()
            (part / ADDS).write_text("".join(f"{json.dumps(add)}\n" for add in adds), encoding="utf-8")
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def lay(folder: Path, tables: LiveTables, progress: Progress) -> None:
    """Register the files as version 1 of the trades, and write the progress of the driver that would have brought them."""
    tables.open()
    trades = tables.trades
    adds = [json.loads(line) for line in (folder / ADDS).read_text(encoding="utf-8").splitlines()]
    for add in adds:
        path = Path(trades.path, add["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / add["path"], path)
    told = {"commit": uuid.uuid4().hex, "epoch": trades.lease.epoch}
    info = {"timestamp": START // 1000, "operation": "WRITE", "operationParameters": {}, "userMetadata": json.dumps(told)}
    actions = [{"commitInfo": info}, *({"add": add} for add in adds)]
    text = "".join(f"{json.dumps(action)}\n" for action in actions)
    assert trades.version == 0, f"{trades.path}: version {trades.version}"
    assert trades.store.create(f"tables/{trades.table.name}/_delta_log/{1:020}.json", text.encode())
    trades.open()
    assert trades.version == 1, f"{trades.path}: version {trades.version}"
    progress.save(_state(adds), *tables.all, force=True)


def _files(last: int) -> Iterator[tuple[int, int]]:
    """First and last id of each file, from 1 on: none holds trades of two months."""
    low = 1
    while low <= last:
        day = _time(low, last)
        end = (month(day.year, day.month)[1] + 1) * MINUTE  # where the next month begins
        high = min(last, last - (START - end) // STEP if end < START else last, low + FILE_ROWS - 1)
        yield low, high
        low = high + 1


def _written(
    connection: duckdb.DuckDBPyConnection, folder: Path, pair: str, low: int, high: int, *, last: int
) -> Mapping[str, Any]:
    """The `add` action of a file."""
    first, newest = _time(low, last), _time(high, last)
    ends: Mapping[str, tuple[int | datetime, int | datetime]] = {"trade_id": (low, high), "ts": (first, newest)}
    year, number = first.year, first.month
    name = f"pair={pair}/year={year}/month={number}/{low}.parquet"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ROWS.replace("$low", str(low)).replace("$high", str(high)).replace("$last", str(last))
    connection.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    size = path.stat().st_size
    assert size <= FILE_BYTES, f"{path}: {size} bytes"
    stats = {
        "numRecords": high - low + 1,
        "minValues": {column: _told(ends[column][0]) for column in TRADES.skipping},
        "maxValues": {column: _told(ends[column][1]) for column in TRADES.skipping},
        "nullCount": dict.fromkeys(TRADES.skipping, 0),
    }
    return {
        "path": name,
        "partitionValues": {"pair": pair, "year": str(year), "month": str(number)},
        "size": size,
        "modificationTime": START // 1000,
        "dataChange": True,
        "stats": json.dumps(stats),
    }


def _state(adds: list[Mapping[str, Any]]) -> State:
    """What a driver knows that committed these files: of each pair every id from 1 on."""
    last: dict[str, int] = {}
    for add in adds:
        pair = add["partitionValues"]["pair"]
        last[pair] = max(last.get(pair, 0), json.loads(add["stats"])["maxValues"]["trade_id"])
    state = {}
    for pair, high in last.items():
        first, newest = (int((_time(id_, high) - EPOCH) / timedelta(microseconds=1)) for id_ in (1, high))
        known = Ranges([Range(1, high, Mark(1, first), Mark(high, newest))])
        state[Feed(VENUE, MARKET, KIND, pair)] = Known(known, minute_of(_time(high, high)), high)
    return state


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _time(id_: int, last: int) -> datetime:
    """Of a trade, where `last` is the pair's last one."""
    return EPOCH + timedelta(microseconds=START - (last - id_ + 1) * STEP)


def _told(value: int | datetime) -> int | str:
    """As Delta's statistics write it: in milliseconds, which all these times are."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z" if isinstance(value, datetime) else value
