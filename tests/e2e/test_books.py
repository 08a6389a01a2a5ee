"""Order books, best prices and candles, streamed and asked for: whole, in the order sent, and a hole answered with the book."""

import signal

import pytest

from tests.support.desk import Desk, ended
from tests.support.processes import ingest, simulator, until

FEEDS = """
    - {venue: binance, market: spot, kind: book_diff, pairs: [BTC-USDT]}
    - {venue: binance, market: spot, kind: book_top, pairs: ["*-USDT"]}
    - {venue: binance, market: spot, kind: book, depth: 5, pairs: [BTC-USDT]}
    - {venue: binance, market: spot, kind: kline, pairs: [BTC-USDT]}
    - {venue: binance, market: usdm, kind: book_diff, pairs: [BTC-USDT]}
    - {venue: coinbase, market: spot, kind: book_diff, pairs: [BTC-USD]}
    - {venue: bitso, market: spot, kind: book_diff, pairs: [BTC-MXN]}
    - {venue: bitso, market: spot, kind: book, pairs: [BTC-MXN]}"""
POLLS = """polls:
    - {venue: binance, market: spot, kind: book, every: 5s, depth: 5000, pairs: [BTC-USDT]}
    - {venue: coinbase, market: spot, kind: book, every: 5s, level: 3, pairs: [BTC-USD]}
    - {venue: bitso, market: spot, kind: book, every: 5s, aggregate: true, pairs: [BTC-MXN]}
    - {venue: binance, market: spot, kind: kline, every: 5s, width: 1m, pairs: [BTC-USDT]}"""
EXPECTED = {  # venue, market, channel, kind, pair, source
    ("binance", "spot", "diffs", "book_diff", "BTC-USDT", "ws"),
    ("binance", "spot", "diffs", "book_top", "BTC-USDT", "ws"),
    ("binance", "spot", "diffs", "book_top", "ETH-USDT", "ws"),
    ("binance", "spot", "diffs", "book_top", "PEPE-USDT", "ws"),
    ("binance", "spot", "books", "book", "BTC-USDT", "ws"),
    ("binance", "spot", "books", "book", "BTC-USDT", "rest"),
    ("binance", "spot", "klines", "kline", "BTC-USDT", "ws"),
    ("binance", "spot", "klines", "kline", "BTC-USDT", "rest"),
    ("binance", "usdm", "diffs", "book_diff", "BTC-USDT", "ws"),
    ("binance", "usdm", "books", "book", "BTC-USDT", "rest"),
    ("coinbase", "spot", "diffs", "book_diff", "BTC-USD", "ws"),
    ("coinbase", "spot", "books", "book", "BTC-USD", "ws"),
    ("coinbase", "spot", "books", "book", "BTC-USD", "rest"),
    ("bitso", "spot", "diffs", "book_diff", "BTC-MXN", "ws"),
    ("bitso", "spot", "books", "book", "BTC-MXN", "ws"),
    ("bitso", "spot", "books", "book", "BTC-MXN", "rest"),
}
DROPS = """
- {fault: drop, venue: binance, market: spot, stream: btcusdt@depth@100ms, skip: 30, count: 3}
- {fault: drop, venue: bitso, stream: "diff-orders:btc_mxn", skip: 30, count: 2}
"""


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def lines(desk):
    return [line for channel in ("books", "diffs", "klines") for line in desk.lines(channel)]


def holes(desk):
    told = [(line["venue"], line["raw"]) for line in desk.lines("events") if line["kind"] == "control"]
    wanted = [(venue, raw) for venue, raw in told if raw.get("event") in ("gap", "repair") and raw.get("feed") == "book_diff"]
    return sorted(
        (venue, raw["event"], raw["outcome"], raw["last_missing_id"] - raw["first_missing_id"] + 1) for venue, raw in wanted
    )


def test_everything_that_is_asked_for_lands_and_a_hole_is_answered_with_the_book(desk):
    path = desk.folder / "faults.yaml"
    path.write_text(DROPS)
    with simulator("--speed", 1, "--faults", path, "--stay") as (_, port):
        conf = desk.conf(port, feeds=FEEDS, has_rest=True, more=POLLS)
        with ingest("collect", "--conf", conf) as collector:
            found = lambda: {  # noqa: E731 - looked at again and again
                (line["venue"], line["market"], line["channel"], line["kind"], line["pair"], line["source"])
                for line in lines(desk)
            }
            until(lambda: found() == EXPECTED and len(holes(desk)) == 4, collector, "all kinds, and holes that end", every=0.5)
            collector.send_signal(signal.SIGTERM)
            code, summary, errors = ended(collector)
    assert (code, errors.count("level=ERROR")) == (0, 0), summary + errors
    # ids of Binance count the changes in a message, those of Bitso the messages
    (bitso_gap, bitso_end, gap, end) = [holes(desk)[place] for place in (2, 3, 0, 1)]
    assert (bitso_gap, bitso_end) == (("bitso", "gap", "ids", 2), ("bitso", "repair", "resynced", 2))
    assert (gap[:3], end[:3], gap[3], gap[3] % 3) == (("binance", "gap", "ids"), ("binance", "repair", "resynced"), end[3], 0)
    assert first_ids_join(desk)


def first_ids_join(desk):
    """The whole book that was fetched at the start lies within the changes that were streamed: they can be joined."""
    books = [line["raw"]["lastUpdateId"] for line in lines(desk) if is_snapshot(line)]
    changes = [
        line["raw"]["data"]
        for line in lines(desk)
        if (line["kind"], line["market"]) == ("book_diff", "spot") and "data" in line["raw"]
    ]
    return any(changes[0]["U"] <= book + 1 and book <= changes[-1]["u"] for book in books)


def is_snapshot(line):
    return (line["venue"], line["market"], line["kind"], line["source"]) == ("binance", "spot", "book", "rest")
