"""The job as it runs: a real streaming query over a growing landing zone, with `--once`, through restarts, losses and damage."""

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.landing import Files
from jobs.queries.trades import Trades
from jobs.runtime import lake as lakes
from jobs.runtime.lake import LakeError
from jobs.runtime.lease import Lease
from jobs.runtime.live import Live, TableError
from jobs.tables import LIVE
from jobs.tables.table import Column
from tests.support import readers
from tests.support.lines import Collector, landed
from tests.support.oracle import Oracle
from tests.support.runs import assert_lake, once
from tests.support.tables import PLACE, assert_rows, rows_of
from tests.support.taking import land

COMMITS = "checkpoints/trades/1/commits"


pytestmark = pytest.mark.usefixtures("signals")


@pytest.fixture(scope="module")
def grown(
    spark: SparkSession,  # noqa: ARG001 - the job takes the session that there is
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Oracle]:
    """A lake after two runs over a growing landing zone, and what it must hold."""
    lake = tmp_path_factory.mktemp("grown") / "lake"
    lake.mkdir()
    one, two = Collector("one"), Collector("two")
    first = dict([landed([one.aggregate(id_, f"10:0{id_}:00", "0.00001234", "7") for id_ in (1, 2, 3)])])
    second = dict(
        [
            landed([two.aggregate(id_, f"10:0{id_}:30", taker="sell") for id_ in (3, 4, 6)]),
            landed([two.bitso([5, 9], "10:00:00"), b"half a line\n"], venue="bitso"),
        ]
    )
    beside = dict(
        [
            landed([one.book("100")], channel="books"),
            landed([one.event("start"), one.listing("BTC")], channel="events"),
            landed([one.candle()], channel="klines"),
        ]
    )
    oracle = Oracle()
    for objects, others in ((first, {}), (second, beside)):
        land(lake, objects | others)
        oracle.batch(objects)
        once(lake)
    return lake, oracle


def test_what_landed_between_two_runs_is_taken_by_the_second(spark: SparkSession, grown: tuple[Path, Oracle]):
    lake, oracle = grown
    assert_lake(spark, lake, oracle)
    assert {"0", "1"} <= {path.name for path in (lake / COMMITS).iterdir()}


@pytest.mark.long
def test_a_lost_commit_file_and_then_a_lost_checkpoint_change_nothing(spark: SparkSession, grown: tuple[Path, Oracle]):
    lake, oracle = grown
    for name in ("1", ".1.crc"):
        (lake / COMMITS / name).unlink()
    assert once(lake)["batches"] == 1, "the batch came again"
    assert_lake(spark, lake, oracle)
    shutil.rmtree(lake / "checkpoints")
    assert once(lake)["items"] == 9, "everything came again"
    assert_lake(spark, lake, oracle)


@pytest.mark.parametrize("name", LIVE)
@pytest.mark.parametrize("reader", [readers.delta_rs, readers.duckdb_files])
def test_other_readers_see_the_same_types_and_values(spark: SparkSession, grown: tuple[Path, Oracle], reader, name: str):
    path, table = grown[0] / "tables" / name, LIVE[name]
    types, rows = reader(path, table)
    assert types == readers.types(table, hive=reader is readers.duckdb_files)
    expected = rows_of(spark.read.format("delta").load(str(path)))
    assert_rows(rows, expected, PLACE if name == "quarantine" else table.key)
    assert expected


def leaves(column: Column) -> list[tuple[str, str]]:
    """What of a column stands in a parquet file by itself."""
    inside = re.findall(r"(\w+): (\w+\([\d,]+\))", column.type)
    return inside or [(column.name, column.type)]


@pytest.mark.parametrize("name", LIVE)
def test_every_reader_can_read_the_tables(grown: tuple[Path, Oracle], name: str):
    path = grown[0] / "tables" / name
    assert readers.protocol(path) == (1, 2)
    for column in LIVE[name].columns:
        if column.name in LIVE[name].partitioned_by:
            continue
        for leaf, type_ in leaves(column):
            physical, converted, precision, scale = readers.parquet_types(path)[leaf]
            if type_ == "TIMESTAMP":
                assert (physical, converted) == ("INT64", "TIMESTAMP_MICROS")
            if type_.startswith("DECIMAL"):
                assert (converted, f"DECIMAL({precision},{scale})") == ("DECIMAL", type_)


