"""The venues' REST over a real socket: what the websocket sent, in the documented shapes, orders and refusals."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from ingest.exchanges import find_exchange
from ingest.simulator.faults import drop
from ingest.simulator.listings import LISTINGS, Series, series
from ingest.simulator.market import market
from ingest.simulator.ticks import MINUTE
from ingest.simulator.worlds import made, recorded
from tests.support.readings import rows
from tests.support.simulation import asked, client, heard, subscribe, venues

START = 1_731_000_000_000_000  # 2024-11-07T17:20:00Z
SEED = 7
FEEDS = {(feed.venue, feed.market, feed.stream): feed for listing in LISTINGS for feed in series(listing).values()}
AGGREGATES = FEEDS["binance", "spot", "btcusdt@aggTrade"]
TRADES = FEEDS["binance", "spot", "btcusdt@trade"]
FUTURES = FEEDS["binance", "usdm", "btcusdt@aggTrade"]
MATCHES = FEEDS["coinbase", "spot", "matches:BTC-USD"]
BOOK = FEEDS["bitso", "spot", "trades:btc_mxn"]
SPOT, USDM = "/binance/spot/api/v3", "/binance/usdm/fapi/v1"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Venues that wait for a subscriber: market time stands at the start, and everything before has passed."""
    with venues(made(SEED, START, None, 1.0)) as running:
        yield running.address


@cache
def frames(feed: Series, minutes: int = 3) -> list[dict]:
    """What the websocket would have sent until the start."""
    sent = market(SEED, START - minutes * MINUTE, START, wanted=lambda other: other == feed)
    return [json.loads(frame.text) for frame in sent]


def aggregates(feed: Series, minutes: int = 3) -> list[dict]:
    """An aggregate has over REST what it has on the stream, but for the event's type and time, and the symbol."""
    return [
        {key: value for key, value in frame["data"].items() if key not in ("e", "E", "s", "st")}
        for frame in frames(feed, minutes)
    ]


def test_a_hole_that_was_planted_is_whole_over_rest():
    hole = drop("binance", "spot", "BTC-USDT", 10, 25)
    with venues(made(SEED, START, START + MINUTE, None, [hole]), stays=True) as running:
        with client(running.address + "/binance/spot/stream", subscribe([AGGREGATES.stream])) as connection:
            everything = [
                json.loads(frame.text)["data"]
                for frame in market(SEED, START, START + MINUTE, wanted=lambda other: other == AGGREGATES)
            ]
            found = [json.loads(text)["data"] for text in heard(connection, 1 + len(everything) - 25)[1:]]
        ((before, after),) = [(a, b) for a, b in pairwise(found) if b["a"] != a["a"] + 1]
        hole = asked(running.address, f"{SPOT}/aggTrades?symbol=BTCUSDT&fromId={before['a'] + 1}&limit=25").json
    missing = [data for data in everything if before["a"] < data["a"] < after["a"]]
    assert len(missing) == 25
    assert hole == [{key: data[key] for key in "apqflTmM"} for data in missing]


def test_rest_tells_nothing_that_was_not_sent_yet():
    """The last trade is never ahead of the market's clock, and the market goes on."""
    with venues(made(SEED, START, None, 30.0), wait_for=0) as running:
        for _ in range(20):
            last = asked(running.address, f"{SPOT}/aggTrades?symbol=BTCUSDT&limit=1").json[0]["T"]
            assert last <= asked(running.address, f"{SPOT}/time").json["serverTime"]
    assert last >= START // 1000


def test_aggregates_of_spot(address: str):
    everything = aggregates(AGGREGATES)
    for query, expected in (
        ("", everything[-500:]),
        ("&limit=7", everything[-7:]),
        ("&limit=9999", everything[-1000:]),
        (f"&fromId={everything[10]['a']}&limit=3", everything[10:13]),
        (f"&startTime={everything[10]['T']}&limit=3", [row for row in everything if row["T"] >= everything[10]["T"]][:3]),
        (
            f"&startTime={everything[10]['T']}&endTime={everything[90]['T']}",
            [row for row in everything if everything[10]["T"] <= row["T"] <= everything[90]["T"]],
        ),
        (f"&endTime={everything[90]['T']}&limit=5", [row for row in everything if row["T"] <= everything[90]["T"]][-5:]),
        (f"&fromId={everything[-1]['a'] + 1}", []),
        (f"&startTime={START // 1000}", []),
    ):
        answer = asked(address, f"{SPOT}/aggTrades?symbol=BTCUSDT{query}")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.json == expected, query
    assert list(everything[0]) == ["a", "p", "q", "f", "l", "T", "m", "M"]


