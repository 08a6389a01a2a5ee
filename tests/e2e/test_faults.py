"""A venue that goes wrong in every way it can: what lands is its truth all the same, and each hole was told and closed."""

import json
import signal
from datetime import UTC, datetime, timedelta

import pytest

from ingest.simulator.market import market
from tests.support.desk import Desk, collected, ended
from tests.support.processes import ingest, simulator, until

BINANCE = ("binance", "spot", "agg_trade", "BTC-USDT")
FUTURES = ("binance", "usdm", "agg_trade", "BTC-USDT")
COINBASE = ("coinbase", "spot", "trade", "BTC-USD")
BITSO = ("bitso", "spot", "trade", "BTC-MXN")
FEEDS = {BINANCE, FUTURES, COINBASE, BITSO}
SPEED, MINUTES = 60, 5  # five seconds on the clock
SEED = 7

# what the script says; what must be told of it: (event, outcome) pairs that are there at least
FAULTS = {
    "frames are dropped": (
        "- {fault: drop, at: 90s, count: 20}",
        {("gap", "ids"), ("gap", "suspected"), ("repair", "repaired")},
    ),
    "frames come twice": ("- {fault: duplicate, at: 30s, count: 50}", set()),
    "frames come in another order": ("- {fault: reorder, at: 30s, count: 50, by: 4}", set()),
    "streams are acknowledged and mute": (
        "- {fault: mute, at: 30s, for: 240s}",
        {("mute", "proved"), ("repair", "repaired"), ("disconnect", "replaced")},
    ),
    "the venue falls silent without a word": (
        "- {fault: half-open, at: 60s}",
        {("mute", "proved"), ("repair", "repaired"), ("disconnect", "replaced")},
    ),
    "connections break": ("- {fault: abort, at: 60s, every: 60s}", {("disconnect", "closed"), ("repair", "repaired")}),
    "connections are closed": (
        "- {fault: close, at: 60s, every: 60s, code: 1008}",
        {("disconnect", "closed"), ("repair", "repaired")},
    ),
    "the venue announces its end": ("- {fault: shutdown, venue: binance, at: 60s, grace: 200s}", {("disconnect", "replaced")}),
    "connections reach their age": ("- {fault: age, age: 3s}", {("disconnect", "closed"), ("repair", "repaired")}),
    "frames are cut": ("- {fault: truncate, at: 60s, count: 5}", {("gap", "ids"), ("repair", "repaired")}),
    "frames are no text": ("- {fault: not-utf8, at: 60s, count: 5}", {("gap", "ids"), ("repair", "repaired")}),
    "numbers are none": (
        (
            "- {fault: bad-number, at: 60s, count: 5, field: p, value: NaN}\n"
            "- {fault: bad-number, at: 90s, count: 5, field: price, value: '1e400'}\n"
            "- {fault: bad-number, at: 90s, count: 5, field: r, value: Infinity}"
        ),
        {("gap", "ids"), ("repair", "repaired")},
    ),
    "frames are too big": (
        "- {fault: huge, at: 60s}",
        {("disconnect", "protocol"), ("repair", "repaired")},
    ),
    "fields appear": ("- {fault: new-field, at: 30s, count: 100}", set()),
    "ids vanish": (
        (
            "- {fault: lost-field, at: 60s, count: 5, field: a, venue: binance}\n"
            "- {fault: lost-field, at: 60s, count: 5, field: trade_id}"
        ),
        {("gap", "ids"), ("repair", "repaired")},
    ),
    "subscriptions are refused": ("- {fault: refuse-subscription, count: 1}", {("disconnect", "refused")}),
    "connections are refused": (
        (
            "- {fault: refuse-handshake, status: 429, retry_after: 1s, count: 2}\n"
            "- {fault: abort, at: 60s}\n"
            "- {fault: refuse-handshake, at: 60s, status: 503, count: 3}"
        ),
        {("connect", "failed"), ("repair", "repaired")},
    ),
    "REST fails while holes are repaired": (
        (
            "- {fault: drop, at: 60s, count: 20}\n"
            "- {fault: refuse-request, status: 503, count: 2}\n"
            "- {fault: refuse-request, status: 429, retry_after: 1s, skip: 2, count: 2}\n"
            "- {fault: cut, skip: 4, count: 2}\n"
            "- {fault: not-json, skip: 6, count: 2}\n"
            "- {fault: slow, delay: 1s, skip: 8, count: 2}"
        ),
        {("gap", "ids"), ("repair", "repaired")},
    ),
    "REST is behind the streams": (
        "- {fault: drop, at: 60s, count: 20}\n- {fault: stale, behind: 60s}",
        {("gap", "ids"), ("repair", "repaired")},
    ),
}
ORDER = sorted(FAULTS)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def truth(start):
    """Every trade that the venues have, from the market itself: nothing of the simulator's server is asked."""
    begin = int(start.timestamp()) * 1_000_000
    before = begin - 60_000_000  # Coinbase begins with the last match there was
    found = {}
    wanted = market(SEED, before, begin + MINUTES * 60_000_000, wanted=lambda series: (*series[:3], series.pair) in FEEDS)
    for frame in wanted:
        feed = (frame.series.venue, frame.series.market, frame.series.kind, frame.series.pair)
        found.setdefault(feed, []).extend((trade.trade_id, trade.price, trade.quantity) for trade in frame.trades)
    return found


