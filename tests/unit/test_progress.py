"""What a driver leaves for the next one, and when the next one does not believe it."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.landing import Files
from jobs.runtime.progress import Progress, Records, Versions
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.quarantine import QUARANTINE
from jobs.tables.table import Table
from jobs.tables.trades import TRADES
from jobs.transforms.feeds import Feed, Known
from jobs.transforms.ranges import Mark, Range, Ranges

FEED = Feed("binance", "spot", "agg_trade", "BTC-USDT")
KNOWN = Known(Ranges([Range(1, 4, Mark(2, 70_000_000), Mark(4, 130_000_000)), Range(9, 9, None, None)]), top=2, highest=4)
KEY = "control/progress/stream-trades.json"


@dataclass
class FakeLive:
    """A table as far as the progress looks at it; its log is real files."""

    store: Files
    table: Table
    version: int = -1
    id: str | None = None

    def at(self) -> dict[str, object]:
        return {"version": self.version, "commit": self.id}

    def commit(self, id_: str, **told: object) -> None:
        self.version, self.id = self.version + 1, id_
        info = {"commitInfo": {"userMetadata": json.dumps({"commit": id_, **told})}}
        self.store.create(f"tables/{self.table.name}/_delta_log/{self.version:020}.json", json.dumps(info).encode())


@pytest.fixture
def store(lake: Path) -> Files:
    return Files(lake)


@pytest.fixture
def trades(store: Files) -> FakeLive:
    live = FakeLive(store, TRADES)
    live.commit("t0")
    live.commit("t1")
    return live


@pytest.fixture
def quarantine(store: Files) -> FakeLive:
    live = FakeLive(store, QUARANTINE)
    live.commit("q0")
    return live


@pytest.fixture
def minutes(store: Files) -> FakeLive:
    live = FakeLive(store, MINUTE_AGGREGATES)
    live.commit("m0")
    return live


def saved(store: Files, trades: FakeLive, quarantine: FakeLive, minutes: FakeLive) -> Progress:
    progress = Progress(store, "trades")
    progress.save({FEED: KNOWN}, trades, quarantine, minutes, force=True)
    return progress


def test_the_next_driver_finds_the_state_and_the_versions_it_speaks_of(store, trades, quarantine, minutes):
    saved(store, trades, quarantine, minutes)
    assert Progress(store, "trades").load(trades, quarantine, minutes) == ({FEED: KNOWN}, Versions(1, 0, 0))


def test_what_only_one_run_knows_is_not_handed_on(store, trades, quarantine, minutes):
    progress = Progress(store, "trades")
    progress.save({FEED: Known(top=2, highest=4, bare=True, newest=7.0)}, trades, quarantine, minutes, force=True)
    assert Progress(store, "trades").load(trades, quarantine, minutes) == ({FEED: Known(top=2, highest=4)}, Versions(1, 0, 0))


def test_later_commits_do_not_make_it_wrong(store, trades, quarantine, minutes):
    saved(store, trades, quarantine, minutes)
    trades.commit("t2")
    assert Progress(store, "trades").load(trades, quarantine, minutes) == ({FEED: KNOWN}, Versions(1, 0, 0))


def test_it_is_not_believed_when_a_version_is_another_commit_now(store, trades, quarantine, minutes):
    saved(store, trades, quarantine, minutes)
    trades.commit("t2")
    store.delete(f"tables/trades/_delta_log/{1:020}.json")
    assert Progress(store, "trades").load(trades, quarantine, minutes) is None, "the log is gone"
    trades.version = 0
    trades.commit("somebody else's")
    assert Progress(store, "trades").load(trades, quarantine, minutes) is None, "it is the newest"
    trades.commit("t2 again")
    assert Progress(store, "trades").load(trades, quarantine, minutes) is None, "it is an older one"


def test_it_is_not_believed_when_it_is_ahead_of_a_table(store, trades, quarantine, minutes):
    saved(store, trades, quarantine, minutes)
    quarantine.version, quarantine.id = -1, None
    assert Progress(store, "trades").load(trades, quarantine, minutes) is None


def test_it_is_not_believed_when_the_minutes_are_a_new_table(store, trades, quarantine, minutes):
    saved(store, trades, quarantine, minutes)
    store.delete(f"tables/minute_aggregates/_delta_log/{0:020}.json")
    minutes.version = -1
    minutes.commit("created again")
    assert Progress(store, "trades").load(trades, quarantine, minutes) is None


@pytest.mark.parametrize("data", [b"", b'{"v": 1, "trades"', b'{"v": 2}'], ids=["empty", "torn", "of another format"])
def test_it_is_not_believed_when_it_cannot_be_read(store, trades, quarantine, minutes, data):
    store.create(KEY, data)
    progress = Progress(store, "trades")
    assert progress.load(trades, quarantine, minutes) is None
    progress.save({FEED: KNOWN}, trades, quarantine, minutes, force=True)  # and does not stay so
    assert Progress(store, "trades").load(trades, quarantine, minutes) == ({FEED: KNOWN}, Versions(1, 0, 0))


def test_it_is_written_now_and_then_or_when_it_has_to_be(store, trades, quarantine, minutes):
    now = [0.0]
    progress = Progress(store, "trades", every=10, clock=lambda: now[0])
    written = []
    for now[0], force in ((0, False), (9, False), (10, False), (11, True), (20, False), (21, False)):
        before = store.get(KEY)
        trades.commit(f"at {now[0]}")
        progress.save({}, trades, quarantine, minutes, force=force)
        written.append(store.get(KEY) != before)
    assert written == [True, False, True, True, False, True]


def test_a_driver_does_not_write_over_anothers(store, trades, quarantine, minutes):
    mine = saved(store, trades, quarantine, minutes)
    other = Progress(store, "trades")
    other.load(trades, quarantine, minutes)
    other.save({}, trades, quarantine, minutes, force=True)
    mine.save({FEED: KNOWN}, trades, quarantine, minutes, force=True)
    assert Progress(store, "trades").load(trades, quarantine, minutes) == ({}, Versions(1, 0, 0))


def test_a_dropped_one_is_gone_and_can_be_written_again(store, trades, quarantine, minutes):
    progress = saved(store, trades, quarantine, minutes)
    progress.drop()
    assert Progress(store, "trades").load(trades, quarantine, minutes) is None
    progress.save({}, trades, quarantine, minutes)
    assert Progress(store, "trades").load(trades, quarantine, minutes) == ({}, Versions(1, 0, 0))


def test_the_minutes_tell_which_versions_they_reflect(store):
    minutes = FakeLive(store, MINUTE_AGGREGATES)
    assert Progress(store, "trades").reflected(minutes) is None, "no commit"
    minutes.commit("created")
    assert Progress(store, "trades").reflected(minutes) is None, "nothing reflected yet"
    minutes.commit("m1", trades=3, quarantine=1)
    minutes.commit("m2", trades=4, quarantine=1)
    minutes.commit("a property")
    assert Progress(store, "trades").reflected(minutes) == Versions(4, 1, 2)
    store.delete(f"tables/minute_aggregates/_delta_log/{3:020}.json")
    assert Progress(store, "trades").reflected(minutes) is None, "the log does not tell any more"


def test_a_batch_that_comes_again_writes_over_its_own_record(store):
    records = Records(store, "trades")
    records.record({"items": 1}, "a-query", 7)
    records.record({"items": 2}, "a-query", 7)
    records.record({"items": 3}, "a-query", 8)
    assert {key: json.loads(store.get(key)[0]) for key in store.keys("control/runs/trades/")} == {
        "control/runs/trades/a-query-7.json": {"items": 2},
        "control/runs/trades/a-query-8.json": {"items": 3},
    }