def test_aggregates_of_spot_by_microseconds(address: str):
    row = aggregates(AGGREGATES)[50]
    answer = asked(address, f"{SPOT}/aggTrades?symbol=BTCUSDT&startTime={row['T']}000&endTime={row['T']}999").json
    assert answer == [other for other in aggregates(AGGREGATES) if other["T"] == row["T"]]


def single(data: dict) -> dict:
    value = Decimal(data["p"]) * Decimal(data["q"])
    names = {"id": data["t"], "price": data["p"], "qty": data["q"], "quoteQty": f"{value:.8f}", "time": data["T"]}
    return {**names, "isBuyerMaker": data["m"], "isBestMatch": True}


@pytest.mark.parametrize("path", ["trades", "historicalTrades"])
def test_trades_of_spot(address: str, path: str):
    everything = [single(frame["data"]) for frame in frames(TRADES)]
    answer = asked(address, f"{SPOT}/{path}?symbol=BTCUSDT&limit=600").json
    assert answer == everything[-600:]
    assert list(answer[0]) == ["id", "price", "qty", "quoteQty", "time", "isBuyerMaker", "isBestMatch"]
    older = asked(address, f"{SPOT}/{path}?symbol=BTCUSDT&fromId={everything[5]['id']}&limit=2").json
    assert older == (everything[5:7] if path == "historicalTrades" else everything[-2:])


def test_aggregates_of_futures(address: str):
    everything = aggregates(FUTURES)
    asked_for = f"{USDM}/aggTrades?symbol=BTCUSDT"
    assert asked(address, asked_for).json == everything[-500:]
    assert asked(address, f"{asked_for}&fromId={everything[3]['a']}&limit=4").json == everything[3:7]
    first, last = everything[3]["T"], everything[60]["T"]
    between = asked(address, f"{asked_for}&startTime={first}&endTime={last}").json
    assert between == [row for row in everything if first <= row["T"] <= last]
    assert list(everything[0]) == ["a", "p", "q", "nq", "f", "l", "T", "m"]


@pytest.mark.parametrize(("path", "hours", "at"), [("aggTrades", 48, "T"), ("historicalTrades", 30 * 24, "time")])
def test_futures_tell_what_is_old_no_more(address: str, path: str, hours: int, at: str):
    edge = START // 1000 - hours * 3_600_000
    (first,) = asked(address, f"{USDM}/{path}?symbol=BTCUSDT&fromId=0&limit=1", X_MBX_APIKEY="k").json
    assert 0 <= first[at] - edge < 10_000


def test_an_hour_of_futures_that_is_older_than_two_days_is_empty(address: str):
    edge = START // 1000 - 48 * 3_600_000
    hour = f"startTime={edge - 3_600_000}&endTime={edge - 2}"
    assert asked(address, f"{USDM}/aggTrades?symbol=BTCUSDT&{hour}").json == []


def test_trades_of_futures_want_a_key_where_they_are_old(address: str):
    recent = asked(address, f"{USDM}/trades?symbol=BTCUSDT&limit=600").json
    assert asked(address, f"{USDM}/historicalTrades?symbol=BTCUSDT&limit=600", X_MBX_APIKEY="k").json == recent
    refused = asked(address, f"{USDM}/historicalTrades?symbol=BTCUSDT")
    assert (refused.status, refused.json) == (401, {"code": -2014, "msg": "API-key format invalid."})
    by_id = {row["id"]: row for row in recent}
    whole = [row for row in aggregates(FUTURES) if row["f"] >= recent[0]["id"]]
    assert len(whole) > 100
    for row in whole:
        parts = [by_id[number] for number in range(row["f"], row["l"] + 1)]
        assert sum(Decimal(part["qty"]) for part in parts) == Decimal(row["q"])
        assert {(part["price"], part["time"], part["isBuyerMaker"]) for part in parts} == {(row["p"], row["T"], row["m"])}
    assert all(Decimal(row["quoteQty"]) == Decimal(row["price"]) * Decimal(row["qty"]) for row in recent)


