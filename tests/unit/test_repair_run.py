"""A whole run in one process: real threads, a lake on files, files from a site on this machine."""

import gzip
import json
import os
import random
import threading
from dataclasses import replace

import pytest

from ingest.clock import SYSTEM
from ingest.exchanges import find_exchange
from ingest.landing import Files
from ingest.repair.market import World
from ingest.repair.run import Repair, Times
from ingest.rest.download import fetch
from ingest.settings import Endpoint, Ingest, Limits, Size, Spool
from ingest.spool import records
from ingest.spool.spool import SpoolError, prepare
from tests.support.dumps import NAMES, site
from tests.support.fakes import nobody

DAY = "/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-11-06.zip"
GAP = {
    "venue": "binance",
    "market": "usdm",
    "feed": "agg_trade",
    "pair": "BTC-USDT",
    "before_id": 10,
    "after_id": 15,
    "first_missing_id": 11,
    "last_missing_id": 14,
    "missing": 4,
    "state": "open",
    "before_ts": "2024-11-06T12:00:00Z",
    "after_ts": "2024-11-06T12:00:09Z",
}
LATER = {**GAP, "before_id": 50, "after_id": 52, "first_missing_id": 51, "last_missing_id": 51, "missing": 1}


class Run:
    """A run over a folder's lake; ends as soon as a condition holds, or by itself."""

    def __init__(self, folder, there) -> None:
        endpoint = Endpoint(websocket=("ws://one",), dumps=(there.address,))
        self.spool = folder / "spool"
        self.ingest = Ingest(
            "laptop",
            spool=Spool(self.spool, Size(10**9), 10),
            endpoints={"binance": {"usdm": endpoint}},
            limits=Limits(folder / "limits"),
        )
        self.files = self.store = Files(folder / "lake")
        self.patience = 60.0

    def publish(self, *gaps, data=None):
        before = self.files.get("control/open-gaps.json")
        text = json.dumps({"v": 1, "as_of": None, "gaps": gaps}).encode() if data is None else data
        assert self.files.replace("control/open-gaps.json", text, before[1] if before else None)

    def until(self, is_enough=lambda _: False, *, once=False):
        stop = threading.Event()
        world = World(SYSTEM, nobody, fetch(), random.random, stop)
        times = Times(patience=self.patience, look=0.05, watch=0.01)
        repair = Repair(self.ingest, find_exchange, self.store, world, times)
        return repair.run(lambda now: stop.set() if is_enough(now) else None, once=once)

    def lines(self, channel):
        keys = self.files.keys(f"landing/channel={channel}/")
        return [json.loads(text) for key in keys for text in gzip.decompress(self.files.get(key)[0]).splitlines()]

    def ids(self):
        return [int(line["raw"]["a"]) for line in self.lines("trades")]


@pytest.fixture
def there():
    with site() as found:
        found.publish_csv(DAY, NAMES + "".join(f"{number},1,1,{number},{number},5,true\n" for number in range(1, 100)))
        yield found


@pytest.fixture
def run(tmp_path, there):
    return Run(tmp_path, there)


def counts(end):
    return (end.gaps, end.alone, dict(end.ends), end.left, end.rows, end.files, end.waiting, list(end.failures))


def test_once_ends_when_all_was_tried_and_has_landed(run):
    run.publish(GAP, LATER)
    end = run.until(once=True)
    assert counts(end) == (2, 0, {"repaired": 2}, 0, 5, 1, 0, [])
    assert end.is_good
    assert run.ids() == [11, 12, 13, 14, 51]
    assert [(line["raw"]["outcome"], line["raw"]["rows"]) for line in run.lines("events")] == [("repaired", 4), ("repaired", 1)]
    assert [path for path in run.spool.rglob("*") if path.is_file() and path.name != "lock"] == []


def test_two_markets_have_files_of_one_name_at_the_same_time(run, there):
    spot = DAY.replace("futures/um", "spot")
    there.publish_csv(spot, "".join(f"{number},2,2,{number},{number},5,True,True\n" for number in range(1, 50_000)))
    both = threading.Barrier(2)
    there.faults = {path: [lambda _: both.wait(20)] for path in (DAY, spot)}
    endpoints = run.ingest.endpoints["binance"]
    run.ingest = replace(run.ingest, endpoints={"binance": {**endpoints, "spot": endpoints["usdm"]}})
    run.publish(GAP, {**GAP, "market": "spot"})
    assert counts(run.until(once=True))[2:6] == ({"repaired": 2}, 0, 8, 2)
    found = sorted((line["market"], line["raw"]["a"], line["raw"]["p"]) for line in run.lines("trades"))
    assert found == [(market, str(number), price) for market, price in (("spot", "2"), ("usdm", "1")) for number in range(11, 15)]
    assert {line["raw"]["outcome"] for line in run.lines("events")} == {"repaired"}


def test_a_lake_where_nobody_has_looked_for_gaps_is_not_one_without_gaps(run):
    missing = "control/open-gaps.json: not there; nothing has looked for gaps in this lake yet"
    assert counts(run.until(once=True)) == (0, 0, {}, 0, 0, 0, 0, [missing])
    run.publish()
    assert counts(run.until(once=True)) == (0, 0, {}, 0, 0, 0, 0, [])


