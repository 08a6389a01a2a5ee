"""One small landing line for each thing that may be right or wrong with it, and the whole item that it means."""

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.support.lines import Collector, micros, moment

AT = "10:00:00"
MS = micros(AT) // 1000
Columns = dict[str, Any]


def line(raw: object, **said: object) -> str:
    return Collector("c").line(raw, received=micros("10:00:01"), **said).decode().removesuffix("\n")


def aggregate(**said: object) -> dict[str, object]:
    """An aggregate that says something else; None: it does not say that at all."""
    told = {
        "e": "aggTrade",
        "E": MS + 1,
        "s": "BTCUSDT",
        "a": 7,
        "p": "100.00",
        "q": "1.000",
        "f": 14,
        "l": 15,
        "T": MS,
        "m": False,
    }
    return {"stream": "btcusdt@aggTrade", "data": {name: value for name, value in (told | said).items() if value is not None}}


def frame(**said: object) -> str:
    return line(aggregate(**said))


def less(part: str) -> str:
    told = json.loads(frame())
    del told[part]
    return json.dumps(told)


def usdm(order_type: str) -> str:
    told = {"e": "trade", "E": MS + 1, "T": MS, "s": "BTCUSDT", "t": 7, "p": "100.00", "q": "1.000", "X": order_type, "m": False}
    return line({"stream": "btcusdt@trade", "data": told}, market="usdm", kind="trade")


def dump(**said: object) -> str:
    told = {"a": "7", "p": "100.00", "q": "1.000", "f": "14", "l": "15", "T": str(MS), "m": "False", "M": "True"}
    return line(told | said, source="dump")


def bitso(raw: object, **said: object) -> str:
    return line(raw, **({"venue": "bitso", "kind": "trade", "pair": "BTC-MXN"} | said))


# the item of `frame()`; the cases below say in what theirs differs
GOOD: Columns = {
    "channel": "trades", "venue": "binance", "market": "spot", "feed": "agg_trade", "pair": "BTC-USDT", "trade_id": 7,
    "first_id": 14, "last_id": 15, "price": Decimal(100), "quantity": Decimal(1), "quote_quantity": Decimal(100),
    "taker_side": "buy", "ts": moment(AT), "event_ts": moment(AT) + timedelta(milliseconds=1), "recv_ts": moment("10:00:01"),
    "source": "ws", "conn": "c", "seq": 1, "item": 0, "dense": True, "control": False, "reason": None, "detail": None,
}  # fmt: skip
OF_THE_TRADE = ("trade_id", "first_id", "last_id", "price", "quantity", "quote_quantity", "taker_side", "ts", "event_ts")
UNREAD: Columns = dict.fromkeys(OF_THE_TRADE)
OF_BITSO: Columns = UNREAD | {"venue": "bitso", "feed": "trade", "pair": "BTC-MXN", "dense": False}
NOTHING: Columns = dict.fromkeys(GOOD) | {"item": 0, "dense": False, "control": False, "reason": "not_envelope"}
MICROS = moment(AT) + timedelta(microseconds=123_000)


def price(text: str | float | None, said: str | None = None) -> tuple[str, Columns]:
    """A price that is none."""
    shown = said or text
    detail = None if shown is None else f"price_text = {shown}"
    return frame(p=text), {"reason": "price", "price": None, "quote_quantity": None, "detail": detail}


def quantity(text: str) -> tuple[str, Columns]:
    return frame(q=text), {"reason": "quantity", "quantity": None, "quote_quantity": None, "detail": f"quantity_text = {text}"}


def amounts(price: str, quantity: str, amount: str) -> Columns:
    return {"price": Decimal(price), "quantity": Decimal(quantity), "quote_quantity": Decimal(amount)}


