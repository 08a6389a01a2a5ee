"""The soak's own parts: the faults it asks for, and what it calls missing, foreign and flat."""

from pathlib import Path

import pytest
import yaml

from ingest.simulator.faults import check, faults
from ingest.simulator.listings import LISTINGS, series
from tests.benchmarks.soak import run, trouble

GOOD = {"missing": 0, "foreign": 0, "spool_end": 0, "exit_code": 0, "rss_mb": 60.0, "rss_growth_mb": 3.0}
FEED = ("binance", "spot", "agg_trade", "BTC-USDT")


def test_the_script_is_one_that_the_simulator_takes_and_comes_again(tmp_path: Path):
    found = trouble.script(1, 3600, 5, 40.0)
    assert found == trouble.script(1, 3600, 5, 40.0)
    assert found != trouble.script(2, 3600, 5, 40.0)
    assert 600 < len(found) < 840
    assert {fault["fault"] for fault in found} == {sort["fault"] for sort, _ in trouble.SORTS}
    path = tmp_path / "faults.yaml"
    path.write_text(yaml.safe_dump(found))
    check(faults(path), [feed for listing in LISTINGS for feed in series(listing).values()])


def test_faults_come_before_the_end_at_market_time():
    ats = [int(fault["at"].removesuffix("s")) for fault in trouble.script(1, 60, 5, 40.0)]
    assert ats == sorted(ats)
    assert ats[0] >= 200
    assert ats[-1] <= 55 * 40


def marks(*trades: tuple[int, str, str]) -> dict[run.FeedName, set[int]]:
    return run.marks([(FEED, list(trades))])


@pytest.mark.parametrize(
    ("found", "count"),
    [
        ([(5, "1.0", "2"), (6, "1.0", "2"), (7, "1.1", "2")], 0),
        ([(4, "0.9", "2"), (5, "1.0", "2"), (6, "1.0", "2"), (7, "1.1", "2")], 0),  # one of before the market began
        ([(6, "1.0", "2"), (7, "1.1", "2")], 1),
        ([(5, "1.0", "2"), (6, "1.0", "3"), (7, "1.1", "2")], 1),  # another quantity is another trade
        ([], 3),
    ],
)
def test_missing_is_what_the_market_had_and_did_not_land(found: list[tuple[int, str, str]], count: int):
    owed = marks((5, "1.0", "2"), (6, "1.0", "2"), (7, "1.1", "2"))
    assert run.missing(owed, marks(*found) if found else {}) == count


def test_foreign_is_what_landed_and_the_market_never_had():
    there = marks((5, "1.0", "2"), (6, "1.0", "2")), marks((4, "0.9", "2"))
    found = marks((4, "0.9", "2"), (5, "1.0", "2"), (6, "1.0", "3"), (9, "1.1", "2"))
    assert run.foreign(there, found) == 2
    assert run.foreign(there, {("bitso", "spot", "trade", "BTC-MXN"): {1}}) == 1


def test_memory_is_told_by_its_most_and_its_growth_after_the_start():
    looks = [
        10_000_000,
        40_000_000,
        50_000_000,
        50_000_000,
        51_000_000,
        51_000_000,
        52_000_000,
        60_000_000,
        53_000_000,
        54_000_000,
    ]
    assert run.memory(looks) == {"rss_mb": 60.0, "rss_fifths_mb": [25.0, 50.0, 51.0, 56.0, 53.5], "rss_growth_mb": 3.5}


@pytest.mark.parametrize(
    ("name", "value"),
    [("missing", 1), ("foreign", 1), ("spool_end", 1), ("exit_code", 1), ("rss_mb", 200.0), ("rss_growth_mb", 20.0)],
)
def test_one_thing_wrong_is_enough(name: str, value: float):
    assert run.is_good(GOOD)
    assert not run.is_good({**GOOD, name: value})
