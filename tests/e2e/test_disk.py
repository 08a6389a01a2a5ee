"""A full disk and a failing one, under a real collector: what does not fit is told, counted and fetched when there is room again."""

import re
import signal

import pytest

from tests.support.desk import Desk, ended
from tests.support.disks import disk, failing, signal_traced
from tests.support.processes import ingest, simulator, until
from tests.support.venues import FEEDS, PATIENCE, YAML, Venues, caught_up, invented, landed, missing, newest

BEHIND = 500  # trades of the busiest feed: seconds, at this speed, in which nothing was received


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def lost(summary):
    return int(re.search(r" lost_lines=(\d+) ", summary)[1])


def events(desk):
    """(Event, outcome) of all that was told."""
    raws = [line["raw"] for line in desk.lines("events") if isinstance(line.get("raw"), dict)]
    return {(raw["event"], raw["outcome"]) for raw in raws if "event" in raw}


def outage(venues, collector):
    """Until nothing was received for a while."""
    begin = far(venues)
    until(lambda: far(venues) > begin + BEHIND, collector, "time to pass at the venues", every=0.2)


def far(venues):
    """How far the busiest feed of the venues is."""
    return newest(venues.truth())["binance", "spot", "agg_trade", "BTC-USDT"]


def start_again(desk, venues, conf):
    """Once more on a disk that is in order."""
    with ingest("collect", "--conf", conf) as collector:
        until(caught_up(desk, venues), collector, "the truth", every=0.3)
        collector.send_signal(signal.SIGTERM)
        code, _, errors = ended(collector)
    assert code == 0, errors[-2000:]


def assert_truth(desk, venues):
    found, there = landed(desk), venues.truth()
    assert (missing(there, found), invented(there, found)) == ({}, {})


def test_a_full_disk_costs_nothing_but_questions(desk):
    venues = Venues(60)
    with disk(desk.folder / "spool", 8) as small, simulator(*venues.options) as (_, port):
        conf = desk.conf(port, feeds=YAML, has_rest=True, more=PATIENCE)
        with ingest("collect", "--conf", conf) as collector:
            until(lambda: set(landed(desk)) == FEEDS, collector, "trades of all feeds")
            small.fill()
            outage(venues, collector)
            small.empty()
            until(caught_up(desk, venues), collector, "the truth", every=0.3)
            collector.send_signal(signal.SIGTERM)
            code, summary, errors = ended(collector)
    assert_truth(desk, venues)
    assert (code, lost(summary) > 0) == (1, True), summary
    assert "event=lost_lines" in errors
    assert "event=fault" not in errors
    assert {("gap", "ids"), ("repair", "repaired")} <= events(desk)


def test_a_collector_starts_on_a_full_disk_and_lands_what_is_there(desk):
    venues = Venues(60)
    with disk(desk.folder / "spool", 8) as small, simulator(*venues.options) as (_, port):
        conf = desk.conf(port, feeds=YAML, has_rest=True, more=PATIENCE)
        with ingest("collect", "--conf", conf) as collector:
            until(lambda: set(landed(desk)) == FEEDS and len(desk.in_spool("open")) > 2, collector, "trades of all feeds")
            collector.kill()
        (torn, *_) = desk.in_spool("open")
        torn.write_bytes(torn.read_bytes()[:-3])
        small.fill()
        with ingest("collect", "--conf", conf) as collector:
            until(lambda: not desk.in_spool("sealed"), collector, "an empty spool")
            outage(venues, collector)
            small.empty()
            until(caught_up(desk, venues), collector, "the truth", every=0.3)
            collector.send_signal(signal.SIGTERM)
            _, _, errors = ended(collector)
        start_again(desk, venues, conf)  # sockets were closed while REST told what is new: the stop may come upon a hole
    assert_truth(desk, venues)
    assert "event=fault" not in errors


@pytest.mark.parametrize(
    "injection",
    [
        "fsync:error=EIO:when=3..12+3",
        "write:error=ENOSPC:when=40",
        pytest.param("fsync:error=EIO:when=5", marks=pytest.mark.long),
        pytest.param("fsync:error=ENOSPC:when=4..8", marks=pytest.mark.long),
        pytest.param("write:error=EIO:when=60", marks=pytest.mark.long),
    ],
)
def test_system_calls_that_fail_end_nothing(desk, injection):
    venues = Venues(30)
    log = desk.folder / "strace.log"
    with simulator(*venues.options) as (_, port):
        conf = desk.conf(port, feeds=YAML, has_rest=True, more=PATIENCE)
        with failing([injection], log, "collect", "--conf", conf) as collector:
            until(lambda: set(landed(desk)) == FEEDS, collector, "trades of all feeds")
            until(caught_up(desk, venues), collector, "the truth", every=0.3)
            signal_traced(collector, signal.SIGTERM)
            code, summary, errors = ended(collector)
        start_again(desk, venues, conf)  # lands what could not be sealed at the end
    assert_truth(desk, venues)
    assert log.read_text().count("(INJECTED)") > 2
    assert "event=fault" not in errors
    is_good = lost(summary) == 0 and "could not be sealed" not in summary
    assert (code, lost(summary) > 0 and "write" not in injection) == (0 if is_good else 1, False), (summary, errors[-2000:])
    assert (desk.in_spool("open"), desk.in_spool("sealed")) == ([], [])