INVALID = {"code": -1121, "msg": "Invalid symbol."}
MANDATORY = {"code": -1102, "msg": "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."}


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (f"{SPOT}/aggTrades?symbol=FOOUSDT", 400, INVALID),
        (f"{SPOT}/trades?symbol=BTCUSD", 400, INVALID),
        (f"{USDM}/aggTrades?symbol=ETHBTC", 400, INVALID),
        (f"{SPOT}/aggTrades", 400, MANDATORY),
        (f"{SPOT}/aggTrades?symbol=", 400, MANDATORY),
        (
            f"{SPOT}/aggTrades?symbol=btcusdt",
            400,
            {"code": -1100, "msg": "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."},
        ),
        (
            f"{SPOT}/aggTrades?symbol=BTCUSDT&fromId=-1",
            400,
            {"code": -1100, "msg": "Illegal characters found in parameter 'fromId'; legal range is '^[0-9]{1,20}$'."},
        ),
        (f"{SPOT}/aggTrades?symbol=BTCUSDT&limit=", 400, {"code": -1105, "msg": "Parameter 'limit' was empty."}),
        (
            f"{SPOT}/aggTrades?symbol=BTCUSDT&fromId=1&startTime=1",
            400,
            {"code": -1128, "msg": "Combination of optional parameters invalid."},
        ),
        (
            f"{USDM}/aggTrades?symbol=BTCUSDT&limit=1001",
            400,
            {"code": -1130, "msg": "Data sent for parameter 'limit' is not valid."},
        ),
        (
            f"{USDM}/aggTrades?symbol=BTCUSDT&startTime=1730999000000&endTime=1731002600000",
            400,
            {"code": -1127, "msg": "More than 1 hours between startTime and endTime."},
        ),
        (
            f"{USDM}/aggTrades?symbol=BTCUSDT&fromId=1&startTime=1",
            408,
            {
                "code": -1007,
                "msg": "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
            },
        ),
        ("/coinbase/spot/products/FOO-USD/trades", 404, {"message": "NotFound"}),
        ("/coinbase/spot/products/BTC-USD/trades?limit=1001", 400, {"message": "limit is invalid"}),
        ("/coinbase/spot/products/BTC-USD/trades?after=x", 400, {"message": "after is invalid"}),
        (
            "/bitso/spot/api/v3/trades?book=foo_mxn",
            400,
            {"success": False, "error": {"code": "0301", "message": "Unknown OrderBook foo_mxn"}},
        ),
        (
            "/bitso/spot/api/v3/trades",
            400,
            {"success": False, "error": {"code": "0303", "message": "Required field missing: book"}},
        ),
        (
            "/bitso/spot/api/v3/trades?book=btc_mxn&limit=101",
            400,
            {"success": False, "error": {"code": "0320", "message": "Invalid pagination parameters"}},
        ),
    ],
)
def test_refusals_are_in_the_venues_words(address: str, path: str, status: int, body: dict):
    answer = asked(address, path)
    assert (answer.status, answer.json) == (status, body)


def test_coinbase_wants_to_know_who_asks(address: str):
    answer = asked(address, "/coinbase/spot/products/BTC-USD/trades", User_Agent="")
    assert (answer.status, answer.json) == (400, {"message": "User-Agent header is required."})


def test_trades_of_coinbase_come_newest_first(address: str):
    expected = [
        {key: frame[key] for key in ("trade_id", "side", "size", "price", "time")}
        for frame in reversed(frames(MATCHES, minutes=6))
    ]
    path = "/coinbase/spot/products/BTC-USD/trades"
    first = asked(address, f"{path}?limit=100")
    assert first.json == expected[:100]
    assert (first.headers["CB-BEFORE"], first.headers["CB-AFTER"]) == (
        str(expected[0]["trade_id"]),
        str(expected[99]["trade_id"]),
    )
    second = asked(address, f"{path}?limit=100&after={first.headers['CB-AFTER']}")
    assert second.json == expected[100:200]
    newer = asked(address, f"{path}?limit=10&before={expected[50]['trade_id']}").json
    assert newer == expected[:10]  # the newest of the newer ones, not those next to the cursor
    assert asked(address, f"{path}?before={expected[50]['trade_id']}").json == expected[:50]
    none = asked(address, f"{path}?before={expected[0]['trade_id']}")
    assert (none.json, "CB-BEFORE" in none.headers) == ([], False)
    assert len(asked(address, path).json) == 1000


