"""Venues that add fields, drop them and turn sides round: each is told once, and the trades land all the same."""

import json
import re
import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.desk import Desk, by_feed, collected, ended
from tests.support.processes import ingest, simulator, until

FEEDS = """
    - {venue: binance, market: spot, kind: agg_trade, pairs: [BTC-USDT]}
    - {venue: binance, market: usdm, kind: agg_trade, pairs: [BTC-USDT]}
    - {venue: coinbase, market: spot, kind: trade, pairs: [BTC-USD]}
    - {venue: bitso, market: spot, kind: trade, pairs: [BTC-MXN]}"""
ASIDE = """
    - {venue: binance, market: spot, kind: trade, pairs: [BTC-USDT]}
    - {venue: binance, market: spot, kind: book_top, pairs: [BTC-USDT]}
    - {venue: binance, market: spot, kind: book, pairs: [BTC-USDT], depth: 5}
    - {venue: binance, market: spot, kind: book_diff, pairs: [BTC-USDT]}
    - {venue: binance, market: spot, kind: kline, pairs: [BTC-USDT], width: 1s}
    - {venue: binance, market: usdm, kind: book_top, pairs: [BTC-USDT]}
    - {venue: binance, market: usdm, kind: book, pairs: [BTC-USDT], depth: 5}
    - {venue: binance, market: usdm, kind: book_diff, pairs: [BTC-USDT]}
    - {venue: binance, market: usdm, kind: kline, pairs: [BTC-USDT]}
    - {venue: coinbase, market: spot, kind: book_diff, pairs: [BTC-USD]}
    - {venue: bitso, market: spot, kind: book, pairs: [BTC-MXN]}
    - {venue: bitso, market: spot, kind: book_diff, pairs: [BTC-MXN]}"""
DISHONEST = """
- {fault: flip-side, venue: coinbase, for: 1h}
- {fault: flip-side, venue: bitso, for: 1h}
- {fault: new-field, venue: binance, market: spot, at: 30s, for: 1h}
- {fault: lost-field, venue: binance, market: usdm, field: E, at: 30s, for: 1h}
"""
BINANCE, FUTURES = ("binance", "spot", "btcusdt@aggTrade"), ("binance", "usdm", "btcusdt@aggTrade")
COINBASE, BITSO = ("coinbase", "spot", "matches:BTC-USD"), ("bitso", "spot", "trades:btc_mxn")


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def told(desk, event):
    """What the events of that name say, by stream."""
    found = {}
    for line in desk.lines("events"):
        raw = line["raw"]
        if isinstance(raw, dict) and raw.get("event") == event:
            found.setdefault((line["venue"], line["market"], raw["stream"]), []).append((raw["outcome"], raw["detail"]))
    return found


def outcomes(desk, event):
    return {place: [outcome for outcome, _ in found] for place, found in told(desk, event).items()}


def test_what_a_dishonest_venue_does_is_told_once_and_the_trades_land_all_the_same(desk):
    path, script = desk.folder / "truth.jsonl", desk.folder / "faults.yaml"
    script.write_text(DISHONEST)
    start = datetime.now(UTC) - timedelta(hours=1)
    options = ["--speed", 20, "--start", start.isoformat(), "--truth", path, "--wait-for", 4, "--faults", script]
    with (
        simulator(*options) as (venues, port),
        ingest("collect", "--conf", desk.conf(port, feeds=FEEDS, has_rest=True)) as collector,
    ):
        until(lambda: len(told(desk, "side")) == 4 and len(told(desk, "drift")) == 2, collector, "all that is told", every=0.2)
        collector.send_signal(signal.SIGTERM)
        code, summary, _ = ended(collector)
        venues.send_signal(signal.SIGTERM)
        assert venues.wait(20) == 0
    assert told(desk, "drift") == {BINANCE: [(None, "new: zz")], FUTURES: [(None, "gone: E")]}
    assert outcomes(desk, "side") == {BINANCE: ["agrees"], FUTURES: ["agrees"], COINBASE: ["differs"], BITSO: ["differs"]}
    for place in (COINBASE, BITSO):
        assert re.fullmatch(r"taker of \d+: [\d, ]+(…)?", told(desk, "side")[place][0][1])
    places = [(venue, market, None) for venue, market, _ in (BINANCE, FUTURES, COINBASE)]
    assert outcomes(desk, "clock") == {place: ["off"] for place in places}  # the market is an hour old
    there = by_feed(
        ((row["venue"], row["market"], row["kind"], row["pair"]), (row["trade_id"], row["price"], row["quantity"]))
        for row in map(json.loads, path.read_text().splitlines())
    )
    landed = {feed: set(trades) for feed, trades in collected(desk.lines()).items()}
    assert len(landed) == 4
    for feed, trades in landed.items():
        assert trades == {trade for trade in there[feed] if min(trades)[0] <= trade[0] <= max(trades)[0]}, feed
    assert code == 0
    assert " gaps=0 open_holes=0" in summary


def test_of_an_honest_venue_nothing_is_told_but_that_it_agrees(desk):
    conf = desk.conf(0, feeds=FEEDS + ASIDE, has_rest=True)
    with simulator() as (_, port):
        conf.write_text(conf.read_text().replace("127.0.0.1:0/", f"127.0.0.1:{port}/"))
        with ingest("collect", "--conf", conf) as collector:

            def is_enough():
                lines = [line for name in ("books", "klines", "diffs") for line in desk.lines(name)]
                kinds = {(line["venue"], line["market"], line["kind"]) for line in lines}
                return len(kinds) == 12 and {BINANCE, FUTURES, COINBASE} <= told(desk, "side").keys()

            until(is_enough, collector, "frames of each kind", seconds=90, every=0.5)
            collector.send_signal(signal.SIGTERM)
            assert ended(collector)[0] == 0
    assert told(desk, "drift") == {}
    assert {outcome for found in outcomes(desk, "side").values() for outcome in found} == {"agrees"}
    places = [(venue, market, None) for venue, market, _ in (BINANCE, FUTURES, COINBASE)]
    assert outcomes(desk, "clock") == {place: ["ok"] for place in places}
