"""Small files joined and old ones removed, between batches and in the middle of them: no row is another one for it."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.landing import Files
from ingest.settings import Upkeep as UpkeepSettings
from jobs.queries import upkeep as upkeeps
from jobs.queries.trades import Trades
from jobs.queries.upkeep import Upkeep, hourly
from jobs.runtime.lake import Place
from tests.support.crash import Died, Steps, die
from tests.support.lines import Collector, put
from tests.support.stories import Story, second
from tests.support.tables import assert_tables

NOW = datetime(2026, 5, 20, tzinfo=UTC)


def made(query: Trades, lake: Path, *, keep: timedelta = timedelta(days=7), **chosen: Any) -> Upkeep:  # noqa: ANN401 - of Upkeep
    """The driver's upkeep; a file is one too many."""
    settings = UpkeepSettings(timedelta(minutes=1), timedelta(days=2), keep)
    chosen = {"tables": lambda: query.tables.all, "checkpoints": dict, "now": lambda: NOW, "crowd": 1} | chosen
    return Upkeep(query.tables.spark.newSession(), Place(str(lake), Files(lake)), settings, **chosen)


def files(lake: Path, table: str, pair: str = "pair=BTC-USDT") -> int:
    """On the disk."""
    return len(list((lake / "tables" / table / pair).rglob("*.parquet")))


def live_files(query: Trades) -> dict[str, int]:
    """That the tables' newest versions consist of."""
    return {live.table.name: len(live.read().inputFiles()) for live in query.tables.all}


def grow(story: Story, query: Trades, batches: int) -> None:
    """More batches of one trade a minute."""
    one = Collector("grow-1-1")
    for id_ in range(20, 20 + batches):
        story.batch(query, story.put(one.aggregate(id_, f"11:{id_}:00")))


@pytest.mark.long
def test_small_files_of_a_partition_are_joined_and_no_row_changes(story: Story):
    with story.driver() as query:
        query.start()
        grow(story, query, 3)
        before = live_files(query)
        told = made(query, story.lake).run()
        assert told["optimized_partitions"] == 2, "trades and minutes of one pair; the others have one file each"
        one_each = {"trades": 3, "quarantine": 0, "minute_aggregates": 3}
        assert live_files(query) == one_each != before
        assert made(query, story.lake).run()["optimized_partitions"] == 0
        story.batch(query, *second(story))
        query.close()
        assert_tables(query, story.oracle, open_too=True)
    with story.driver() as query:
        query.start()
        assert_tables(query, story.oracle, open_too=True)


@pytest.mark.long
def test_where_there_is_no_time_left_it_waits_for_the_next_run(story: Story):
    clock = count(0, 31)  # of a minute, the second look is the last one within
    with story.driver() as query:
        query.start()
        grow(story, query, 2)
        told = made(query, story.lake, clock=lambda: next(clock)).run()
        assert told == {
            "sealed_objects": 0, "archive_parts": 0, "damaged": 0, "optimized_partitions": 1, "vacuumed_tables": 0, "out_of_time": 1
        }  # fmt: skip
        assert made(query, story.lake).run()["optimized_partitions"] == 1


@pytest.mark.long
@pytest.mark.parametrize("point", ["after trades", "before minutes merge", "after minutes merge"])
def test_in_the_middle_of_a_batch_it_changes_nothing(story: Story, point: str):
    objects = second(story)
    with story.driver() as query:
        query.start()
        grow(story, query, 1)
        done: list[Mapping[str, int]] = []
        Steps(query, point, lambda: done.append(made(query, story.lake).run()))
        story.batch(query, *objects)
        assert done[0]["optimized_partitions"] >= 1
        query.close()
        assert_tables(query, story.oracle, open_too=True)


@pytest.mark.long
def test_a_death_after_it_in_the_middle_of_a_batch_is_mended_by_the_next_start(story: Story):
    objects = second(story)
    with story.driver() as query:
        query.start()

        def join_and_die() -> None:
            assert made(query, story.lake).run()["optimized_partitions"] >= 1
            die()

        Steps(query, "after trades", join_and_die)
        with pytest.raises(Died):
            story.batch(query, *objects)
    with story.driver() as query:
        query.start()
        query.batch(query.tables.frames(objects), 1, "test")
        query.close()
        assert_tables(query, story.oracle, open_too=True)


