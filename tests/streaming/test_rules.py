"""Each rule of the stream by the shortest story that needs it. All stories are told at once, each with a pair of its own.

Three batches of one driver, two open minutes closed after the first. Then another driver: two of them again, and a fourth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.transforms.feeds import Feed
from tests.support.crash import Steps
from tests.support.lines import DAY, Collector, micros
from tests.support.stories import BEFORE, Story, interpret
from tests.support.stream import take
from tests.support.tables import assert_tables, rows_of

HUGE = ("VAST-USDT", "HUGE-USDT")


def trade(c: Collector, pair: str, id_: int, at: str, price: str = "10", *, day: str = DAY) -> bytes:
    return c.aggregate(id_, at, price, pair=pair, day=day)


def void(c: Collector, pair: str, id_: int, at: str) -> bytes:
    return c.aggregate(id_, at, "0", fills=(-1, -1), pair=pair)


def bitso(c: Collector, pair: str, id_: int, at: str, price: str = "10") -> bytes:
    """A trade of a venue whose ids are not dense."""
    ts = micros(at)
    item = {"i": id_, "a": "0.5", "r": price, "v": "1", "t": 0, "x": ts // 1000}
    frame = {"type": "trades", "book": "x", "payload": [item], "sent": ts // 1000}
    return c.line(frame, received=ts + 1_000_000, venue="bitso", kind="trade", pair=pair)


def batches(c: Collector) -> list[list[bytes]]:
    first = [
        trade(c, "END-USDT", 11, "10:01:00"),
        trade(c, "END-USDT", 12, "10:00:30"),
        trade(c, "GONE-USDT", 9, "10:04:00"),
        trade(c, "GONE-USDT", 11, "10:04:30"),
        trade(c, "GONE-USDT", 12, "10:05:00"),
        trade(c, "TOP-USDT", 1, "10:01:00"),
        trade(c, "SHUT-USDT", 8, "10:01:00"),
        trade(c, "VOID-USDT", 11, "10:00:00"),
        trade(c, "VOID-USDT", 13, "10:01:00"),
        trade(c, "VOID-USDT", 14, "10:02:00"),
        trade(c, "AWAY-USDT", 14, "10:04:00"),
        void(c, "AWAY-USDT", 13, "10:03:00"),
        trade(c, "TWICE-USDT", 1, "10:00:00", "10"),
        trade(c, "TWICE-USDT", 1, "10:00:00", "10"),
        trade(c, "TWICE-USDT", 1, "10:00:00", "11"),
        trade(c, "OPEN-USDT", 1, "10:00:00"),
        # neither is an id reset: nothing was known when they came
        *(trade(c, "RESET-USDT", id_, "10:00:00") for id_ in range(200_000, 201_000)),
        trade(c, "RESET-USDT", 50, "11:30:00"),
        bitso(c, "FAR-MXN", 23, "10:17:00"),
        bitso(c, "WIDE-MXN", 10, "10:01:00"),
        bitso(c, "WIDE-MXN", 30, "10:03:00"),
    ]
    second = [
        trade(c, "END-USDT", 13, "10:07:00"),
        trade(c, "GONE-USDT", 10, "10:06:00"),
        trade(c, "GONE-USDT", 5, "10:02:00"),
        trade(c, "TOP-USDT", 2, "10:01:40"),
        trade(c, "TOP-USDT", 3, "10:02:00"),
        trade(c, "SHUT-USDT", 9, "10:23:00"),
        void(c, "VOID-USDT", 12, "10:00:30"),
        trade(c, "AWAY-USDT", 14, "10:09:00"),
        trade(c, "AWAY-USDT", 13, "10:03:00"),
        trade(c, "LATE-USDT", 8, "10:00:00"),
        trade(c, "OPEN-USDT", 2, "10:00:30"),
        *(c.aggregate(id_, "10:00:00", "9000000000", "10000000000", pair=pair) for id_ in (1, 2) for pair in HUGE),
        trade(c, "VAST-USDT", 3, "10:01:00"),
        trade(c, "RESET-USDT", 60, "11:40:00"),
        bitso(c, "FAR-MXN", 23, "10:16:00"),
        bitso(c, "FAR-MXN", 40, "10:20:00"),
        bitso(c, "FAR-MXN", 40, "10:22:00"),
        bitso(c, "FAR-MXN", 41, "10:25:00"),
        bitso(c, "WIDE-MXN", 10, "10:02:00"),
        bitso(c, "WIDE-MXN", 20, "10:02:30"),
        bitso(c, "WIDE-MXN", 20, "10:02:30"),
    ]
    third = [
        trade(c, "LATE-USDT", 6, "10:00:00", day=BEFORE),
        trade(c, "LATE-USDT", 6, "10:05:00", day=BEFORE),
        trade(c, "LATE-USDT", 7, "23:59:00", day=BEFORE),
        trade(c, "LATE-USDT", 9, "10:01:00"),
    ]
    fourth = [trade(c, "OPEN-USDT", 3, "10:05:00"), trade(c, "HUGE-USDT", 3, "10:01:00")]
    return [first, second, third, fourth]


@dataclass
class Told:
    """What came of the stories."""

    minutes: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    records: list[dict[str, Any]]
    unfit: list[int]
    steps: list[str]

    def of(self, pair: str) -> list[tuple[str, int, int | None, bool | None, int]]:
        """(minute, ids, missing, complete, closed) of a pair; the day where it is the one before."""
        rows = sorted((row for row in self.minutes if row["pair"] == pair), key=lambda row: row["minute"])
        return [
            (
                f"{row['minute']:%H:%M}" if row["minute"].day == 30 else f"{row['minute']:%d %H:%M}",
                row["ticks"],
                row["missing_trades"],
                row["is_complete"],
                min(row["revision"], 1),
            )
            for row in rows
        ]

    def refused(self, pair: str) -> list[tuple[int, str, str]]:
        """(id, time, reason) of what is in quarantine."""
        return sorted((row["trade_id"], f"{row['ts']:%H:%M}", row["reason"]) for row in self.quarantine if row["pair"] == pair)


@pytest.fixture(scope="module")
def told(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    interpret(spark)
    story = Story(spark, tmp_path_factory.mktemp("rules"))
    objects = [story.put(*lines) for lines in batches(Collector())]
    with story.driver() as query:
        query.start()
        unfit = [story.batch(query, objects[0])["unfit"]]
        query.close(frozenset(Feed("binance", "spot", "agg_trade", pair) for pair in ("TOP-USDT", "SHUT-USDT")))
        steps = Steps(query)
        unfit.append(story.batch(query, objects[1])["unfit"])
        made = list(steps.made)
        story.batch(query, objects[2])
    with story.driver() as query:
        query.start()
        records = [dict(take(query, [objects[2]], 2)), dict(take(query, [objects[0]], 0))]
        unfit.append(story.batch(query, objects[3])["unfit"])
        query.close()
        assert_tables(query, story.oracle, open_too=True)
        yield Told(rows_of(query.tables.minutes.read()), rows_of(query.tables.quarantine.read()), records, unfit, made)


def test_a_minute_in_which_a_range_ended_is_made_anew_when_the_range_goes_on_elsewhere(told: Told):
    # id 13 touches no minute but its own; 12, in a minute that is neither touched nor the newest, is complete only now
    assert told.of("END-USDT") == [("10:00", 1, 0, True, 1), ("10:01", 1, 0, False, 1), ("10:07", 1, 0, False, 0)]


def test_a_minute_in_which_a_range_begins_misses_the_ids_below_it_as_soon_as_one_is_there(told: Told):
    # id 10 joins 9 and 11, whose minute is not its own; 5 comes below, so that 6, 7 and 8 are missing below 9
    assert told.of("GONE-USDT") == [
        ("10:02", 1, 0, False, 1),
        ("10:04", 2, 3, False, 1),
        ("10:05", 1, 0, False, 1),
        ("10:06", 1, 0, True, 0),
    ]


def test_what_may_have_a_row_is_merged_and_made_of_all_its_trades(told: Told):
    assert told.of("TOP-USDT") == [("10:01", 2, 0, False, 1), ("10:02", 1, 0, False, 0)]


def test_the_former_newest_minute_is_told_that_it_is_closed(told: Told):
    assert told.of("SHUT-USDT") == [("10:01", 1, 0, False, 1), ("10:23", 1, 0, False, 0)]


def test_an_id_without_a_trade_moves_ranges_too(told: Told):
    # no trade came into 10:00 and 10:01 with the void 12
    assert told.of("VOID-USDT") == [("10:00", 1, 0, False, 1), ("10:01", 1, 0, True, 1), ("10:02", 1, 0, False, 0)]
    assert told.refused("VOID-USDT") == [(12, "10:00", "void")]


def test_a_covered_id_that_is_not_in_its_own_minute_is_a_conflict(told: Told):
    assert told.of("AWAY-USDT") == [("10:04", 1, 0, False, 0)]
    assert told.refused("AWAY-USDT") == [(13, "10:03", "conflict"), (13, "10:03", "void"), (14, "10:09", "conflict")]


def test_a_minute_whose_amounts_do_not_fit_is_counted(told: Told):
    # twice 9e19, which a sum of 38 digits, 18 of them decimals, does not hold; while the minute is open it has no row
    assert told.unfit == [0, 1, 1]
    for minute in [row for row in told.minutes if row["pair"] in HUGE and row["ticks"] == 2]:
        assert (minute["close"], minute["volume"]) == (9_000_000_000, 20_000_000_000)
        assert {minute[name] for name in ("quote_volume", "vwap", "buy_quote_volume", "avg_buy_price")} == {None}


def test_of_several_copies_in_a_batch_the_first_counts(told: Told):
    assert told.of("TWICE-USDT") == [("10:00", 1, 0, False, 0)]
    assert told.refused("TWICE-USDT") == [(1, "10:00", "conflict")]


def test_ids_that_are_not_dense_are_looked_for_where_their_first_copy_may_be(told: Told):
    # 23 in the newest minute, which had no row yet; 40 in the same batch, in a minute that had none either
    assert told.of("FAR-MXN") == [("10:17", 1, None, None, 1), ("10:20", 1, None, None, 1), ("10:25", 1, None, None, 0)]
    assert told.refused("FAR-MXN") == [(23, "10:16", "conflict"), (40, "10:22", "conflict")]
    # 10 in a minute that has a row whose ids span it; 20 is new though a higher one was there
    assert told.of("WIDE-MXN") == [("10:01", 1, None, None, 1), ("10:02", 1, None, None, 1), ("10:03", 1, None, None, 0)]
    assert told.refused("WIDE-MXN") == [(10, "10:02", "conflict")]


def test_rows_of_an_earlier_day_are_counted_once_too(told: Told):
    assert told.of("LATE-USDT") == [
        ("29 10:00", 1, 0, False, 1),
        ("29 23:59", 1, 0, True, 1),
        ("10:00", 1, 0, True, 1),
        ("10:01", 1, 0, False, 0),
    ]
    assert told.refused("LATE-USDT") == [(6, "10:05", "conflict")]


def test_what_was_taken_in_is_no_id_reset_when_it_comes_again(told: Told):
    assert told.refused("RESET-USDT") == [(60, "11:40", "id_reset")]
    assert told.of("RESET-USDT") == [("10:00", 1000, 199_949, False, 1), ("11:30", 1, 0, False, 0)]


def test_a_driver_does_not_know_which_rows_the_one_before_it_wrote(told: Told):
    assert told.of("OPEN-USDT") == [("10:00", 2, 0, False, 1), ("10:05", 1, 0, False, 0)]


def test_a_batch_that_comes_again_is_accounted_for(told: Told):
    again, first = told.records
    kinds = ("items", "fresh", "late", "replayed", "duplicates", "conflicts", "quarantined")
    assert {kind: again[kind] for kind in kinds} == dict(zip(kinds, (4, 0, 0, 3, 0, 1, 0), strict=True))
    assert {kind: first[kind] for kind in kinds} == dict(zip(kinds, (1020, 0, 0, 1017, 1, 1, 1), strict=True))


def test_the_commits_of_a_batch_have_an_order(told: Told):
    assert told.steps == ["trades", "late", "quarantine", "minutes append", "minutes merge", "progress"]