def test_trades_of_bitso(address: str):
    maker = {0: "sell", 1: "buy"}  # the taker bought: the maker sold
    expected = [
        {
            "book": "btc_mxn",
            "created_at": f"{datetime.fromtimestamp(item['x'] // 1000, UTC):%Y-%m-%dT%H:%M:%S}.000+00:00",
            "amount": item["a"],
            "maker_side": maker[item["t"]],
            "price": item["r"],
            "tid": item["i"],
        }
        for frame in frames(BOOK, minutes=5)
        for item in frame["payload"]
    ]
    path = "/bitso/spot/api/v3/trades?book=btc_mxn"
    newest = expected[::-1]
    assert asked(address, path).json == {"success": True, "payload": newest[:25]}
    assert asked(address, path.replace("/api/v3", "/v3") + "&limit=100").json["payload"] == newest[:100]
    assert asked(address, f"{path}&marker={newest[24]['tid']}").json["payload"] == newest[25:50]
    assert asked(address, f"{path}&sort=asc&marker={expected[-30]['tid']}&limit=5").json["payload"] == expected[-29:-24]


@pytest.mark.parametrize(
    ("place", "kind", "path"),
    [
        (("binance", "spot"), "agg_trade", f"{SPOT}/aggTrades?symbol=BTCUSDT"),
        (("binance", "spot"), "trade", f"{SPOT}/trades?symbol=BTCUSDT"),
        (("binance", "usdm"), "agg_trade", f"{USDM}/aggTrades?symbol=BTCUSDT"),
        (("binance", "usdm"), "trade", f"{USDM}/trades?symbol=BTCUSDT"),
        (("coinbase", "spot"), "trade", "/coinbase/spot/products/BTC-USD/trades"),
        (("bitso", "spot"), "trade", "/bitso/spot/api/v3/trades?book=btc_mxn"),
    ],
)
def test_the_readings_understand_every_answer(address: str, place, kind: str, path: str):
    exchange = find_exchange(*place)
    found = rows(exchange, kind, "rest", asked(address, path).body)
    assert len(found) >= 25
    assert {row.reason for row in found} == {None}