@pytest.mark.long
def test_files_that_no_late_version_needs_are_removed_once_a_day(story: Story):
    with story.driver() as query:
        query.start()
        grow(story, query, 3)
        stray = story.lake / "tables/trades/pair=BTC-USDT/year=2026/month=4/part-of-a-write-that-died.parquet"
        stray.write_bytes(b"half")
        two_hours_ago = time.time() - 2 * 3600
        os.utime(stray, (two_hours_ago, two_hours_ago))
        assert made(query, story.lake).run()["vacuumed_tables"] == 3
        joined = live_files(query)["trades"]
        assert files(story.lake, "trades", "") > joined + 1, "seven days are not over"
        soon = made(query, story.lake, keep=timedelta(), now=lambda: NOW + timedelta(hours=23))
        assert soon.run()["vacuumed_tables"] == 0
        made(query, story.lake, keep=timedelta(hours=1), now=lambda: NOW + timedelta(days=1)).run()
        assert (stray.exists(), files(story.lake, "trades", "") > joined) == (False, True), (
            "it is older than an hour, the others not"
        )
        later = made(query, story.lake, keep=timedelta(), now=lambda: NOW + timedelta(days=2))
        assert later.run()["vacuumed_tables"] == 3
        assert files(story.lake, "trades", "") == joined
        story.batch(query, *second(story))
        query.close()
        assert_tables(query, story.oracle, open_too=True)


class Kept:
    """An upkeep of which a test says what its runs do."""

    def __init__(self, spark: SparkSession, *runs: Callable[[], object]) -> None:
        self.spark, self.runs, self.made = spark, iter(runs), 0

    def wait(self) -> timedelta:
        return timedelta()

    def run(self) -> object:
        self.made += 1
        return next(self.runs)()


def fail() -> None:
    raise OSError("the store is away")


def test_a_run_that_fails_is_told_and_the_next_one_comes(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(upkeeps, "AFTER_FAILURE", timedelta())
    stop, measured, third = threading.Event(), [], threading.Event()

    def last() -> None:
        third.set()
        stop.wait()

    kept = Kept(spark, lambda: None, fail, last)
    with caplog.at_level(logging.ERROR), hourly(kept, lambda: measured.append(kept.made), stop):  # type: ignore[arg-type]  # stands in for it
        assert third.wait(30)
    assert (kept.made, measured[0]) == (3, 1)
    assert [record.message for record in caplog.records] == ["event=upkeep_failed"]


def test_who_is_asked_to_stop_does_not_wait_for_a_long_statement(spark: SparkSession):
    begun = threading.Event()

    def long_one() -> None:
        begun.set()
        spark.sql("SELECT count(*) FROM range(1000000000000000)").collect()

    with hourly(Kept(spark, long_one), lambda: None, threading.Event()):  # type: ignore[arg-type]  # stands in for it
        assert begun.wait(30)
    assert not [thread for thread in threading.enumerate() if thread.name == "upkeep"]


def test_the_next_run_is_an_hour_after_the_last_whoever_made_it(spark: SparkSession, lake: Path):
    times = [NOW, NOW + timedelta(minutes=20), NOW + timedelta(minutes=90)]

    def at(now: datetime) -> Upkeep:
        place = Place(str(lake), Files(lake))
        return Upkeep(spark.newSession(), place, UpkeepSettings(), list, dict, now=lambda: now)

    assert at(times[0]).wait() == timedelta(hours=1), "a lake's first driver does not begin with it"
    assert at(times[1]).wait() == timedelta(minutes=40)
    at(times[1]).run()
    assert at(times[2]).wait() == timedelta()
    assert at(times[1] + timedelta(minutes=1)).wait() == timedelta(minutes=59)


def test_only_closed_days_are_sealed_and_of_what_nobody_reads_by_age_alone(spark: SparkSession, lake: Path):
    days = ("2026-04-30", "2026-05-01")
    keys = [put(lake, [Collector().book("1", channel="diffs")], channel="diffs", day=day) for day in days]
    put(lake, [Collector().aggregate(1)])

    def left(now: datetime) -> list[str]:
        place = Place(str(lake), Files(lake))
        Upkeep(spark.newSession(), place, UpkeepSettings(), list, dict, now=lambda: now).run()
        return sorted(Files(lake).keys("landing/channel=diffs/"))

    assert left(datetime(2026, 5, 2, 23, 59, 59, tzinfo=UTC)) == keys
    assert left(datetime(2026, 5, 3, tzinfo=UTC)) == keys[1:]
    assert len(list(Files(lake).keys("landing/channel=trades/"))) == 1, "no query has read it"