def test_damaged_objects_are_mended_and_the_stream_goes_on(spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch):
    """In the second batch, whose log Spark writes together with the first one's: as it does with every tenth."""
    spark.conf.set("spark.sql.streaming.fileSource.log.compactInterval", "2")
    one = Collector()
    first = dict([landed([one.aggregate(1)])])
    land(lake, first)
    oracle = Oracle()
    oracle.batch(first)
    once(lake)
    whole = [
        landed([one.aggregate(id_, f"10:0{id_ % 10}:00") for id_ in ids], text_limit=700)
        for ids in ((2, 3, 4), (5, 6, 7), (8, 9))
    ]
    (cut, cut_data), (flipped, flipped_data), (vanished, vanished_data) = whole
    good = landed([one.aggregate(10, "10:12:00")])
    damaged = {cut: cut_data[:-20], flipped: flipped_data[:60] + bytes([flipped_data[60] ^ 4]) + flipped_data[61:], vanished: b""}
    books, books_data = landed([one.book("100"), one.book("101", "10:00:10")], channel="books")
    land(lake, dict([good, (vanished, vanished_data), (books, books_data[:-20])]) | {key: damaged[key] for key in (cut, flipped)})
    damaged[books] = books_data[:-20]
    taken = Trades.batch

    def batch(query: Trades, *arguments: object) -> Mapping[str, Any]:
        for path in tries.pop():
            path.unlink()  # after it was listed, before it is read
        return taken(query, *arguments)

    tries = [[], [lake / vanished]]
    with monkeypatch.context() as patch:
        patch.setattr(Trades, "batch", batch)
        summary = once(lake)
    assert (summary["batches"], summary["order_books"]) == (2, 1)
    oracle.batch({key: (lake / key).read_bytes() for key in (cut, flipped, vanished, good[0])})
    assert_lake(spark, lake, oracle)
    assert {row["trade_id"] for row in oracle.trades} >= {1, 2, 3, 10}
    corrupt = rows_of(spark.read.format("delta").load(f"{lake}/tables/quarantine").where("reason = 'object_corrupt'"))
    nothing = dict.fromkeys(LIVE["quarantine"].names) | {
        "reason": "object_corrupt",
        "year": 2026,
        "month": 4,
    }
    sha = {key: hashlib.sha256(data).hexdigest() for key, data in damaged.items()}
    assert {row["object"]: row | {"detail": None} for row in corrupt} == {
        key: nothing | {"object": key, "line_sha256": sha[key], "channel": "books" if key == books else "trades"}
        for key in damaged
    }
    assert len(corrupt) == 4
    aside = {key: (lake / "damaged" / key.removeprefix("landing/")).read_bytes() for key in damaged}
    assert aside == damaged


def test_a_lake_of_a_newer_layout_is_refused(lake: Path):
    Files(lake).create("control/lake.json", b'{"layout": 2}')
    with pytest.raises(LakeError, match="the lake's layout is 2; this program knows 1: use the ticklake that wrote it"):
        once(lake)


def opened(spark: SparkSession, lake: Path) -> Live:
    store = Files(lake)
    lease = Lease(store, "stream", "test", ttl=3600)
    lease.epoch = 1
    live = Live(spark, store, lease, LIVE["trades"], f"{lake}/tables/trades")
    lease.renewed = lease.clock()
    live.open()
    return live


def test_a_checkpoint_with_history_that_is_not_the_tables_is_refused(spark: SparkSession, grown: tuple[Path, Oracle], lake: Path):
    shutil.copytree(grown[0] / "tables", lake / "tables")
    shutil.copytree(grown[0] / "checkpoints", lake / "checkpoints")
    assert lakes.checkpoint(opened(spark, lake), "trades")[0] == "checkpoints/trades/1"
    (lake / "checkpoints/trades/1/metadata").write_text('{"id": "another"}')
    with pytest.raises(TableError, match="checkpoints/trades/1 belongs to query another, but the table belongs to query"):
        lakes.checkpoint(opened(spark, lake), "trades")
    spark.sql(f"ALTER TABLE delta.`{lake}/tables/trades` UNSET TBLPROPERTIES ('ticklake.checkpoint.trades')")
    with pytest.raises(TableError, match="but the table does not know it: put the right tables back, or remove the checkpoint"):
        lakes.checkpoint(opened(spark, lake), "trades")
    shutil.rmtree(lake / "checkpoints")
    assert lakes.checkpoint(opened(spark, lake), "trades")[0] == "checkpoints/trades/1"
