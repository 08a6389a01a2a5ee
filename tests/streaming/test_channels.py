"""The channels without trades, on real Delta tables: each line ends once, where it should, whatever comes again or is cut short."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.queries.appended import Appended
from jobs.queries.recovery import Recovery
from jobs.runtime.live import Foreign
from tests.support.books import row_of
from tests.support.channels import driver, take
from tests.support.crash import Died, die
from tests.support.lines import Collector, micros, put
from tests.support.stories import interpret
from tests.support.tables import assert_rows, rows_of


@pytest.fixture(autouse=True)
def interpreted(spark: SparkSession) -> None:
    interpret(spark)


def assert_books(query: Appended, lines: Mapping[bytes, str]) -> None:
    """The table holds these lines, and nothing else."""
    assert_rows(rows_of(query.live.read()), [row_of(line, key) for line, key in lines.items()], ("conn", "seq"))


def test_books_of_two_batches_that_come_again(spark: SparkSession, lake: Path):
    one = Collector()
    lines = [one.book("100", "10:00:00"), one.book("101", "10:00:10"), one.book("102", "10:00:20")]
    other = Collector("other-1-1").book("103", "10:00:10")  # of another collector, in the very same microsecond
    bad = one.line({"code": -1}, received=0, channel="books", kind="book", source="rest", stream="/api/v3/depth")
    first = put(lake, [*lines[:2], bad, b"half a line\n"], channel="books")
    second = put(lake, [lines[2], other], channel="books")
    with driver(spark, lake, "books") as query:
        query.start()
        assert take(query, lake, [first]) == {"fresh": 2, "quarantined": 2}
        assert take(query, lake, [second], 1) == {"fresh": 1, "conflicts": 1}
        assert take(query, lake, [first, second], 2) == {"duplicates": 3, "conflicts": 1, "quarantined": 2}
        assert_books(query, {lines[0]: first, lines[1]: first, lines[2]: second})
        told = {(row["conn"], row["reason"], row["detail"]) for row in rows_of(query.quarantine.read())}
        assert told == {
            (None, "not_envelope", None),
            ("test-1-1", "levels", "bids: missing, or a level that is none; asks: missing, or a level that is none"),
            ("other-1-1", "conflict", "its key is that of line 2 of test-1-1"),
        }
        assert query.quarantine.read().count() == 3


@pytest.mark.parametrize("where", ["live", "quarantine"])
@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.long), "after"])
def test_a_death_between_the_commits_changes_nothing(spark: SparkSession, lake: Path, where: str, when: str):
    one = Collector()
    line = one.book("100")
    key = put(lake, [line, b"half a line\n"], channel="books")
    with driver(spark, lake, "books") as query:
        query.start()
        live = getattr(query, where)
        real = live.append

        def append(rows: Any) -> None:  # noqa: ANN401 - a frame
            if when == "after":
                real(rows)
            die()

        live.append = append
        with pytest.raises(Died):
            take(query, lake, [key])
    with driver(spark, lake, "books") as query:
        query.start()
        take(query, lake, [key])
        assert_books(query, {line: key})
        assert [row["reason"] for row in rows_of(query.quarantine.read())] == ["not_envelope"]


def test_events_end_as_rows_words_or_in_quarantine(spark: SparkSession, lake: Path):
    one = Collector()
    lines = [
        one.event("start"),
        one.event(
            "gap", "10:00:01", feed="agg_trade", before_id=1, after_id=3, first_missing_id=2, last_missing_id=2, outcome="ids"
        ),
        one.line({"result": None, "id": 1}, received=0, channel="events", kind="control"),
        one.line({"x": 1}, received=0, channel="events", kind="unknown"),
    ]
    key = put(lake, lines, channel="events")
    with driver(spark, lake, "events") as query:
        query.start()
        assert take(query, lake, [key]) == {"control": 1, "fresh": 2, "quarantined": 1}
        assert take(query, lake, [key], 1) == {"control": 1, "duplicates": 2, "quarantined": 1}
        rows = query.live.read().select("event", "seq", "first_missing_id", "outcome", "object").orderBy("seq")
        assert [tuple(row) for row in rows.collect()] == [("start", 1, None, None, key), ("gap", 2, 2, "ids", key)]
        assert [(row["reason"], row["seq"]) for row in rows_of(query.quarantine.read())] == [("unreadable", 4)]


def test_of_several_copies_of_a_candle_the_best_counts(spark: SparkSession, lake: Path):
    """More trades, then ids, then the newest."""
    start = micros("10:00:00") // 1000

    def copy(conn: str, count: int, at: str, *, ids: bool = False) -> bytes:
        numbers = {"o": "1", "h": "1", "l": "1", "c": "1", "v": "1", "q": "1", "n": count, "V": "1", "Q": "1"}
        candle = {"t": start, "T": start + 59_999, "i": "1m", "x": True, **numbers, **({"f": 5, "L": 9} if ids else {})}
        said = {"channel": "klines", "kind": "kline", "stream": "btcusdt@kline_1m"}
        return Collector(conn).line({"stream": "btcusdt@kline_1m", "data": {"k": candle}}, received=micros(at), **said)

    first, better = copy("a", 4, "10:01:00"), copy("b", 5, "10:01:01")
    worse, with_ids = copy("c", 4, "10:03:00", ids=True), copy("d", 5, "10:01:00", ids=True)
    batches = [([first, worse], "c", {"fresh": 1, "duplicates": 1}), ([better], "b", {"improved": 1})]
    batches += [([first, with_ids], "d", {"improved": 1, "duplicates": 1}), ([worse, better], "d", {"duplicates": 2})]
    with driver(spark, lake, "klines") as query:
        query.start()
        for number, (lines, best, told) in enumerate(batches):
            key = put(lake, lines, channel="klines")
            assert take(query, lake, [key], number) == told
            assert [row["conn"] for row in rows_of(query.live.read())] == [best]
        assert query.quarantine.read().isEmpty()


def test_what_a_second_driver_wrote_is_seen_and_removed(spark: SparkSession, lake: Path):
    one = Collector()
    lines = [one.book("100"), one.book("101", "10:00:10")]
    first, second = put(lake, [lines[0], b"half a line\n"], channel="books"), put(lake, [lines[1]], channel="books")
    with driver(spark, lake, "books") as query:
        recovery = Recovery("books", query, query.live, query.repair, query.live.store)
        recovery.begin()
        take(query, lake, [first])
        for live in (query.live, query.quarantine):  # by somebody who has never heard of leases
            live.read().write.format("delta").mode("append").save(live.path)
        with pytest.raises(Foreign, match=r"order_books: version .* was written by somebody else") as error:
            take(query, lake, [second], 1)
        recovery.recover(error.value)
        assert recovery.folder == "checkpoints/books/2", "everything is read again"
        take(query, lake, [first, second])
        assert_books(query, {lines[0]: first, lines[1]: second})
        assert query.quarantine.read().count() == 1
