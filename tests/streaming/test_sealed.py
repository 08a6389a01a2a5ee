"""Closed days leave the landing zone, and whoever needs them again finds them: the stream, a replay, a rebuild."""

import json
import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ingest.landing import Files
from jobs import rebuild
from jobs.queries import recovery
from jobs.runtime import archive
from jobs.runtime.live import TableError
from tests.support.lines import Collector, landed
from tests.support.oracle import Oracle
from tests.support.runs import assert_lake, kept_up, once
from tests.support.taking import land

pytestmark = pytest.mark.usefixtures("signals")


def left(lake: Path, channel: str = "trades") -> list[str]:
    return sorted(Files(lake).keys(f"landing/channel={channel}/"))


def forget_commit(lake: Path, number: int) -> None:
    """So that the batch comes again."""
    for name in (f"{number}", f".{number}.crc"):
        (lake / "checkpoints/trades/1/commits" / name).unlink()


def told(lake: Path, oracle: Oracle, objects: dict[str, bytes]) -> list[str]:
    """A batch, lands and is taken; its keys."""
    land(lake, objects)
    oracle.batch(objects)
    once(lake)
    return sorted(objects)


def batches(lake: Path, oracle: Oracle) -> list[list[str]]:
    """Three, of two venues; the second has lines that cannot be read, one of them no envelope, and a diff that nobody reads."""
    one, two = Collector("one"), Collector("two")
    first = dict([landed([one.aggregate(id_, f"10:0{id_}:00") for id_ in (1, 2, 3)])])
    second = dict(
        [
            landed([two.aggregate(id_, f"10:0{id_}:30", taker="sell") for id_ in (3, 4, 6)]),
            landed([two.bitso([5, 9], "10:00:00"), b"half a line\n"], venue="bitso"),
        ]
    )
    diff = dict([landed([one.book("1", channel="diffs", kind="book_diff")], channel="diffs")])
    land(lake, diff)
    return [told(lake, oracle, first), told(lake, oracle, second)]


@pytest.mark.long
def test_closed_days_are_sealed_and_a_rebuild_makes_the_same_of_them(spark: SparkSession, lake: Path):
    oracle = Oracle()
    first, second = batches(lake, oracle)
    summary = kept_up(lake)
    assert {name: summary[name] for name in ("sealed_objects", "archive_parts", "damaged", "vacuumed_tables", "out_of_time")} == {
        "sealed_objects": 2,
        "archive_parts": 2,
        "damaged": 0,
        "vacuumed_tables": 3,
        "out_of_time": 0,
    }
    assert (left(lake), left(lake, "diffs")) == (second, []), "the newest batch may come again"
    assert sorted(archive.archived(Files(lake), "trades")) == first
    third = told(lake, oracle, dict([landed([Collector("three").aggregate(5, "10:05:00")])]))
    assert_lake(spark, lake, oracle)
    assert kept_up(lake)["sealed_objects"] == 2
    assert left(lake) == third
    conf = lake.parent / "conf.yaml"
    conf.write_text(f"lake: {lake}\ningest: {{collector: test}}\n")
    assert rebuild.main(["--conf", str(conf), "--table", "trades", "--run", "again"]) == 0
    made = json.loads((lake / "control/runs/rebuild/again.json").read_text())
    assert (made["objects"], made["rows"]) == (4, len(oracle.trades))
    once(lake)  # it closes the open minutes
    assert_lake(spark, lake, oracle)
    assert (left(lake), list((lake / "rebuild").rglob("*.gz"))) == (third, [])


@pytest.mark.long
def test_a_batch_that_comes_again_has_its_objects_brought_back(spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch):
    oracle = Oracle()
    _, second = batches(lake, oracle)
    archive.seal(Files(lake), second, stopping=lambda: False)
    forget_commit(lake, 1)
    assert once(lake)["batches"] == 1
    assert set(left(lake)) >= set(second)
    assert_lake(spark, lake, oracle)
    assert spark.read.format("delta").load(f"{lake}/tables/quarantine").where("reason = 'object_corrupt'").count() == 0

    (gone,) = told(lake, oracle, dict([landed([Collector("three").aggregate(5, "10:05:00")])]))
    (lake / gone).unlink()
    forget_commit(lake, 2)
    assert once(lake)["batches"] == 1
    assert_lake(spark, lake, oracle)
    quarantine = spark.read.format("delta").load(f"{lake}/tables/quarantine").where("reason = 'object_corrupt'")
    assert [(row["object"], row["detail"]) for row in quarantine.collect()] == [
        (gone, "vanished; 0 lines kept; the original is gone")
    ]

    monkeypatch.setattr(recovery, "MOST", 3)  # there are four
    fourth = told(lake, oracle, dict([landed([Collector("four").aggregate(7, "10:07:00")])]))
    assert left(lake) == fourth
    assert max((lake / "checkpoints/trades").iterdir()).name == "2"
    assert_lake(spark, lake, oracle)

    shutil.rmtree(lake / "tables")
    shutil.rmtree(lake / "checkpoints")
    shutil.rmtree(lake / "control/progress")
    with pytest.raises(TableError, match="tables/trades is new, but the archive has days of trades that landed before: "):
        once(lake)