CASES: Mapping[str, tuple[str, Columns]] = {
    "a trade": (frame(), {}),
    "a price that is a bare number": (frame(p=100.5), amounts("100.5", "1", "100.5")),
    "zeros beyond the decimals fit": (
        frame(p="1.12345678900", q="1.500000000000"),
        amounts("1.123456789", "1.5", "1.6851851835"),
    ),
    "the greatest price": (
        frame(p="9999999999.9999999999", q="0.00000001"),
        amounts("9999999999.9999999999", "1e-8", "99.999999999999999999"),
    ),
    "a price of 1e400": price("1e400"),
    "a price of NaN": price("NaN"),
    "a price as a power": price("1e-3"),
    "a price of 21 digits": price("123456789012345678901"),
    "a price of eleven digits": price("12345678901"),
    "a price of eleven decimals": price("1.12345678901"),
    "a bare price that a double writes as a power": price(0.0005, "5.0E-4"),
    "a bare price of eight digits": price(12345678.5, "1.23456785E7"),
    "a price with a comma": price("1,5"),
    "no price": price(None),
    "a price below zero": (frame(p="-1"), amounts("-1", "1", "-1") | {"reason": "price", "detail": "price_text = -1"}),
    "a quantity of nine decimals": quantity("0.000000001"),
    "a quantity of 15 digits": quantity("123456789012345"),
    "a quantity below zero": (
        frame(q="-1"),
        amounts("100", "-1", "-100") | {"reason": "quantity", "detail": "quantity_text = -1"},
    ),
    "an amount that does not fit": (
        frame(p="9999999999", q="99999999999999"),
        {"price": Decimal(9999999999), "quantity": Decimal(99999999999999), "quote_quantity": None}
        | {"reason": "overflow", "detail": "quantity_text = 99999999999999"},
    ),
    "the greatest amount": (frame(p="1000000", q="99999999999999"), amounts("1000000", "99999999999999", "99999999999999000000")),
    "a void": (
        frame(p="0", q="0", f=-1, l=-1),
        amounts("0", "0", "0") | {"first_id": -1, "last_id": -1, "reason": "void", "detail": "price_text = 0"},
    ),
    "a void that has a price": (
        frame(f=-1, l=-1),
        {"first_id": -1, "last_id": -1, "reason": "void", "detail": "price_text = 100.00"},
    ),
    "a quantity of zero": (frame(q="0"), amounts("100", "0", "0") | {"reason": "void", "detail": "price_text = 100.00"}),
    "an aggregate that ends before it begins": (
        frame(f=15, l=14),
        {"first_id": 15, "last_id": 14, "reason": "aggregate", "detail": "first_id = 15"},
    ),
    "an aggregate of unknown trades": (frame(l=None), {"last_id": None, "reason": "aggregate", "detail": "first_id = 14"}),
    "no id": (frame(a=None), {"trade_id": None, "reason": "trade_id"}),
    "an id below zero": (frame(a=-7), {"trade_id": -7, "reason": "trade_id", "detail": "trade_id = -7"}),
    "an id that is no whole number": (frame(a=7.5), {"trade_id": None, "reason": "trade_id"}),
    "an id beyond 64 bits": (frame(a=2**63), {"trade_id": None, "reason": "trade_id"}),
    "no time": (frame(T=None), {"ts": None, "reason": "ts"}),
    "a time that is a word": (frame(T="noon"), {"ts": None, "reason": "ts"}),
    "an event time that is a word": (frame(E="noon"), {"event_ts": None}),
    "microseconds": (frame(T=MS * 1000 + 123_456), {"ts": MICROS}),
    "an hour ahead": (frame(T=MS + 3_601_000), {"ts": moment("11:00:01")}),
    "more than an hour ahead": (
        frame(T=MS + 3_601_001),
        {"ts": moment("11:00:01.001"), "reason": "future", "detail": "ts = 2026-04-30 11:00:01.001"},
    ),
    "a taker who did neither": (frame(m="maybe"), {"taker_side": None, "reason": "taker_side"}),
    "no taker": (frame(m=None), {"taker_side": None, "reason": "taker_side"}),
    "words of a dump": (dump(), {"source": "dump", "event_ts": None}),
    "other words of a dump": (
        dump(m="true", T=str(MS * 1000 + 123_456)),
        {"source": "dump", "event_ts": None, "ts": MICROS, "taker_side": "sell"},
    ),
    "on the market": (usdm("MARKET"), {"market": "usdm", "feed": "trade", "first_id": None, "last_id": None}),
    "not on the market": (
        usdm("INSURANCE_FUND"),
        {
            "market": "usdm",
            "feed": "trade",
            "first_id": None,
            "last_id": None,
            "reason": "not_market",
            "detail": "order_type = INSURANCE_FUND",
        },
    ),
    "a pair in small letters": (
        line(aggregate(), pair="btc-usdt"),
        {"pair": "btc-usdt", "reason": "pair", "detail": "pair = btc-usdt"},
    ),
    "no pair": (line(aggregate(), pair=None), {"pair": None, "reason": "pair"}),
    "a kind that nobody reads": (line({}, kind="book"), UNREAD | {"feed": "book", "dense": False, "reason": "unreadable"}),
    "a venue that nobody knows": (line({}, venue="kraken"), UNREAD | {"venue": "kraken", "dense": False, "reason": "unreadable"}),
    "a word of our own": (
        line({"event": "start"}, kind="control", pair=None),
        UNREAD | {"feed": "control", "pair": None, "dense": False, "control": True},
    ),
    "pretty-printed": (line(json.dumps(aggregate(), indent=2)), {}),
    "not JSON": (line("busy", is_json=False), UNREAD | {"reason": "not_json"}),
    "half a frame": (line('{"stream":"btcusdt@aggTrade","data":', is_json=False), UNREAD | {"reason": "not_json"}),
    "not UTF-8": (line(b"\xff\xfe", is_json=False), UNREAD | {"reason": "not_utf8"}),
    "an array without trades": (bitso({"payload": []}), OF_BITSO | {"control": True}),
    "no array": (bitso({"success": False}), OF_BITSO | {"reason": "trade_id"}),
    "an array that is none": (bitso({"payload": {"i": 7}}), OF_BITSO | {"reason": "trade_id"}),
    "an array that was expected to be the whole text": (
        line({"code": -1003}, source="rest"),
        UNREAD | {"source": "rest", "reason": "trade_id"},
    ),
    "an empty array as the whole text": (line([], source="rest"), UNREAD | {"source": "rest", "control": True}),
    "an array that is not JSON": (bitso("busy", is_json=False), OF_BITSO | {"reason": "not_json"}),
    "an array that is not UTF-8": (bitso(b"\xff", is_json=False), OF_BITSO | {"reason": "not_utf8"}),
    "an array that is pretty-printed": (
        bitso(json.dumps({"payload": [{"i": 7, "a": "1", "r": "100", "t": 0, "x": MS}]}, indent=2)),
        OF_BITSO | {name: GOOD[name] for name in OF_THE_TRADE} | {"first_id": None, "last_id": None, "event_ts": None},
    ),
    "of another version": (frame().replace('"v":1', '"v":2', 1), {"reason": "version", "detail": "v = 2"}),
    "a line without a sequence number": (less("seq"), {"seq": None, "reason": "not_envelope"}),
    "a line without a connection": (less("conn"), {"conn": None, "reason": "not_envelope"}),
    "a line without anything received": (less("raw"), UNREAD | {"reason": "trade_id"}),
    "half a line": (frame()[:-40], NOTHING),
    "a line that is no object": ("[1]", NOTHING),
    "a line that is a number": ("1", NOTHING),
    "a line that is null": ("null", NOTHING),
}
EMPTY = ("", "  ", "\t", " " * 120, "[]", " [ ] ", "[]x")  # what holds nothing is no line
ODD = ("\f", "\x0b", "[null]", "[{}]", "[{}, {}]", "[{}, 7]", "[7, {}]", f"[{frame()}]", f"[{frame()}, {frame(a=8)}]", "{} {}")
