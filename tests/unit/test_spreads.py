"""The best prices of every shape of book, and what of their distance people are told."""

import json
from decimal import Decimal

import orjson
import pytest

from ingest.alerts.alert import Key, Raised, Recovered, Severity
from ingest.exchanges import EXCHANGES, find_exchange
from ingest.watch.spreads import Book, Spreads, best_prices
from tests.support import wire

BOOKS = [
    ("binance spot", "book_top", "ws", {"data": {"b": "25.3519", "B": "31", "a": "25.3652", "A": "40"}}, ("25.3519", "25.3652")),
    (
        "binance spot",
        "book",
        "ws",
        {"data": {"lastUpdateId": 1, "bids": [["24", "1"], ["23", "9"]], "asks": [["26", "1"]]}},
        ("24", "26"),
    ),
    (
        "binance spot",
        "book",
        "rest",
        {"lastUpdateId": 1, "bids": [["24", "1"]], "asks": [["26", "1"], ["27", "1"]]},
        ("24", "26"),
    ),
    ("binance usdm", "book_top", "ws", {"data": {"e": "bookTicker", "b": "24", "a": "26"}}, ("24", "26")),
    ("binance usdm", "book", "ws", {"data": {"e": "depthUpdate", "b": [["24", "1"]], "a": [["26", "1"]]}}, ("24", "26")),
    ("binance usdm", "book", "rest", {"bids": [["24", "1"]], "asks": [["26", "1"]]}, ("24", "26")),
    (
        "coinbase spot",
        "book",
        "ws",
        {"type": "snapshot", "bids": [["23", "1"], ["24", "1"]], "asks": [["26", "1"]]},
        ("24", "26"),
    ),
    ("coinbase spot", "book", "rest", {"bids": [["24", "1", 3]], "asks": [["26", "1", 2]]}, ("24", "26")),
    (
        "bitso spot",
        "book",
        "ws",
        {"type": "orders", "payload": {"bids": [{"r": "24", "t": 1}], "asks": [{"r": "27", "t": 0}, {"r": "26", "t": 0}]}},
        ("24", "26"),
    ),
    ("bitso spot", "book", "rest", {"payload": {"asks": [{"price": "26"}], "bids": [{"price": "24"}]}}, ("24", "26")),
]


def exchange(name):
    return find_exchange(*name.split())


@pytest.mark.parametrize(("name", "kind", "source", "tree", "best"), BOOKS, ids=[" ".join(row[:3]) for row in BOOKS])
def test_the_best_prices_of_each_shape(name, kind, source, tree, best):
    top = exchange(name).tops[kind, source]
    assert best_prices(top, orjson.dumps(tree)) == tuple(map(Decimal, best))


def test_each_book_that_is_collected_has_its_best_prices():
    shown = {(name, kind, source) for name, kind, source, *_ in BOOKS}
    told = {(one.name, kind, source) for one in EXCHANGES.values() for kind, source in one.tops}
    assert {one for one in told if one[2] != "adopted"} == shown  # books of long ago are nobody's best price now


def test_documented_frames_have_best_prices():
    found = [
        (one.name, json.loads(text), best_prices(one.tops[seen["kind"], "ws"], text.encode()))
        for one in EXCHANGES.values()
        for line, seen in wire.seen(one).items()
        if (seen["kind"], "ws") in one.tops and (text := wire.frames(one)[line])
    ]
    assert [(name, frame["payload"]) for name, frame, best in found if best is None] == [("bitso spot", {"bids": [], "asks": []})]
    assert len(found) == 7


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b'{"bids":[],"asks":[]}', b'{"bids":[["x","1"]],"asks":[["1","1"]]}', b'{"bids":1}']
)
def test_what_is_no_book_has_none(raw):
    assert best_prices(exchange("binance spot").tops["book", "rest"], raw) is None


def book(bid, ask, source="book poll"):
    raw = orjson.dumps({"bids": [[bid, "1"]], "asks": [[ask, "1"]]})
    return [Book("binance spot BTC-USDT", source, exchange("binance spot").tops["book", "rest"], raw)]


def test_a_wide_book_is_told_and_so_is_its_end():
    spreads = Spreads((Decimal("1.0"), Decimal("0.5")))
    assert list(spreads.judge(book("99.9", "100"), 1)) == []
    half = Key("spread above 0.5 %", "binance spot BTC-USDT")
    assert list(spreads.judge(book("99.4", "100"), 2)) == [
        Raised(half, Severity.INFO, "0.6000 % of the ask (bid 99.4, ask 100)", 2)
    ]
    assert list(spreads.judge(book("99.4", "100"), 3)) == []
    assert list(spreads.judge(book("", "100"), 4)) == []
    assert list(spreads.judge(book("99.9", "100"), 5)) == [Recovered(half)]


def test_a_poll_of_an_hour_ago_does_not_contradict_the_stream():
    spreads = Spreads((Decimal("1.0"),))
    wide, narrow = Key("spread above 1.0 %", "binance spot BTC-USDT"), book("99.9", "100", "btcusdt@bookTicker")
    polled = book("98", "100")
    raised = Raised(wide, Severity.WARNING, "2.0000 % of the ask (bid 98, ask 100)", 1)
    assert list(spreads.judge(polled, 1)) == [raised]
    assert list(spreads.judge([*narrow, *polled], 2)) == [Recovered(wide)]
    assert list(spreads.judge([*narrow, *polled], 3)) == []