@pytest.mark.parametrize("state", ["implausible", "not_collected"])
def test_a_gap_that_only_a_person_may_repair_is_left_alone(run, there, state):
    run.publish({**GAP, "state": state})
    assert counts(run.until(once=True)) == (1, 1, {}, 0, 0, 0, 0, [])
    assert (there.asked, run.lines("events")) == ([], [])


def test_a_gap_of_a_feed_that_is_not_known_is_left_open_and_the_others_are_filled(run):
    run.publish({**GAP, "venue": "kraken"}, GAP)
    assert counts(run.until(once=True)) == (2, 0, {"repaired": 1, "unknown_feed": 1}, 1, 4, 1, 0, [])


def test_a_list_that_cannot_be_read_is_a_failure(run):
    run.publish(data=b"<html>")
    end = run.until(once=True)
    assert not end.is_good
    assert "control/open-gaps.json: " in end.failures[0]
    run.publish({**GAP, "before_id": "x"}, LATER)
    end = run.until(once=True)
    assert counts(end)[:5] == (2, 0, {"repaired": 1}, 1, 1)
    assert list(end.failures) == ["control/open-gaps.json: gaps[0].before_id is 'x': a whole number"]


def test_a_second_one_on_the_same_spool_is_refused(run):
    handle = prepare(run.spool / "repair", "repair")
    with pytest.raises(SpoolError, match=rf"used by another repair \(process {os.getpid()}\)"):
        run.until(once=True)
    os.close(handle)


def test_a_collector_on_the_same_spool_is_none_of_its_business(run):
    run.publish()
    handle = prepare(run.spool / "collect")
    assert run.until(once=True).is_good
    os.close(handle)


def test_what_a_killed_run_left_is_landed_and_its_files_are_fetched_anew(run):
    run.publish(GAP)
    os.close(prepare(run.spool / "repair"))
    left = records.write(b'{"v":1,"seq":3,"recv_ns":1731000000000000000,"raw":{"a":"11"}}\n') + b'{"torn'
    (run.spool / "repair/open/trades+binance+usdm+laptop+1.jsonl").write_bytes(left)
    (run.spool / "repair/files/binance-usdm").mkdir(parents=True)
    for name in (DAY.rpartition("/")[2], "ETHUSDT-aggTrades-2024-11-05.zip"):
        (run.spool / "repair/files/binance-usdm" / name).write_bytes(b"half")
    end = run.until(once=True)
    assert counts(end)[2:5] == ({"repaired": 1}, 0, 4)
    assert sorted(run.ids()) == [11, 11, 12, 13, 14]
    assert [line["kind"] for line in run.lines("events")] == ["unknown", "control"]
    assert [path for path in run.spool.rglob("*") if path.is_file() and path.name != "lock"] == []


def test_without_once_it_goes_on_with_what_the_lake_publishes_later(run):
    run.publish(GAP)

    def is_enough(now):
        if now.ends.get("repaired") == 1 and now.gaps == 1:
            run.publish(GAP, LATER)
        return now.ends.get("repaired") == 2

    end = run.until(is_enough)
    assert counts(end) == (2, 0, {"repaired": 2}, 0, 5, 2, 0, [])
    assert run.ids() == [11, 12, 13, 14, 51]


def test_a_gap_that_the_lake_has_closed_is_forgotten(run):
    run.publish(GAP, {**LATER, "last_missing_id": 10**9})
    seen = []

    def is_enough(now):
        if sum(now.ends.values()) == 2:
            seen.append(now.left)
            run.publish()
        return bool(seen) and not now.ends

    assert counts(run.until(is_enough))[:4] == (0, 0, {}, 0)


def test_an_unreadable_list_does_not_end_a_run_that_goes_on(run):
    run.publish(data=b"{")
    seen = []

    def is_enough(now):
        if now.failures and not seen:
            seen.append(list(now.failures))
            run.publish(GAP)
        return now.ends.get("repaired") == 1

    assert counts(run.until(is_enough))[7] == []
    assert seen


class Away:
    """A lake that takes nothing."""

    def __init__(self, files) -> None:
        self.files = files

    def get(self, key):
        return self.files.get(key)

    def create(self, key, data):
        raise OSError("away", key, len(data))


def test_what_does_not_land_stays_in_the_spool_and_is_a_failure(run):
    run.publish(GAP)
    run.store, run.patience = Away(run.files), 0.0
    end = run.until(once=True)
    assert (end.left, end.waiting, end.is_good) == (0, 2, False)
    run.store, run.patience = run.files, 60.0
    run.publish()
    assert run.until(once=True).is_good
    assert run.ids() == [11, 12, 13, 14]


def test_a_fault_that_nobody_foresaw_ends_the_run(run):
    asked = "http://rest/api/v3/aggTrades?symbol=BTCUSDT&fromId=11&limit=4"
    run.ingest = replace(run.ingest, endpoints={"binance": {"spot": Endpoint(rest=("http://rest",))}})
    run.publish({**GAP, "market": "spot"})
    end = run.until()
    assert list(end.failures) == [f"repair binance spot: AssertionError({asked!r})"]