def test_what_can_be_traded(address: str):
    spot = asked(address, f"{SPOT}/exchangeInfo").json
    assert [row["symbol"] for row in spot["symbols"]] == ["BTCUSDT", "ETHUSDT", "ETHBTC", "PEPEUSDT"]
    assert spot["rateLimits"][0] == {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
    (row,) = asked(address, f"{SPOT}/exchangeInfo?symbol=PEPEUSDT").json["symbols"]
    assert (row["baseAsset"], row["quoteAsset"], row["status"]) == ("PEPE", "USDT", "TRADING")
    assert {"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "900000000000", "stepSize": "1"} in row["filters"]
    assert row["filters"][0]["tickSize"] == "0.00000001"
    two = asked(address, f"{SPOT}/exchangeInfo?symbols=%5B%22BTCUSDT%22,%22ETHBTC%22%5D").json["symbols"]
    assert [row["symbol"] for row in two] == ["BTCUSDT", "ETHBTC"]
    assert asked(address, f"{SPOT}/exchangeInfo?symbol=FOO").json == INVALID
    futures = asked(address, f"{USDM}/exchangeInfo").json
    assert [(row["symbol"], row["contractType"], row["onboardDate"]) for row in futures["symbols"]] == [
        ("BTCUSDT", "PERPETUAL", 1_704_067_200_000),
        ("ETHUSDT", "PERPETUAL", 1_704_067_200_000),
    ]
    products = asked(address, "/coinbase/spot/products").json
    assert [(row["id"], row["quote_increment"], row["base_increment"]) for row in products] == [
        ("BTC-USD", "0.01", "0.00000001"),
        ("ETH-USD", "0.01", "0.00000001"),
    ]
    assert asked(address, "/coinbase/spot/products/ETH-USD").json == products[1]
    books = asked(address, "/bitso/spot/api/v3/available_books").json
    assert books["success"] is True
    assert [(row["book"], row["tick_size"]) for row in books["payload"]] == [("btc_mxn", "0.01"), ("eth_mxn", "0.01")]


def test_the_clock_is_the_markets(address: str):
    assert asked(address, f"{SPOT}/time").json == {"serverTime": 1_730_999_999_999}
    assert asked(address, f"{USDM}/time").json == {"serverTime": 1_730_999_999_999}
    assert asked(address, "/coinbase/spot/time").json == {"iso": "2024-11-07T17:19:59.999Z", "epoch": 1_730_999_999.999}
    assert asked(address, f"{SPOT}/ping").json == {}


@pytest.mark.parametrize("path", ["/kraken/spot/api", f"{SPOT}/nix", "/coinbase/usdm/time", "/", "/binance/spot"])
def test_nobody_answers_elsewhere(address: str, path: str):
    assert asked(address, path).status == 404


def test_only_get_is_answered(address: str):
    assert asked(address, f"{SPOT}/time", "DELETE").status == 405
    head = asked(address, f"{SPOT}/time", "HEAD")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "28", b"")


def test_limits_hold_on_the_line():
    """A hundredth of the documented weight: 60 a minute on spot; one request at a time for Coinbase."""
    with venues(made(SEED, START, None, 1.0), limits=0.01) as running:
        used = [asked(running.address, f"{SPOT}/exchangeInfo").headers["X-MBX-USED-WEIGHT-1M"] for _ in range(3)]
        statuses = [asked(running.address, f"{SPOT}/exchangeInfo").status for _ in range(15)]
        limit = asked(running.address, f"{USDM}/exchangeInfo").json["rateLimits"][0]["limit"]
        coinbase = [asked(running.address, "/coinbase/spot/time").status for _ in range(2)]
    assert int(used[1]) in (40, 20)  # a minute of the clock may begin in between
    assert set(statuses) <= {200, 429, 418}
    assert 429 in statuses
    assert limit == 24
    assert coinbase == [200, 429]


def test_connections_are_limited_on_the_line():
    """A hundredth of the documented number: three in five minutes; Coinbase one at once."""
    statuses = []
    with venues(made(SEED, START, None, 1.0), limits=0.01) as running:
        for path in ["/binance/spot/stream"] * 4 + ["/coinbase/spot"] * 2 + ["/bitso/spot"] * 2:
            try:
                with client(running.address + path):
                    statuses.append(101)
            except InvalidStatus as refused:
                statuses.append(refused.response.status_code)
    assert statuses == [101, 101, 101, 429, 101, 429, 101, 101]


def trade_line(number: int, second: int) -> str:
    data = f'"e":"trade","E":173100000{second}125,"s":"BTCUSDT","t":{number},"p":"60000.10","q":"0.5","T":173100000{second}123,"m":true'
    return f'173100000{second}200000000 {{"stream":"btcusdt@trade","data":{{{data}}}}}\n'


def test_a_recording_is_told_as_far_as_it_was_sent(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    path.write_text("".join(trade_line(7 + second, second) for second in range(5)))
    world = recorded(path, find_exchange("binance", "spot"), None)
    with venues(world, stays=True) as running:
        asked_for = f"{SPOT}/historicalTrades?symbol=BTCUSDT"
        assert asked(running.address, asked_for).json == []
        with client(running.address + "/binance/spot/stream", subscribe(["btcusdt@trade"])) as connection:
            heard(connection, 6)
        found = asked(running.address, asked_for).json
        assert asked(running.address, f"{asked_for}&fromId=9&limit=2").json == found[2:4]
        assert asked(running.address, f"{SPOT}/aggTrades?symbol=BTCUSDT").json == []
        assert asked(running.address, f"{SPOT}/exchangeInfo").json["symbols"][0]["filters"] == []
        assert asked(running.address, "/coinbase/spot/products").status == 404
    whole = {"price": "60000.10", "qty": "0.5", "quoteQty": "30000.05000000", "isBuyerMaker": True, "isBestMatch": True}
    assert found == [{"id": 7 + second, **whole, "time": 1_731_000_000_123 + 1000 * second} for second in range(5)]
