"""Lines of the klines channel: candles of both sources, whole rows, and where each broken one ends."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from jobs.transforms import klines
from jobs.transforms.items import items
from tests.support.lines import Collector, micros, moment
from tests.support.tables import rows_of

AT = micros("10:02:00.500000")  # received
OPEN = micros("10:00:00") // 1000
OBJECT = "landing/channel=klines/venue=binance/market=spot/dt=2026-04-30/x.jsonl.gz"
CANDLE = {
    "t": OPEN,
    "T": OPEN + 59_999,
    "s": "BTCUSDT",
    "i": "1m",
    "f": 100,
    "L": 101,
    "o": "100.1",
    "c": "100.3",
    "h": "100.4",
    "l": "100",
}
CANDLE |= {"v": "3.5", "n": 2, "x": True, "q": "350.175", "V": "1.25", "Q": "125.0625", "B": "0"}
ROW = [OPEN, "100.1", "100.4", "100", "100.3", "3.5", OPEN + 59_999, "350.175", 2, "1.25", "125.0625", "0"]


def line(raw: Any, **said: Any) -> bytes:  # noqa: ANN401 - any JSON value; fields of an envelope
    return Collector().line(raw, received=AT, **{"channel": "klines", "kind": "kline", **said})


def frame(**changes: Any) -> bytes:  # noqa: ANN401 - fields of a candle
    raw = {"stream": "btcusdt@kline_1m", "data": {"e": "kline", "E": OPEN + 60_000, "s": "BTCUSDT", "k": CANDLE | changes}}
    return line(raw, stream="btcusdt@kline_1m")


def body(*rows: list[Any], path: str = "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=1", **said: Any) -> bytes:  # noqa: ANN401 - see above
    return line(list(rows), source="rest", stream=path, **said)


def candle(source: str, item: int = 0, minutes: int = 0, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - columns
    """The row of the candle above."""
    start = moment("10:00:00") + timedelta(minutes=minutes)
    numbers = {"open": "100.1", "high": "100.4", "low": "100", "close": "100.3", "volume": "3.5", "quote_volume": "350.175"}
    numbers |= {"taker_buy_volume": "1.25", "taker_buy_quote_volume": "125.0625"}
    return {
        "venue": "binance",
        "market": "spot",
        "pair": "BTC-USDT",
        "width": "1m",
        "open_time": start,
        "close_time": start + timedelta(seconds=59, milliseconds=999),
        **{name: Decimal(text) for name, text in numbers.items()},
        "trades": 2,
        "first_id": 100 if source == "ws" else None,
        "last_id": 101 if source == "ws" else None,
        "recv_ts": moment("10:02:00.500000"),
        "source": source,
        "object": OBJECT,
        "conn": "test-1-1",
        "seq": 1,
        "item": item,
        "year": 2026,
        "month": 4,
        **changes,
    }


GOOD = {
    "a frame": (frame(), [candle("ws")]),
    "a minute without trades": (
        frame(n=0, f=-1, L=-1, v="0", q="0", V="0", Q="0"),
        [
            candle("ws", trades=0, first_id=None, last_id=None)
            | dict.fromkeys(("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume"), Decimal(0))
        ],
    ),
    "a response, the last candle of which is open still": (
        body(ROW, [OPEN + 60_000, *ROW[1:6], OPEN + 119_999, *ROW[7:]], [OPEN + 120_000, *ROW[1:6], OPEN + 179_999, *ROW[7:]]),
        [candle("rest"), candle("rest", 1, 1)],
    ),
    "one of microseconds and futures": (
        body(
            [OPEN * 1000, *ROW[1:6], OPEN * 1000 + 59_999_000, *ROW[7:]],
            path="/fapi/v1/klines?interval=1h&limit=2",
            market="usdm",
        ),
        [candle("rest", width="1h", market="usdm")],
    ),
}
OPEN_STILL = frame(x=False)
BAD = {
    "a price that is none": (frame(o="1e5"), "kline", "open is missing or does not fit"),
    "no width": (body(ROW, path="/api/v3/klines?symbol=BTCUSDT"), "kline", "width is missing or does not fit"),
    "a short row": (body(ROW[:8]), "kline", "taker_buy_volume is missing"),
    "an answer that is an error": (
        body(path="/api/v3/klines?interval=1m") and line({"code": 1}, source="rest"),
        "kline",
        "width is",
    ),
    "a venue without candles": (frame().replace(b'"venue":"binance"', b'"venue":"bitso"'), "unreadable", None),
    "half a line": (b'{"v":1,"kind":"kline"\n', "not_envelope", None),
}


@pytest.fixture(scope="module")
def read(spark: SparkSession) -> dict[str, list[dict[str, Any]]]:
    lines = [*(told[0] for told in (*GOOD.values(), *BAD.values())), OPEN_STILL]
    texts = [text.decode().rstrip("\n") for text in lines]
    made = spark.createDataFrame([(text, OBJECT) for text in texts], "value STRING, object STRING")
    found: dict[str, list[dict[str, Any]]] = {}
    for item in sorted(rows_of(items(made, klines.steps(klines.parsers(EXCHANGES.values())))), key=lambda one: one["item"]):
        found.setdefault(item["line"], []).append(item)
    assert found.keys() == set(texts)
    return found


def of(read: dict[str, list[dict[str, Any]]], text: bytes) -> list[dict[str, Any]]:
    return read[text.decode().rstrip("\n")]


@pytest.mark.parametrize("name", GOOD)
def test_closed_candles_mean_their_rows(read: dict[str, list[dict[str, Any]]], name: str):
    text, rows = GOOD[name]
    found = of(read, text)
    assert {item["reason"] for item in found} == {None}
    assert [item["row"] for item in found if not item["word"]] == rows


def test_a_candle_that_is_open_still_is_no_row(read: dict[str, list[dict[str, Any]]]):
    assert [(item["reason"], item["word"]) for item in of(read, OPEN_STILL)] == [(None, True)]
    assert [item["word"] for item in of(read, GOOD["a response, the last candle of which is open still"][0])] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_candle_has_a_reason(read: dict[str, list[dict[str, Any]]], name: str):
    text, reason, why = BAD[name]
    (item,) = of(read, text)
    assert item["reason"] == reason
    assert (item["why"] or "").startswith(why or "")
