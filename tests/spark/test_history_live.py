"""What the live tables have of months that history has, or is to have; and what changed of the months that are published."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ingest.settings import Lake
from jobs.history import live
from jobs.history.files import Month
from jobs.runtime import history
from jobs.runtime.changes import At, there
from jobs.runtime.lake import Place, place
from jobs.tables import MINUTE_AGGREGATES, PUBLISHED, TRADES
from jobs.transforms.feeds import Feed
from jobs.transforms.published import Month as Published
from jobs.transforms.ranges import Mark, Range
from jobs.transforms.spans import month as span_of
from tests.support.bars import minute
from tests.support.ledgers import BITCOIN, trade
from tests.support.lines import micros, moment
from tests.support.stories import interpret
from tests.support.written import Row, Written, frame_of

FUTURES = ("binance", "usdm", "trade", "BTC-USDT")


@pytest.fixture(autouse=True)
def interpreted(spark: SparkSession) -> None:
    interpret(spark)


@pytest.fixture
def where(lake: Path) -> Place:
    return place(Lake(str(lake)))


def at(spark: SparkSession, where: Place, name: str) -> At:
    found = there(spark, where, name)
    assert found is not None
    return found


def of(month: int, series: Sequence[str] = BITCOIN, year: int = 2026) -> Month:
    return Month("trades", *series, year, month)


def trades(times: dict[int, datetime], series: tuple[str, str, str, str] = BITCOIN) -> list[Row]:
    return [trade(series, id_, ts=ts) for id_, ts in times.items()]


def test_ids_are_told_of_each_month_and_feed_for_itself(spark: SparkSession, where: Place, lake: Path):
    """The last of March and the first of April adjoin; the same ids of another market are its own; May was not asked for."""
    table = Written(spark, lake, TRADES)
    turn = moment("00:00:00", "2026-04-01")
    one = timedelta(microseconds=1)
    times = {7: turn - 9 * one, 8: turn - 2 * one, 9: turn - one, 10: turn, 11: turn + one, 14: turn + 2 * one}
    table.append(trades(times))
    table.append(trades({9: turn - one, 10: turn - one, 12: turn}, FUTURES))
    table.append(trades({15: moment("00:00:00", "2026-05-01")}))
    asked = [of(3), of(4), of(2), of(4, FUTURES)]
    found = live.ids(spark, where, asked, {"trades": at(spark, where, "trades")})
    assert {month: sorted(found.get(month, ())) for month in asked} == {
        of(3): [(7, 9)],
        of(4): [(10, 11), (14, 14)],
        of(2): [],
        of(4, FUTURES): [(12, 12)],
    }
    assert not any(month.month == 5 for month in found)
    assert live.ids(spark, where, asked, {}) == {}


def test_a_month_lacks_the_ids_of_the_live_table_that_its_rows_have_not(spark: SparkSession, where: Place, lake: Path):
    """The rows of another market have the id, and those of another month do not count; one that has them all is not told."""
    table = Written(spark, lake, TRADES)
    april, may = moment("10:00:00"), moment("10:00:00", "2026-05-01")
    table.append(trades(dict.fromkeys((1, 2, 3, 5), april) | dict.fromkeys((6, 9), may)))
    table.append(trades({1: april}, FUTURES))
    rows = frame_of(spark, TRADES, [*trades({1: april, 4: april, 9: may}), *trades({1: april, 2: april, 3: april}, FUTURES)])
    months = [of(4), of(4, FUTURES)]
    now = {"trades": at(spark, where, "trades")}
    said = "the live table has 3 ids that are not in it, such as 2"
    assert live.lacking(spark, where, now, rows, months) == {of(4): said}
    assert live.worse(of(4), [(2, 3), (5, 5)]) == said
    assert live.lacking(spark, where, now, rows, [*months, of(5)])[of(5)] == said.replace("3", "1").replace("2", "6")
    assert (live.lacking(spark, where, {}, rows, months), live.lacking(spark, where, now, rows, [])) == ({}, {})


def test_the_ends_of_a_month_are_those_of_the_live_table_unless_history_has_it(spark: SparkSession):
    """Ids need not rise with the time: an end has the least id, and the earliest time."""
    rows = [
        minute("10:00", 20, 29, day="2026-03-05"),
        minute("10:01", 5, 9, day="2026-03-05"),
        minute("10:02", 40, 44, day="2026-03-05"),
        minute("10:00", 50, 59, day="2026-04-01"),
        minute("10:00", 1, 2, day="2026-04-01", market="usdm"),
    ]
    found = live.ends(frame_of(spark, MINUTE_AGGREGATES, rows), [of(4), of(3, FUTURES)])

    def end(low: int, first: str, high: int, last: str, day: str) -> Range:
        return Range(low, high, Mark(low, micros(first, day)), Mark(high, micros(last, day)))

    assert found == {
        Feed(*BITCOIN): [end(5, "10:00:01", 44, "10:02:59", "2026-03-05")],
        Feed(*FUTURES): [end(1, "10:00:01", 2, "10:00:59", "2026-04-01")],
    }


def published(month: int, sha256: str, pair: str = "BTC-USDT", dataset: str = "trades", year: int = 2026) -> Row:
    one = Month(dataset, "binance", "spot", "trade", pair, year, month)
    key = dict(zip(("venue", "market", "feed", "pair", "year", "month"), one.values, strict=True))
    return dict.fromkeys(PUBLISHED.names) | {**key, "dataset": dataset, "object": one.key, "sha256": sha256}


def test_what_was_published_withdrawn_or_replaced_is_told_by_its_minutes(spark: SparkSession, where: Place, lake: Path):
    """February and March are others and adjoin, May is gone; of December 2025 nothing changed, and minutes are another table."""
    table = Written(spark, lake, PUBLISHED)
    table.append([published(12, "a", year=2025), published(2, "b"), published(5, "c"), published(1, "d", "ETH-USDT")])
    was = at(spark, where, "published")
    table.merge([published(2, "other"), published(3, "e"), published(6, "f", "SOL-USDT"), published(7, "g", dataset="klines")])
    table.delete("month = 5", [])
    now = at(spark, where, "published")
    assert history.since(spark, where, "trades", was, now) == {
        "BTC-USDT": [(span_of(2026, 2)[0], span_of(2026, 3)[1]), span_of(2026, 5)],
        "SOL-USDT": [span_of(2026, 6)],
    }
    assert history.since(spark, where, "trades", now, now) == {}
    assert history.objects(spark, where, "klines", now) == (
        history.Object(
            Published("binance", "spot", "trade", "BTC-USDT", 2026, 7), published(7, "", dataset="klines")["object"], "g"
        ),
    )


def test_history_takes_the_place_of_the_live_rows_of_its_months(spark: SparkSession, where: Place, lake: Path):
    """Of April history has 1 and 2, the live table 2 and 3, and 4 in May; another market's April is live alone."""
    april, may = moment("10:00:00"), moment("10:00:00", "2026-05-01")
    of_file = trades({1: april, 2: april})
    frame_of(spark, TRADES, of_file).coalesce(1).write.partitionBy("pair", "year", "month").parquet(f"{lake}/history/trades")
    (written,) = (lake / "history/trades").rglob("*.parquet")
    Written(spark, lake, PUBLISHED).append([published(4, "a") | {"object": str(written.relative_to(lake))}])
    versions = at(spark, where, "published")

    def ids(live: At | None, of: At | None) -> list[tuple[str, int, int]]:
        found = history.both(spark, where, "trades", live, of)
        assert found.columns == TRADES.names
        return sorted((row["market"], row["trade_id"], row["month"]) for row in found.collect())

    assert ids(None, versions) == [("spot", 1, 4), ("spot", 2, 4)]
    table = Written(spark, lake, TRADES)
    table.append(trades({2: april, 3: april, 4: may}))
    table.append(trades({3: april}, FUTURES))
    now = at(spark, where, "trades")
    assert ids(now, versions) == [("spot", 1, 4), ("spot", 2, 4), ("spot", 4, 5), ("usdm", 3, 4)]
    assert ids(now, None) == [("spot", 2, 4), ("spot", 3, 4), ("spot", 4, 5), ("usdm", 3, 4)]
    assert ids(None, None) == []
