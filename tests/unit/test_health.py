"""What is wrong with a collector, and what the day was like: judged by its vitals alone."""

from dataclasses import replace

import pytest

from ingest.alerts.alert import Key, Severity
from ingest.watch.health import conditions, daily
from ingest.watch.vitals import plain, quantiles, vitals
from tests.support.vitals import FEED, LINK, MARKET, SPOOL, VITALS


def with_(**parts):
    """The vitals of a healthy collector, but for these."""
    one = {"links": "link", "feeds": "feed", "markets": "market"}
    return replace(VITALS, **{name: (value,) if name in one else value for name, value in parts.items()})


def test_a_healthy_collector_has_nothing_wrong():
    assert conditions(VITALS) == {}


@pytest.mark.parametrize(
    ("sick", "key", "severity", "text"),
    [
        (
            with_(links=replace(LINK, is_connected=False, since_seconds=31.0)),
            Key("stall", "binance spot agg_trade"),
            Severity.CRITICAL,
            "not connected for 31 s",
        ),
        (
            with_(links=replace(LINK, is_connected=False, since_seconds=99.0, given_up="HTTP 451")),
            Key("given up", "binance spot agg_trade"),
            Severity.CRITICAL,
            "HTTP 451",
        ),
        (
            with_(links=replace(LINK, lost=3, lost_seconds=599.0)),
            Key("lost lines", "binance spot agg_trade"),
            Severity.WARNING,
            "3 lines that the spool refused; they are fetched as holes",
        ),
        (
            with_(feeds=replace(FEED, is_mute=True, heard_seconds=12.4)),
            Key("mute", "binance spot agg_trade BTC-USDT"),
            Severity.CRITICAL,
            "silent for 12 s while the venue trades",
        ),
        (
            with_(feeds=replace(FEED, holes=2)),
            Key("gap", "binance spot agg_trade BTC-USDT"),
            Severity.WARNING,
            "2 holes that are not repaired yet",
        ),
        (
            with_(markets=replace(MARKET, waiting=3, stuck=1, failed=4)),
            Key("repair failed", "binance spot"),
            Severity.WARNING,
            "1 holes could not be asked for; they are tried again",
        ),
        (
            with_(markets=replace(MARKET, polls=9, polls_failed=3, polls_failing=("book BTC-USDT", "instruments"))),
            Key("polls fail", "binance spot"),
            Severity.WARNING,
            "no answer to book BTC-USDT, instruments",
        ),
        (
            with_(spool=replace(SPOOL, bytes=80)),
            Key("spool filling", ""),
            Severity.WARNING,
            "80 bytes, 80% of its bound",
        ),
        (
            with_(spool=replace(SPOOL, bytes=95, is_full=True)),
            Key("spool full", ""),
            Severity.CRITICAL,
            "95 bytes: nothing is received until there is room",
        ),
        (
            with_(spool=replace(SPOOL, failing_seconds=61.0, waiting=5)),
            Key("upload failing", ""),
            Severity.CRITICAL,
            "nothing has landed for 61 s; 5 segments wait",
        ),
        (
            with_(spool=replace(SPOOL, conflicts=1)),
            Key("conflict", ""),
            Severity.CRITICAL,
            "1 objects exist with other lines; both are kept",
        ),
        (
            with_(markets=replace(MARKET, clock_ms=-1500.0)),
            Key("clock", "binance spot"),
            Severity.WARNING,
            "-1.5 s from ours",
        ),
        (
            with_(sides={"bitso spot trade BTC-MXN": "taker of 7"}),
            Key("side", "bitso spot trade BTC-MXN"),
            Severity.CRITICAL,
            "stream and REST differ: taker of 7",
        ),
        (
            with_(drifts={"binance spot trade": 3}),
            Key("drift", "binance spot trade"),
            Severity.WARNING,
            "3 frames with other fields than documented; the events say which",
        ),
        (with_(faults=("keeper: bug",)), Key("fault", "keeper"), Severity.CRITICAL, "keeper: bug"),
    ],
)
def test_each_thing_that_can_be_wrong(sick, key, severity, text):
    assert conditions(sick) == {key: (severity, text)}


@pytest.mark.parametrize(
    "well",
    [
        with_(links=replace(LINK, is_connected=False, since_seconds=29.0)),
        with_(links=replace(LINK, lost=3, lost_seconds=600.0)),
        with_(markets=replace(MARKET, failed=4, waiting=1)),  # those that failed were closed since; a new one waits for its turn
        with_(markets=replace(MARKET, polls=3, polls_failed=3)),  # and answered since
        with_(spool=replace(SPOOL, bytes=79)),
        with_(spool=replace(SPOOL, failing_seconds=59.0)),
    ],
)
def test_what_comes_right_by_itself_is_not_wrong(well):
    assert conditions(well) == {}


def test_connections_of_a_kind_are_one_thing():
    """Two of three are gone, for 40 and for 50 seconds."""
    links = [
        LINK,
        *(replace(LINK, is_connected=False, since_seconds=seconds, lost=2, lost_seconds=1.0) for seconds in (40.0, 50.0)),
    ]
    where = "binance spot agg_trade"
    assert conditions(replace(VITALS, links=links)) == {
        Key("stall", where): (Severity.CRITICAL, "2 of 3 connections: not connected for 50 s"),
        Key("lost lines", where): (Severity.WARNING, "4 lines that the spool refused; they are fetched as holes"),
    }
    links[1] = replace(links[1], given_up="HTTP 451")
    assert conditions(replace(VITALS, links=links))[Key("given up", where)] == (
        Severity.CRITICAL,
        "1 of 3 connections: HTTP 451",
    )


def test_the_day_is_what_came_since_the_last_report():
    later = replace(
        VITALS,
        seconds=7200.0,
        links=(replace(LINK, frames=5000, connections=4),),
        markets=(replace(MARKET, repaired=3, rows=120, waiting=1),),
    )
    assert daily(VITALS, later).splitlines() == [
        "collector laptop: running for 2.0 h, 0 segments wait",
        "binance spot agg_trade: 4,000 frames, 3 reconnects, 1 streams",
        "binance spot: 3 holes repaired, 120 rows fetched, 1 wait",
    ]
    two = replace(later, links=(replace(LINK, frames=100), replace(LINK, frames=5000, connections=4)))
    assert daily(VITALS, two).splitlines()[1] == "binance spot agg_trade: 4,100 frames, 3 reconnects, 2 streams"
    assert daily(None, later).splitlines()[1] == "binance spot agg_trade: 5,000 frames, 3 reconnects, 1 streams"


def test_vitals_outlive_the_disk():
    assert vitals(plain(VITALS)) == VITALS


@pytest.mark.parametrize("tree", [{}, {"feeds": 1}, {**plain(VITALS), "more": 1}, {**plain(VITALS), "spool": {}}])
def test_what_is_none_is_refused(tree):
    with pytest.raises((KeyError, TypeError)):
        vitals(tree)


def test_quantiles():
    assert quantiles([]) == ()
    assert quantiles([7.0]) == (7.0, 7.0, 7.0, 7.0)
    assert quantiles([float(number) for number in range(1000, 0, -1)]) == (1.0, 501.0, 991.0, 1000.0)
