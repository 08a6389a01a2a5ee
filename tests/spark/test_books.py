"""Lines of the books channel: each venue's documented shapes, and where each broken one ends. Whole rows, by a plain computation."""

from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from jobs.transforms import books
from jobs.transforms.items import items
from tests.support.books import row_of
from tests.support.lines import Collector, micros
from tests.support.tables import rows_of

AT = micros("10:00:00.123456")
OBJECT = "landing/channel=books/venue=x/market=spot/dt=2026-04-29/x.jsonl.gz"  # received after midnight, sealed before
SPOT = {"bids": [["0.0024", "10"], ["0.00239999", "1.5"]], "asks": [["0.0026", "100"], ["0.00260001", "7"]]}
NEAR = {"bids": [["99.95", "1"], ["99.5", "2"], ["99", "3"]], "asks": [["100.05", "4"], ["100.5", "5"], ["101", "6"]]}
ORDERS = [("5555.10", "0.1"), ("5554", "0.00000001"), ("5555.1", "0.25"), ("5555.10", "1")]


def bitso(**sides: list[tuple[str, str]]) -> dict[str, Any]:
    told = {
        side: [{"book": "btc_mxn", "price": price, "amount": amount, "oid": "o"} for price, amount in sides[side]]
        for side in sides
    }
    return {"success": True, "payload": {**told, "updated_at": "2026-04-30T10:00:00.500+00:00", "sequence": "27214"}}


def line(raw: Any, path: str, **said: Any) -> bytes:  # noqa: ANN401 - any JSON value; fields of an envelope
    return Collector().line(raw, received=AT, **{"channel": "books", "kind": "book", "source": "rest", "stream": path, **said})


COINBASE, BITSO = {"venue": "coinbase", "pair": "BTC-USD"}, {"venue": "bitso", "pair": "BTC-MXN"}
GOOD = {
    "poll of binance": line({"lastUpdateId": 160, **SPOT}, "/api/v3/depth?symbol=BNBBTC&limit=5000"),
    "poll of binance's futures": line(
        {"lastUpdateId": 161, "E": 1777543199000, "T": 1777543198999, **NEAR},
        "/fapi/v1/depth?symbol=BTCUSDT&limit=1000",
        market="usdm",
    ),
    "a stream of binance": line(
        {"stream": "btcusdt@depth20@100ms", "data": {"lastUpdateId": 7, **NEAR}}, "btcusdt@depth20@100ms", source="ws"
    ),
    "poll of coinbase": line(
        {
            "bids": [["111043.16", "0.59556416", 2]],
            "asks": [["111043.17", "0.08721989", 2]],
            "sequence": 111342351770,
            "auction_mode": False,
            "auction": None,
            "time": "2026-04-30T10:00:00.440575Z",
        },
        "/products/BTC-USD/book?level=2",
        **COINBASE,
    ),
    "each order of coinbase": line(
        {
            "bids": [["9", "1", "a"], ["9.00", "2", "b"], ["8", "1", "c"]],
            "asks": [],
            "sequence": 3,
            "time": "2026-04-30T10:00:00Z",
        },
        "/products/BTC-USD/book?level=3",
        **COINBASE,
    ),
    "snapshot of coinbase": line(
        {"type": "snapshot", "product_id": "BTC-USD", **SPOT}, "level2_batch:BTC-USD", source="ws", **COINBASE
    ),
    "poll of bitso": line(bitso(bids=[("9", "1")], asks=[("8", "2")]), "/api/v3/order_book?book=btc_mxn&aggregate=true", **BITSO),
    "each order of bitso": line(bitso(bids=ORDERS, asks=ORDERS), "/api/v3/order_book?book=btc_mxn&aggregate=false", **BITSO),
    "an empty book": line(bitso(bids=[], asks=[]), "/api/v3/order_book?book=btc_mxn", **BITSO),
    "orders of bitso": line(
        {
            "type": "orders",
            "book": "btc_mxn",
            "payload": {
                side: [{"o": "x", "r": r, "a": a, "v": "1", "t": 1, "d": 1454445394039} for r, a in ORDERS]
                for side in ("bids", "asks")
            },
            "sent": 1777543200001,
        },
        "orders:btc_mxn",
        source="ws",
        **BITSO,
    ),
}
BAD = {
    "no book": (
        line({"code": -1121, "msg": "Invalid symbol."}, "/api/v3/depth"),
        "levels",
        "bids: missing, or a level that is none; asks",
    ),
    "a price that is none": (
        line({**SPOT, "bids": [["1e3", "1"]]}, "/api/v3/depth"),
        "levels",
        "bids: missing, or a level that is none",
    ),
    "more decimals than fit": (
        line({**SPOT, "asks": [["1", "0.000000001"]]}, "/api/v3/depth"),
        "levels",
        "asks: missing, or a level",
    ),
    "a level without a quantity": (
        line({**SPOT, "asks": [["1"]]}, "/api/v3/depth"),
        "levels",
        "asks: missing, or a level that is none",
    ),
    "an unknown venue": (line(SPOT, "/x", venue="kraken"), "unreadable", None),
    "a pair that is none": (line(SPOT, "/api/v3/depth", pair="btcusdt"), "pair", None),
    "half a line": (b'{"v":1,"venue":"binance"\n', "not_envelope", None),
    "no JSON": (line(b"<html>", "/api/v3/depth", is_json=False), "not_json", None),
}


@pytest.fixture(scope="module")
def read(spark: SparkSession) -> dict[str, dict[str, Any]]:
    lines = {**GOOD, **{name: told[0] for name, told in BAD.items()}}
    texts = [(text.decode().rstrip("\n"), OBJECT) for text in lines.values()]
    frame = spark.createDataFrame(texts, "value STRING, object STRING")
    found = {item["line"]: item for item in rows_of(items(frame, books.steps(books.parsers(EXCHANGES.values()))))}
    return {name: found[text.decode().rstrip("\n")] for name, text in lines.items()}


@pytest.mark.parametrize("name", GOOD)
def test_a_book_means_its_row(read: dict[str, dict[str, Any]], name: str):
    item = read[name]
    assert (item["reason"], item["word"]) == (None, False)
    assert item["row"] == row_of(GOOD[name], OBJECT)


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_book_has_a_reason(read: dict[str, dict[str, Any]], name: str):
    _, reason, why = BAD[name]
    assert read[name]["reason"] == reason
    assert (read[name]["why"] or "").startswith(why or "")


def test_some_figures_that_a_person_can_check(read: dict[str, dict[str, Any]]):
    """99.95 and 100.05 are 5 basis points from 100, 99.5 and 100.5 are 50, 99 and 101 are 100."""
    row = read["poll of binance's futures"]["row"]
    named = {
        name: str(row[name].normalize())
        for name in ("mid", "spread", "spread_pct", "bid_depth_10bp", "bid_depth_50bp", "ask_depth_100bp")
    }
    assert named == {
        "mid": "1E+2",
        "spread": "0.1",
        "spread_pct": "0.09995",
        "bid_depth_10bp": "99.95",
        "bid_depth_50bp": "298.95",
        "ask_depth_100bp": "1508.7",
    }
    assert read["poll of bitso"]["row"]["state"] == "crossed"
    assert read["each order of bitso"]["row"]["asks"] == [
        {"price": Decimal(5554), "quantity": Decimal("0.00000001")},
        {"price": Decimal("5555.1"), "quantity": Decimal("1.35")},
    ]