def told(desk):
    """(Event, outcome) of all our events."""
    raws = [line["raw"] for line in desk.lines("events") if isinstance(line.get("raw"), dict)]
    return [(raw["event"], raw["outcome"]) for raw in raws if "event" in raw]


def trades(desk):
    """By feed, as a set; where a frame was changed on purpose, only the good copy counts."""
    found = collected(desk.lines())
    return {feed: {trade for trade in rows if all(part is not None for part in trade)} for feed, rows in found.items()}


@pytest.mark.parametrize("name", ORDER)
def test_what_lands_is_the_truth(desk, name):
    script, expected = FAULTS[name]
    path = desk.folder / "faults.yaml"
    path.write_text(script + "\n")
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    options = ["--speed", SPEED, "--seed", SEED, "--start", start.isoformat(), "--span", f"{MINUTES}m", "--stay"]
    there = truth(start)
    feeds = "\n".join(f"    - {{venue: {v}, market: {m}, kind: {k}, pairs: [{p}]}}" for v, m, k, p in sorted(FEEDS))
    more = "silence: {at_least: 1s}\n  repair: {audit_every: 1s, weight_share: 1}"
    conf = desk.conf(0, feeds="\n" + feeds, has_rest=True, more=more)

    def is_complete():
        landed = trades(desk)
        return set(landed) == FEEDS and all(there[feed][-1] in landed[feed] for feed in FEEDS) and not missing(landed)

    def missing(landed):
        return {
            feed: [trade for trade in there[feed] if trade not in landed[feed] and trade[0] >= min(landed[feed])[0]]
            for feed in FEEDS
            if not {trade for trade in there[feed] if trade[0] >= min(landed[feed])[0]} <= landed[feed]
        }

    with simulator(*options, "--faults", path, "--wait-for", 4) as (_, port):
        conf.write_text(conf.read_text().replace("127.0.0.1:0/", f"127.0.0.1:{port}/"))
        with ingest("collect", "--conf", conf) as collector:
            until(is_complete, collector, f"the truth: {name}", seconds=60, every=0.5)
            collector.send_signal(signal.SIGTERM)
            code, summary, _ = ended(collector)
    landed = trades(desk)
    for feed in FEEDS:
        assert landed[feed] <= set(there[feed]), feed
    assert expected <= set(told(desk)), json.dumps(sorted(set(map(str, told(desk)))))
    assert code == 0, summary
    assert " lost_lines=0 " in summary
