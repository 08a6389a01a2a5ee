"""What venues trade: their lists as rows of a symbol, where something changed, whichever list comes when."""

import json
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from jobs.runtime.frames import frame
from jobs.tables.instruments import INSTRUMENTS
from jobs.transforms.instruments import FACTS, steps
from jobs.transforms.instruments import parsers as known
from jobs.transforms.items import items
from tests.support import channels
from tests.support.lines import Collector, micros, moment, put
from tests.support.stories import interpret
from tests.support.tables import assert_rows, rows_of

LISTS: dict[tuple[str, str], Any] = {
    ("binance", "spot"): {
        "timezone": "UTC",
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "status": "TRADING",
                "baseAsset": "BTC",
                "quoteAsset": "USDT",
                "permissions": [],
                "filters": [
                    {
                        "filterType": "PRICE_FILTER",
                        "minPrice": "0.01000000",
                        "maxPrice": "1000000.00000000",
                        "tickSize": "0.01000000",
                    },
                    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
                    {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "100", "stepSize": "0.5"},
                    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
                ],
            },
            {"symbol": "\u5e01\u5b89USDT", "status": "BREAK", "baseAsset": "\u5e01\u5b89", "quoteAsset": "USDT", "filters": []},
        ],
    },
    ("binance", "usdm"): {
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "contractType": "PERPETUAL",
                "status": "TRADING",
                "baseAsset": "BTC",
                "quoteAsset": "USDT",
                "onboardDate": 1569398400000,
                "filters": [
                    {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
                    {"filterType": "LOT_SIZE", "stepSize": "0.001"},
                    {"filterType": "MIN_NOTIONAL", "notional": "100"},
                ],
            },
            {
                "symbol": "BTCUSDT_260626",
                "contractType": "CURRENT_QUARTER",
                "status": "TRADING",
                "baseAsset": "BTC",
                "quoteAsset": "USDT",
            },
        ]
    },
    ("coinbase", "spot"): [
        {
            "id": "BTC-USD",
            "base_currency": "BTC",
            "quote_currency": "USD",
            "quote_increment": "0.01",
            "base_increment": "0.00000001",
            "min_market_funds": "1",
            "status": "online",
        }
    ],
    ("bitso", "spot"): {"success": True, "payload": [{"book": "btc_mxn", "minimum_value": "10.00", "tick_size": "10"}]},
}
EXPECTED = [
    ("binance", "spot", "BTCUSDT", "BTC-USDT", "BTC", "USDT", "TRADING", "0.01", "0.00001", "5", None),
    ("binance", "spot", "\u5e01\u5b89USDT", None, "\u5e01\u5b89", "USDT", "BREAK", None, None, None, None),
    (
        "binance",
        "usdm",
        "BTCUSDT",
        "BTC-USDT",
        "BTC",
        "USDT",
        "TRADING",
        "0.10",
        "0.001",
        "100",
        moment("08:00:00", "2019-09-25"),
    ),
    ("binance", "usdm", "BTCUSDT_260626", None, "BTC", "USDT", "TRADING", None, None, None, None),
    ("coinbase", "spot", "BTC-USD", "BTC-USD", "BTC", "USD", "online", "0.01", "0.00000001", "1", None),
    ("bitso", "spot", "btc_mxn", "BTC-MXN", "BTC", "MXN", None, "10", None, "10", None),
]


def listed(one: Collector, body: Any, at: str = "00:00:07", venue: str = "binance", market: str = "spot", **more: Any) -> bytes:  # noqa: ANN401 - JSON
    """A venue's list as a daily poll lands it."""
    said = {"venue": venue, "market": market, "channel": "events", "kind": "instruments", "pair": None, "source": "rest"}
    return one.line(body, received=micros(at), **said, **more)


def symbol(name: str, status: str) -> dict[str, Any]:
    return {"symbol": name, "status": status, "baseAsset": name[:3], "quoteAsset": name[3:], "filters": []}


def test_an_element_of_a_list_means_its_row(spark: SparkSession):
    interpret(spark)
    one = Collector()
    lines = [listed(one, body, venue=venue, market=market) for (venue, market), body in LISTS.items()]
    pretty = listed(one, json.dumps(LISTS["coinbase", "spot"], indent=1), venue="coinbase", is_json=True)
    told = frame(spark, [(line.decode().rstrip("\n"), "o") for line in (*lines, pretty)], "value STRING, object STRING")
    found = rows_of(items(told, steps(known(EXCHANGES.values()))))
    assert {row["reason"] for row in found} == {None}
    rows = [row["row"] for row in found]
    numbers = ("tick_size", "lot_size", "min_notional")
    names = ("venue", "market", "symbol", *FACTS)
    expected = [
        tuple(Decimal(value) if name in numbers and value else value for name, value in zip(names, row, strict=True))
        for row in [*EXPECTED, EXPECTED[4]]
    ]
    assert [tuple(row[name] for name in names) for row in rows] == expected
    (bitcoin,) = (element for element in LISTS["binance", "spot"]["symbols"] if element["symbol"] == "BTCUSDT")
    assert json.loads(rows[0]["raw"]) == bitcoin
    assert [(row["seq"], row["item"]) for row in rows[:4]] == [(1, 0), (1, 1), (2, 0), (2, 1)]


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))])
def test_there_is_a_row_where_something_changed(spark: SparkSession, lake: Path, seed: int):
    """Lists of a day each, in any order within a batch, some twice; and words that are no lists."""
    interpret(spark)
    random = Random(seed)  # noqa: S311 - a history, no secret
    one = Collector()
    days = [{name: random.choice(("TRADING", "BREAK", None)) for name in ("BTCUSDT", "ETHUSDT")} for _ in range(6)]
    lines, expected = [], []
    before: dict[str, str] = {}
    for number, day in enumerate(days):
        at = f"0{number}:00:00"
        there = {name: status for name, status in day.items() if status}
        lines.append(
            listed(
                one, {"symbols": [symbol(name, status) for name, status in there.items()] + [symbol("XRPUSDT", "TRADING")]}, at
            )
        )
        for name, status in {**there, "XRPUSDT": "TRADING"}.items():
            if before.get(name) != status:
                expected.append({"symbol": name, "status": status, "recv_ts": moment(at)})
        before |= {**there, "XRPUSDT": "TRADING"}
    wrong = [listed(one, {"code": -1003, "msg": "Too much request weight used"}, "09:00:00"), one.event("start", "09:00:01")]
    batches = [random.sample(lines[start : start + 2], 2) for start in (0, 2, 4)]
    with channels.driver(spark, lake, "events") as query:
        query.start()
        for batch in [*batches, batches[0]]:
            channels.take(query, lake, [put(lake, batch, channel="events")])
        told = channels.take(query, lake, [put(lake, wrong, channel="events")])
        assert told == {"control": 1, "fresh": 1}
        found = rows_of(spark.read.format("delta").load(f"{lake}/tables/instruments"))
        assert_rows(
            [{name: row[name] for name in ("symbol", "status", "recv_ts")} for row in found], expected, ("symbol", "recv_ts")
        )
        assert all(list(row) == INSTRUMENTS.names for row in found)
        (refused,) = rows_of(query.quarantine.read())
        assert (refused["reason"], refused["channel"], refused["venue"]) == ("instruments", "events", "binance")
        assert json.loads(refused["raw"])["raw"]["code"] == -1003
