"""Who took in a trade, as a stream tells it and as REST does: read by each venue's convention, joined by id, compared exactly."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.collector.sides import LEAST, Sample, Stated, Verdict, parsed, stated, verdict
from ingest.exchanges import EXCHANGES, find_exchange

BOUGHT, SOLD = (Stated(side, Decimal("60000.1"), Decimal("0.5")) for side in ("buy", "sell"))
# what each source says when the taker bought trade 7 and sold trade 8, both 0.5 at 60000.1
TEXTS = {
    ("binance", "spot", "agg_trade", "ws"): [
        '{"stream":"s","data":{"a":7,"p":"60000.10000000","q":"0.50000000","m":false}}',
        '{"stream":"s","data":{"a":8,"p":"60000.10000000","q":"0.50000000","m":true}}',
    ],
    ("binance", "spot", "agg_trade", "rest"): [
        '[{"a":7,"p":"60000.10","q":"0.5","m":false},{"a":8,"p":"60000.10","q":"0.5","m":true}]'
    ],
    ("binance", "spot", "trade", "ws"): [
        '{"stream":"s","data":{"t":7,"p":"60000.1","q":"0.5","m":false}}',
        '{"stream":"s","data":{"t":8,"p":"60000.1","q":"0.5","m":true}}',
    ],
    ("binance", "spot", "trade", "rest"): [
        (
            '[{"id":7,"price":"60000.1","qty":"0.5","isBuyerMaker":false},'
            '{"id":8,"price":"60000.1","qty":"0.5","isBuyerMaker":true}]'
        )
    ],
    ("binance", "usdm", "agg_trade", "ws"): [
        '{"stream":"s","data":{"a":7,"p":"60000.1","q":"0.5","nq":"0.1","m":false}}',
        '{"stream":"s","data":{"a":8,"p":"60000.1","q":"0.5","nq":"0.1","m":true}}',
    ],
    ("binance", "usdm", "agg_trade", "rest"): [
        '[{"a":7,"p":"60000.1","q":"0.5","m":false},{"a":8,"p":"60000.1","q":"0.5","m":true}]'
    ],
    # the maker's side in both: where the maker sold, the taker bought
    ("coinbase", "spot", "trade", "ws"): [
        '{"type":"match","trade_id":7,"price":"60000.1","size":"0.5","side":"sell"}',
        '{"type":"last_match","trade_id":8,"price":"60000.1","size":"0.5","side":"buy"}',
    ],
    ("coinbase", "spot", "trade", "rest"): [
        (
            '[{"trade_id":8,"price":"60000.10000000","size":"0.50000000","side":"buy"},'
            '{"trade_id":7,"price":"60000.10000000","size":"0.50000000","side":"sell"}]'
        )
    ],
    # the taker's on the stream, the maker's over REST; several in a frame; an id may be a number or a text
    ("bitso", "spot", "trade", "ws"): [
        '{"type":"trades","payload":[{"i":8,"r":"60000.1","a":"0.5","t":1},{"i":7,"r":"60000.1","a":"0.5","t":0}]}'
    ],
    ("bitso", "spot", "trade", "rest"): [
        (
            '{"success":true,"payload":[{"tid":8,"price":"60000.10","amount":"0.50000000","maker_side":"buy"},'
            '{"tid":"7","price":"60000.10","amount":"0.50000000","maker_side":"sell"}]}'
        )
    ],
}


@pytest.mark.parametrize("source", TEXTS, ids=" ".join)
def test_each_source_tells_who_took_by_its_own_convention(source):
    venue, market, kind, how = source
    reading = find_exchange(venue, market).readings[kind, how]
    found = [trade for text in TEXTS[source] for trade in stated(reading, parsed(text.encode()))]
    assert dict(found) == {7: BOUGHT, 8: SOLD}
    assert len(found) == 2


def test_every_feed_whose_past_is_asked_for_is_among_them():
    assert {source[:3] for source in TEXTS} == {
        (exchange.venue, exchange.market, kind) for exchange in EXCHANGES.values() for kind in exchange.rest.histories
    }


BITSO = find_exchange("bitso", "spot").readings["trade", "ws"]


@pytest.mark.parametrize(
    ("item", "trade"),
    [
        ({"i": 7, "r": "1", "a": "2", "t": 0}, Stated("buy", Decimal(1), Decimal(2))),
        ({"i": 7, "r": 1.10, "a": 2, "t": "0"}, Stated("buy", Decimal("1.1"), Decimal(2))),
        ({"i": 7, "r": "1", "a": "2", "t": 2}, Stated(None, Decimal(1), Decimal(2))),
        ({"i": 7}, Stated(None, None, None)),
        ({"i": 7, "r": "x", "a": "NaN", "t": None}, Stated(None, None, None)),
        ({"i": 7, "r": "sNaN", "a": [], "t": {}}, Stated(None, None, None)),
    ],
)
def test_what_cannot_be_read_of_a_trade_is_none(item, trade):
    assert list(stated(BITSO, parsed(json.dumps({"payload": [item]}).encode()))) == [(7, trade)]


@pytest.mark.parametrize(
    "text", [b"{", b"", b"7", b"null", b'{"payload":7}', b'{"payload":[7,{"i":null},{"i":true},{"i":"x"}]}', b"[" * 99999]
)
def test_what_is_no_trade_is_left_out(text):
    assert list(stated(BITSO, parsed(text))) == []


@given(
    tree=st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["payload", "i", "t", "data", "a"]), inner),
    )
)
def test_any_json_value_can_be_read(tree):
    for exchange in EXCHANGES.values():
        for reading in exchange.readings.values():
            list(stated(reading, tree))


def test_a_sample_takes_lines_until_it_is_enough():
    sample = Sample(BITSO, enough=3)
    items = [{"i": number, "r": "60000.1", "a": "0.5", "t": number % 2} for number in range(4)]
    for payload in (items[:1], items[:2], items[2:]):
        assert not sample.is_full
        sample.take(b'{"v":1,"recv_ns":5,"raw":%b}' % json.dumps({"payload": payload}).encode())
    sample.take(b'{"v":1,"raw_text":"{"}')
    assert sample.is_full
    assert sample.trades == {0: BOUGHT, 1: SOLD, 2: BOUGHT}


def many(*numbers, **changes):
    return {number: BOUGHT._replace(**changes) for number in numbers}


@pytest.mark.parametrize(
    ("streamed", "told", "found"),
    [
        (many(*range(LEAST)), many(*range(LEAST + 3)), Verdict("agrees", LEAST, None)),
        (many(*range(LEAST)), many(*range(1, LEAST + 3)), None),
        ({}, {}, None),
        (many(*range(5)), many(*range(5), quantity=Decimal("0.50000000")), Verdict("agrees", 5, None)),
        (many(*range(5)), {**many(*range(4)), 4: SOLD}, Verdict("differs", 5, "taker of 1: 4")),
        (many(*range(20)), many(*range(20), taker="sell"), Verdict("differs", 20, "taker of 20: 0, 1, 2, 3, 4, …")),
        (
            many(*range(6)),
            {**many(0, 1, 2, 3), **many(4, price=Decimal("60000.2")), **many(5, quantity=Decimal("0.50000001"), taker="sell")},
            Verdict("differs", 6, "taker of 1: 5; price of 1: 4; quantity of 1: 5"),
        ),
        (many(*range(5), taker=None), many(*range(5), taker=None), Verdict("differs", 5, "taker of 5: 0, 1, 2, 3, 4")),
    ],
)
def test_only_what_both_told_is_compared_and_enough_of_it(streamed, told, found):
    assert verdict(streamed, told) == found
