"""What becomes of each item of files of lines: which one counts, which are told as rejects, and what is said of a month."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.history.files import File, Files, Month
from jobs.history.lines import LONGEST, _found, _judged, _rejects
from jobs.history.month import Found, Told
from jobs.runtime.frames import frame
from jobs.transforms.ranges import Mark, Range, Ranges
from tests.support.lines import EPOCH
from tests.support.stories import interpret

BELOW = "inbox/coinbase/spot/lines/trade/BTC-USD"
ONE, OTHER = f"{BELOW}/2025-12-31_2026-01-01_0123456789ab.jsonl.gz", f"{BELOW}/2026-01-01_2026-01-02_0123456789ab.jsonl.gz"
FEED = ("coinbase", "spot", "trade", "BTC-USD")
DECEMBER, JANUARY = Month("trades", *FEED, 2025, 12), Month("trades", *FEED, 2026, 1)
TURN = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(microseconds=1)
SCHEMA = (
    "venue STRING, market STRING, feed STRING, pair STRING, year INT, month INT, trade_id BIGINT, ts TIMESTAMP, price DECIMAL(20,10), "
    "quantity DECIMAL(22,8), taker_side STRING, reason STRING, object STRING, recv_ts TIMESTAMP, conn STRING, seq BIGINT, item INT, "
    "raw STRING"
)


@pytest.fixture(autouse=True)
def interpreted(spark: SparkSession) -> None:
    interpret(spark)


Item = tuple[Any, ...]


def item(seq: int, id_: int | None, ts: datetime | None, price: str = "5", *, of: str = ONE, **said: Any) -> Item:  # noqa: ANN401 - columns
    """They come in the order of their lines."""
    told = {"feed": "trade", "reason": None, "raw": f"line {seq}"} | said
    when = (None, None) if ts is None else (ts.year, ts.month)
    came = TURN + timedelta(days=9, seconds=seq)
    values = (id_, ts, price, "1", "buy", told["reason"], of, came, "c", seq, 0, told["raw"])
    return ("coinbase", "spot", told["feed"], "BTC-USD", *when, *values)


def judged(
    spark: SparkSession, items: Sequence[Item], *months: Month
) -> tuple[DataFrame, dict[int, tuple[int | None, str | None]]]:
    """As a frame; and of each line the id and the reason."""
    found = _judged(frame(spark, reversed(items), SCHEMA), months)
    rows = found.collect()
    assert len({row["seq"] for row in rows}) == len(rows)
    return found, {row["seq"]: (row["trade_id"], row["reason"]) for row in rows}


ITEMS = [
    item(1, 7, TURN - STEP),
    item(2, 8, TURN),
    item(3, 8, TURN),
    item(4, 9, TURN + STEP, "5"),
    item(5, 9, TURN + STEP, "6"),
    item(6, 9, TURN + 2 * STEP, "5"),
    item(7, 10, TURN + timedelta(days=1)),
    item(8, 10, TURN + timedelta(days=1), of=OTHER),
    item(9, 11, TURN, reason="void"),
    item(10, None, None, reason="price"),
    item(11, 13, TURN + timedelta(days=2) - STEP, of=OTHER),
    item(12, 14, TURN + timedelta(days=2), of=OTHER),
    item(13, 8, TURN, feed="trade.2"),
]
OF_JANUARY = {
    2: (8, None),
    3: (8, "duplicate"),
    4: (9, None),
    5: (9, "conflict"),
    6: (9, "conflict"),
    7: (10, "ts"),  # of no day of its file: the one of the other file counts, though it came later
    8: (10, None),
    9: (11, "void"),
    10: (None, "price"),
    11: (13, None),
    12: (14, "ts"),
}


def test_the_first_that_is_right_counts_and_of_a_month_that_is_not_made_now_nothing(spark: SparkSession):
    assert judged(spark, ITEMS, JANUARY)[1] == OF_JANUARY
    assert judged(spark, ITEMS, DECEMBER, JANUARY)[1] == {1: (7, None), **OF_JANUARY}
    anew = replace(JANUARY, feed="trade.2")  # the same id is another trade
    assert judged(spark, ITEMS, JANUARY, anew)[1] == {**OF_JANUARY, 13: (8, None)}


def files(month: Month, *keys: str) -> Files:
    return Files(month, [File(key, month, "lines", date(2026, 1, 1), date(2026, 1, 1)) for key in keys])


def mark(id_: int, ts: datetime) -> Mark:
    return Mark(id_, (ts - EPOCH) // STEP)


def test_what_is_said_of_a_month_is_what_its_rows_are(spark: SparkSession):
    """An id that the venue gave to nothing makes no hole; one of a row that is not believed does. An end without a trade is none."""
    more = [item(20, 6, TURN - 2 * STEP, reason="overflow"), item(21, 15, TURN + timedelta(days=1), of=OTHER, reason="void")]
    more += [item(22, 12, TURN + timedelta(days=1), of=OTHER, reason="price")]
    told, _ = judged(spark, [*ITEMS, *more], DECEMBER, JANUARY)
    found = _found(told, [files(DECEMBER, ONE), files(JANUARY, ONE, OTHER)])
    late = TURN + timedelta(days=2) - STEP
    december = Mark(7, mark(7, TURN - STEP).ts)
    assert found == {
        DECEMBER: Found(
            rows=1,
            first_id=7,
            last_id=7,
            runs=Ranges([Range(6, 7, december, december)]),
            files={ONE: Told(1, 7, 7, 1)},
        ),
        JANUARY: Found(
            rows=4,
            first_id=8,
            last_id=13,
            duplicates=1,
            runs=Ranges(
                [
                    Range(8, 11, mark(8, TURN), mark(10, TURN + timedelta(days=1))),
                    Range(13, 13, mark(13, late), mark(13, late)),
                    Range(15, 15, None, None),
                ]
            ),
            files={ONE: Told(2, 8, 9, 4), OTHER: Told(2, 10, 13, 3)},
        ),
    }


def test_a_reject_names_its_line_and_its_id_only_where_that_was_used(spark: SparkSession):
    """Whatever is not believed, but for plain copies; a line that has no number is the nought."""
    long = item(30, None, None, reason="line", raw="x" * (LONGEST + 1))
    unread = (*long[:-3], None, *long[-2:])
    told, _ = judged(spark, [*ITEMS, unread], JANUARY)
    assert sorted(
        tuple(row) for row in _rejects(told).select("object", "line", "item", "trade_id", "reason", "raw").collect()
    ) == sorted(
        [
            (ONE, 5, 0, None, "conflict", "line 5"),
            (ONE, 6, 0, None, "conflict", "line 6"),
            (ONE, 7, 0, None, "ts", "line 7"),
            (ONE, 9, 0, 11, "void", "line 9"),
            (ONE, 10, 0, None, "price", "line 10"),
            (OTHER, 12, 0, None, "ts", "line 12"),
            (ONE, 0, 0, None, "line", "x" * LONGEST),
        ]
    )
