"""The ledger over real tables: where holes lie, what happens to them, what is published, and that a run looks at what changed alone."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.repair.opengaps import KEY, OpenGap, published
from ingest.settings import Lake
from jobs import gaps
from jobs.queries.holes import Holes
from jobs.runtime import lake as lakes
from jobs.runtime.changes import At
from jobs.tables import COLLECTOR_EVENTS
from jobs.tables.gaps import GAPS, STATES
from jobs.transforms.feeds import Feed
from jobs.transforms.ledger import Word
from tests.support.ledgers import (
    BITCOIN,
    COINBASE,
    ETHER,
    MEXICO,
    NOW_OR_THEN,
    SERIES,
    SOLANA,
    Series,
    Tape,
    event,
    time_of,
    trades,
)
from tests.support.stories import interpret

END = ("pair", "before_id", "state", "missing", "repaired_rows")
NOTHING = {"minutes": "changed", "found": 0, "halts": 0, "closed": 0, "beyond_repair": 0}


def first(tape: Tape) -> None:
    """Holes inside a minute, over several, with a void in it, of an hour; in two feeds of two venues; one of which nobody knows."""
    tape.void(BITCOIN, 10)
    tape.take(
        *trades(BITCOIN, *range(1, 8), *range(12, 20), *range(21, 30), *range(400, 420)),
        *trades(ETHER, *range(5, 9), *range(11, 14), *range(14, 30)),
        *trades(COINBASE, *range(1, 30)),
        *trades(MEXICO, *range(1, 90, 7)),
    )
    tape.say(
        event(MEXICO, "gap", 8, 15, outcome="suspected"),
        event(MEXICO, "repair", 8, 15, outcome="repaired", rows=0, source="rest"),
        event(MEXICO, "gap", 29, 50, outcome="suspected"),
        event(COINBASE, "gap", 9, 12),
        event(("binance", "spot", "book_diff", "BTC-USDT"), "gap", 1, 5),
        event(BITCOIN, "gap", 19, 21),
        event(BITCOIN, "mute", 29, None),
    )


FIRST = [
    ("binance", "spot", "trade", "BTC-USDT", 7, 12, 8, 11, 3, time_of(7), time_of(12), "minutes", "open", 0),
    ("binance", "spot", "trade", "BTC-USDT", 19, 21, 20, 20, 1, time_of(19), time_of(21), "collector", "open", 0),
    ("binance", "spot", "trade", "BTC-USDT", 29, 400, 30, 399, 370, time_of(29), time_of(400), "minutes", "open", 0),
    ("binance", "usdm", "agg_trade", "ETH-USDT", 8, 11, 9, 10, 2, time_of(8), time_of(11), "minutes", "open", 0),
    ("bitso", "spot", "trade", "BTC-MXN", 8, 15, None, None, None, time_of(8), time_of(15), "collector", "void", 0),
    ("bitso", "spot", "trade", "BTC-MXN", 29, 50, None, None, None, time_of(29), time_of(50), "collector", "open", None),
    ("coinbase", "spot", "trade", "BTC-USD", 9, 12, None, None, 0, time_of(9), time_of(12), "collector", "repaired_late", 2),
]


@pytest.fixture(scope="module")
def begun(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """A lake with a first run done, to be copied."""
    interpret(spark)
    tape = Tape(spark, tmp_path_factory.mktemp("begun"))
    first(tape)
    assert tape.run() == NOTHING | {"minutes": "all", "found": 7, "open": 5, "missing": 376}
    return tape


@pytest.fixture
def tape(begun: Tape, spark: SparkSession, lake: Path) -> Tape:
    interpret(spark)
    return begun.copied(lake)


def test_each_hole_is_a_row_whole(tape: Tape, capsys: pytest.CaptureFixture[str]):
    """And a second run, by the command line, finds nothing new, writes nothing, and says that not all is well."""
    columns = [name for name in GAPS.names if name not in NOW_OR_THEN]
    assert tape.rows(*columns) == FIRST
    for row in tape.ledger:
        assert (row["closed_at"] is None) == (row["state"] == "open")
        assert (row["year"], row["month"]) == (2026, 4)
    assert tape.missing() == sum(row["missing"] or 0 for row in tape.ledger)
    conf = tape.lake.parent / "conf.yaml"
    conf.write_text(f"lake: {tape.lake}\ningest: {{collector: test}}\n")
    before = tape.version
    assert gaps.main(["--conf", str(conf), "--run", "second"]) == 3
    out, err = capsys.readouterr()
    assert out == "gaps: changed minutes, 0 found, 0 halts, 0 closed, 5 open, 376 missing, 0 beyond repair\n"
    assert err.splitlines()[-1] == "gaps: 5 open; `python -m ingest repair` fills what can be had"
    record = json.loads((tape.lake / "control/runs/gaps/second.json").read_text())
    assert {name: record[name] for name in ("code", "open", "minutes")} == {"code": 3, "open": 5, "minutes": "changed"}
    assert tape.version == before


def test_what_is_published_is_what_repair_reads(tape: Tape):
    told = published((tape.lake / KEY).read_bytes())
    assert told.refused == []
    assert told.gaps == [OpenGap(*row[:11]) for row in FIRST if row[12] == "open"]
    assert told.as_of is not None


def test_what_was_filled_is_closed_and_nothing_else_is_touched(tape: Tape):
    before = {tuple(row[name] for name in GAPS.key): row for row in tape.ledger}
    filled = trades(BITCOIN, 8, 9, 11, source="rest")
    tape.take(*filled, *trades(BITCOIN, *range(100, 200)), *trades(ETHER, 9, source="dump"))
    tape.say(
        event(MEXICO, "repair", 29, 50, outcome="repaired", rows=4, source="rest"),
        event(BITCOIN, "repair", 19, 21, outcome="absent", source="dump"),
    )
    assert tape.run() == NOTHING | {"closed": 3, "open": 2, "missing": 271, "beyond_repair": 1}
    now = {("BTC-USDT", 7, "repaired_rest", 0, 3), ("BTC-USDT", 19, "unrecoverable", 1, 0), ("BTC-USDT", 29, "open", 270, 100)}
    now |= {("ETH-USDT", 8, "open", 1, 1), ("BTC-MXN", 29, "repaired_rest", None, 4)}
    same = {("BTC-MXN", 8, "void", None, 0), ("BTC-USD", 9, "repaired_late", 0, 2)}
    assert set(tape.rows(*END)) == now | same
    after = {tuple(row[name] for name in GAPS.key): row for row in tape.ledger}
    assert all(
        after[key] == row for key, row in before.items() if (row["pair"], row["before_id"]) in {("BTC-MXN", 8), ("BTC-USD", 9)}
    )
    (hour,) = (row for row in after.values() if row["after_id"] == 400)
    assert (hour["first_missing_id"], hour["last_missing_id"]) == (30, 399)
    tape.take(*trades(BITCOIN, 20, *range(30, 100), *range(200, 400), source="dump"), *trades(ETHER, 10))
    assert tape.run() == NOTHING | {"closed": 2, "open": 0, "missing": 0}
    states = {row[:3] for row in tape.rows(*END)}
    assert {("BTC-USDT", 19, "repaired_dump"), ("BTC-USDT", 29, "repaired_dump"), ("ETH-USDT", 8, "repaired_late")} <= states
    assert tape.published["gaps"] == []


def test_a_halt_is_told_from_a_loss_and_both_are_found_however_long_they_last(tape: Tape):
    """A feed is silent for nine days, further than a run looks back at first; another one loses trades meanwhile.

    So is a third one; but that ids follow each other says nothing where they are not dense.
    """
    later = timedelta(days=9)
    silent = trades(BITCOIN, *range(420, 440), later=later)
    nine = trades(COINBASE, *range(30, 60), later=timedelta(minutes=9))
    unknown = trades(MEXICO, 86, 93, 99, later=later)
    tape.take(*silent, *nine, *unknown, *trades(ETHER, *range(33, 60), later=later))
    assert tape.run() == NOTHING | {"found": 1, "halts": 1, "open": 6, "missing": 379}
    (halt,) = (row for row in tape.ledger if row["state"] == "exchange_halt")
    assert {
        name: halt[name] for name in ("before_id", "after_id", "missing", "detected_by", "before_ts", "after_ts", "month")
    } == {
        "before_id": 419,
        "after_id": 420,
        "missing": 0,
        "detected_by": "minutes",
        "before_ts": time_of(419),
        "after_ts": time_of(420) + later,
        "month": 4,
    }
    assert halt["closed_at"] == halt["detected_at"]
    assert ("ETH-USDT", 29, "open", 3, 0) in tape.rows(*END)
    assert tape.run(halt_after="5m") == NOTHING | {"minutes": "all", "halts": 1, "open": 6, "missing": 379}


def test_a_run_that_died_before_it_wrote_how_far_it_was_does_the_same_again(tape: Tape, monkeypatch: pytest.MonkeyPatch):
    early = trades(BITCOIN, 8, later=timedelta(seconds=-40), source="rest")  # of the minute before that of id 7
    tape.take(*early, *trades(COINBASE, 33, 34, *range(40, 50)))

    def die(*_: Any) -> None:  # noqa: ANN401 - whatever comes
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(gaps.Taken, "save", die)
        with pytest.raises(KeyboardInterrupt):
            tape.run()
    before, version = tape.rows(*GAPS.names), tape.version
    assert {("BTC-USDT", 7, "open", 2, 1), ("BTC-USD", 29, "open", 3, 0), ("BTC-USD", 34, "open", 5, 0)} <= set(tape.rows(*END))
    assert tape.run() == NOTHING | {"open": 7, "missing": 383}
    assert (tape.rows(*GAPS.names), tape.version) == (before, version)


@pytest.mark.long
def test_where_nobody_can_tell_what_changed_everything_is_looked_at(tape: Tape):
    """The ledger is gone, or the log of the events is: it is made again, with all that can be known of the past."""
    shutil.rmtree(tape.lake / "tables/gaps")
    columns = [name for name in GAPS.names if name not in NOW_OR_THEN]
    assert tape.run() == NOTHING | {"minutes": "all", "found": 7, "open": 5, "missing": 376}
    assert tape.rows(*columns) == FIRST
    tape.say(event(BITCOIN, "mute", 29, None))
    tape.events.lose_log()
    assert tape.run() == NOTHING | {"minutes": "all", "open": 5, "missing": 376}
    assert tape.run(full=True) == NOTHING | {"minutes": "all", "open": 5, "missing": 376}


def of(tape: Tape, series: Series) -> list[tuple[Any, ...]]:
    """Its rows, without the series: ends, what is missing, state and rows."""
    names = ("before_id", "after_id", "first_missing_id", "last_missing_id", "missing", "state", "repaired_rows")
    return [row[4:] for row in tape.rows(*SERIES, *names) if row[:4] == series]


@pytest.mark.long
def test_what_lies_between_two_changes_that_are_far_apart_is_not_missing(tape: Tape):
    """In one run a hole of the first hour is filled, and a part of a long one; the day between the two did not change."""
    tape.take(*trades(SOLANA, *range(1, 11), *range(13, 41)))
    tape.take(*trades(SOLANA, *range(41, 61), later=timedelta(days=1)))
    tape.take(*trades(SOLANA, *range(100, 121), later=timedelta(days=40)))
    assert tape.run() == NOTHING | {"found": 2, "halts": 1, "open": 7, "missing": 376 + 2 + 39}
    day = (40, 41, None, None, 0, "exchange_halt", 0)
    assert of(tape, SOLANA) == [(10, 13, 11, 12, 2, "open", 0), day, (60, 100, 61, 99, 39, "open", 0)]
    tape.take(*trades(SOLANA, 11, 12, source="dump"))
    tape.take(*trades(SOLANA, *range(80, 91), later=timedelta(days=20), source="dump"))
    assert tape.run() == NOTHING | {"closed": 1, "open": 6, "missing": 376 + 28}
    assert of(tape, SOLANA) == [(10, 13, None, None, 0, "repaired_dump", 2), day, (60, 100, 61, 99, 28, "open", 11)]


@pytest.mark.long
def test_a_hole_below_a_feeds_first_trade_that_was_given_up_is_closed_when_its_trades_come(tape: Tape):
    """There is no minute before the first one, and no other one changes."""
    tape.take(*trades(SOLANA, *range(32, 38)))
    tape.say(
        event(SOLANA, "gap", None, 32, outcome="forgotten", first_missing_id=30, last_missing_id=31),
        event(SOLANA, "repair", 29, 32, outcome="absent", source="dump"),
    )
    assert tape.run() == NOTHING | {"found": 1, "open": 5, "missing": 376, "beyond_repair": 1}
    assert of(tape, SOLANA) == [(29, 32, 30, 31, 2, "unrecoverable", 0)]
    tape.take(*trades(SOLANA, 30, 31, source="dump"))
    assert tape.run() == NOTHING | {"open": 5, "missing": 376}
    assert of(tape, SOLANA) == [(29, 32, None, None, 0, "repaired_dump", 2)]


def test_what_was_said_of_a_hole_before_it_was_a_row_is_remembered(tape: Tape):
    """The files have not got it, said a repair in an earlier run: a look at everything comes to the same."""
    tape.say(event(SOLANA, "repair", 4, 7, outcome="absent", source="dump"))
    assert tape.run() == NOTHING | {"open": 5, "missing": 376}
    tape.take(*trades(SOLANA, *range(1, 5), *range(7, 30)))
    assert tape.run() == NOTHING | {"found": 1, "open": 5, "missing": 376, "beyond_repair": 1}
    assert of(tape, SOLANA) == [(4, 7, 5, 6, 2, "unrecoverable", 0)]
    assert tape.run(full=True) == NOTHING | {"minutes": "all", "open": 5, "missing": 376}


def test_a_word_is_heard_once_and_none_of_what_is_no_hole_of_trades(tape: Tape):
    """Whole words of the first run in the order said, then those of the last file alone."""
    files = {path.name for path in (tape.lake / "tables/collector_events").rglob("*.parquet")}
    tape.say(
        event(ETHER, "repair", 8, 11, outcome="left", source="rest", rows=0),
        event(("binance", "spot", "book_diff", "BTC-USDT"), "gap", 5, 9),
        event(ETHER, "mute", 8, None),
    )
    where = lakes.place(Lake(str(tape.lake)))
    holes = Holes(tape.spark, where, {COLLECTOR_EVENTS.name: At(tape.events.live.version, None)})
    said = Word(Feed(*ETHER), "repair", 8, 11, 9, 10, time_of(8), time_of(11), 0, "left", "rest", time_of(11))
    last = {path.name for path in (tape.lake / "tables/collector_events").rglob("*.parquet")} - files
    assert holes.words(sorted(last)) == [said]
    assert holes.words([]) == []
    told = [(word.feed, word.event, word.before_id, word.after_id) for word in holes.words(None)]
    assert told == [
        (Feed(*ETHER), "repair", 8, 11),
        (Feed(*COINBASE), "gap", 9, 12),
        (Feed(*MEXICO), "gap", 8, 15),
        (Feed(*MEXICO), "repair", 8, 15),
        (Feed(*BITCOIN), "gap", 19, 21),
        (Feed(*MEXICO), "gap", 29, 50),
    ]


def test_the_states_of_the_page_are_those_of_the_rules():
    from jobs.tables import gaps as names  # noqa: PLC0415 - the module of the values

    used = {names.OPEN, names.HALT, names.VOID, names.IMPLAUSIBLE, names.UNRECOVERABLE, names.LATE, *names.FILLED.values()}
    assert used | {names.NOT_COLLECTED} == STATES.keys()
