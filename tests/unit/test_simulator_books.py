"""Order books: a function of seed and time, of one piece with the trades; snapshots and changes agree, as a client applies them."""

import json
from bisect import bisect_left
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.exchanges import find_exchange
from ingest.simulator.books import DEPTH, STEP, Book, best_bid, book, changes
from ingest.simulator.faults import Fault
from ingest.simulator.listings import LISTINGS, Listing
from ingest.simulator.ticks import MINUTE, ticks
from ingest.simulator.worlds import made, recorded
from tests.support.simulation import asked, client, heard, subscribe, venues, within_a_minute

START = 1_731_000_000_000_000  # 2024-11-07T17:20:00Z
SEED = 7
SPAN = 10_000_000
FIRST = START // STEP
NAMES = {listing.name: listing for listing in LISTINGS}
USED = "X-MBX-USED-WEIGHT-1M"


def world(*faults: Fault):
    """It ends within the step that begins with its last message."""
    return made(SEED, START, START + SPAN + 20_000, None, faults)


def applied(whole: Book, diff: Book) -> list[dict[int, int]]:
    sides = []
    for levels, changed in zip(whole, diff, strict=True):
        side = {level.price: level.quantity for level in levels} | {level.price: level.quantity for level in changed}
        sides.append({price: quantity for price, quantity in side.items() if quantity})
    return sides


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(LISTINGS), st.integers(0, 5000), st.integers(1, 400))
def test_a_snapshot_and_what_changed_are_the_later_snapshot(listing: Listing, since: int, steps: int):
    before, after = FIRST + since, FIRST + since + steps
    expected = [{level.price: level.quantity for level in side} for side in book(listing, SEED, after)]
    assert applied(book(listing, SEED, before), changes(listing, SEED, before, after)) == expected


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(LISTINGS), st.integers(0, 5000))
def test_a_book_is_in_order_and_stands_around_the_last_trade(listing: Listing, since: int):
    bids, asks = book(listing, SEED, FIRST + since)
    prices = [level.price for level in bids], [level.price for level in asks]
    assert prices == (sorted(prices[0], reverse=True), sorted(prices[1]))
    assert (len(bids), len(asks), asks[0].price - bids[0].price) == (DEPTH, DEPTH, 1)
    assert min(level.quantity for level in [*bids, *asks]) >= 1
    at = (FIRST + since) * STEP
    happened = ticks(listing, SEED, at // MINUTE)
    place = bisect_left([tick.at for tick in happened], at)
    if place:
        last = happened[place - 1]
        assert last.price == (asks[0].price if last.is_buy else bids[0].price)


def test_the_same_seed_is_the_same_book():
    assert book(LISTINGS[0], SEED, FIRST) == book(LISTINGS[0], SEED, FIRST)
    assert book(LISTINGS[0], SEED, FIRST) != book(LISTINGS[0], SEED + 1, FIRST)
    assert best_bid(LISTINGS[0], SEED, FIRST) == book(LISTINGS[0], SEED, FIRST, 1).bids[0].price


def sides(rows: Iterable[Iterable[list[str]]]) -> list[dict[str, str]]:
    return [{row[0]: row[1] for row in side} for side in rows]


def put(have: dict[str, str], changed: Iterable[list[str]]) -> None:
    for price, quantity in changed:
        if Decimal(quantity):
            have[price] = quantity
        else:
            del have[price]


@pytest.mark.parametrize("speed", ["", "@100ms"])
@pytest.mark.parametrize(
    ("place", "path", "depth"),
    [("spot", "/binance/spot/stream", "/api/v3/depth"), ("usdm", "/binance/usdm/public/stream", "/fapi/v1/depth")],
)
def test_a_local_book_of_binance_is_the_venues(place: str, path: str, depth: str, speed: str):
    """By the venue's own instructions: buffer, snapshot, drop what is old, apply."""
    asked_for = f"/binance/{place}{depth}?symbol=ETHUSDT&limit=1000"
    with venues(world(), stays=True) as running:
        snapshot = asked(running.address, asked_for).json
        with client(running.address + path, subscribe([f"ethusdt@depth{speed}"])) as connection:
            every = 100 if speed else 1000 if place == "spot" else 250
            updates = [json.loads(text)["data"] for text in heard(connection, 1 + SPAN // 1000 // every + 1)[1:]]
        later = asked(running.address, asked_for).json
    if place == "spot":
        assert [b["U"] - a["u"] for a, b in pairwise(updates)] == [1] * (len(updates) - 1)
    else:
        assert [b["pu"] - a["u"] for a, b in pairwise(updates)] == [0] * (len(updates) - 1)
        assert min(b["U"] - a["u"] for a, b in pairwise(updates)) > 1
    assert [update["E"] % every for update in updates] == [0] * len(updates)
    kept = [update for update in updates if update["u"] > snapshot["lastUpdateId"]]
    first = kept[0] if place == "spot" else {"U": kept[0]["pu"] + 1, "u": kept[0]["u"]}
    assert first["U"] <= snapshot["lastUpdateId"] + 1 <= first["u"]
    bids, asks = sides((snapshot["bids"], snapshot["asks"]))
    for update in kept:
        put(bids, update["b"])
        put(asks, update["a"])
    assert [bids, asks] == sides((later["bids"], later["asks"]))
    assert later["lastUpdateId"] == kept[-1]["u"]
    assert (len(bids), len(asks)) == (1000, 1000)


@pytest.mark.parametrize("levels", [5, 10, 20])
def test_partial_depth_and_the_best_prices_are_the_books(levels: int):
    names = [f"btcusdt@depth{levels}@100ms", "btcusdt@bookTicker"]
    with venues(world(), stays=True) as running:
        with client(running.address + "/binance/spot/stream", subscribe(names)) as connection:
            found = [json.loads(text) for text in heard(connection, 1 + 101)[1:]]
            while found[-1]["stream"] != names[0] or len([1 for frame in found if frame["stream"] == names[0]]) < 101:
                found += [json.loads(text) for text in heard(connection, 1)]
        later = asked(running.address, f"/binance/spot/api/v3/depth?symbol=BTCUSDT&limit={levels}").json
    assert found[-1]["data"] == later
    assert list(later) == ["lastUpdateId", "bids", "asks"]
    best = [frame["data"] for frame in found if frame["stream"] == names[1]]
    partial = {frame["data"]["lastUpdateId"]: frame["data"] for frame in found if frame["stream"] == names[0]}
    both = [(ticker, partial[ticker["u"]]) for ticker in best if ticker["u"] in partial]
    assert len(both) > 3
    for ticker, top in both:
        assert list(ticker) == ["u", "s", "b", "B", "a", "A"]
        assert [[ticker["b"], ticker["B"]], [ticker["a"], ticker["A"]]] == [top["bids"][0], top["asks"][0]]


def test_futures_send_books_down_the_public_path_and_candles_down_the_other():
    names = ["btcusdt@depth5@100ms", "btcusdt@bookTicker", "btcusdt@aggTrade", "btcusdt@kline_1m"]
    kinds = {}
    for path in ("public", "market"):
        with (
            venues(world()) as running,
            client(running.address + f"/binance/usdm/{path}/stream", subscribe(names)) as connection,
        ):
            frames = [json.loads(text) for text in heard(connection)[1:]]
        kinds[path] = {(frame["stream"].partition("@")[2], tuple(frame["data"])[:2]) for frame in frames}
    assert kinds == {
        "public": {("depth5@100ms", ("e", "E")), ("bookTicker", ("e", "u"))},
        "market": {("aggTrade", ("e", "E")), ("kline_1m", ("e", "E"))},
    }


def test_a_dropped_update_is_a_hole_that_a_client_can_see():
    fault = Fault("drop", stream="btcusdt@depth@100ms", at=timedelta(seconds=3), count=2)
    with (
        venues(world(fault)) as running,
        client(running.address + "/binance/spot/stream", subscribe(["btcusdt@depth@100ms"])) as connection,
    ):
        updates = [json.loads(text)["data"] for text in heard(connection)[1:]]
    holes = [(a["E"] - START // 1000, b["E"] - START // 1000) for a, b in pairwise(updates) if b["U"] != a["u"] + 1]
    assert holes == [(2900, 3200)]


def test_a_local_book_of_coinbase_is_the_venues():
    say = '{"type":"subscribe","product_ids":["BTC-USD"],"channels":["level2_batch","matches"]}'
    with venues(world(), stays=True) as running:
        before = asked(running.address, "/coinbase/spot/products/BTC-USD/book?level=2").json
        with client(running.address + "/coinbase/spot", say) as connection:
            found = []
            while not found or found[-1].get("time") != "2024-11-07T17:20:10.000000Z":
                found += [json.loads(text) for text in heard(connection, 1)]
        later = [asked(running.address, f"/coinbase/spot/products/BTC-USD/book?level={level}").json for level in (1, 2, 3)]
    assert found[0]["channels"] == [{"name": name, "product_ids": ["BTC-USD"]} for name in ("level2_50", "matches")]
    snapshot = next(frame for frame in found if frame["type"] == "snapshot")
    bids, asks = sides((snapshot["bids"], snapshot["asks"]))
    assert [bids, asks] == sides((before["bids"], before["asks"]))
    updates = [frame for frame in found if frame["type"] == "l2update"]
    assert len(updates) == SPAN // STEP + 1
    for update in updates:
        put(bids, [change[1:] for change in update["changes"] if change[0] == "buy"])
        put(asks, [change[1:] for change in update["changes"] if change[0] == "sell"])
    best, whole, orders = later
    assert [bids, asks] == sides((whole["bids"], whole["asks"])) == sides((orders["bids"], orders["asks"]))
    assert (best["bids"], best["asks"]) == (whole["bids"][:1], whole["asks"][:1])
    assert list(whole) == ["bids", "asks", "sequence", "auction_mode", "auction", "time"]
    last = [frame for frame in found if frame["type"] == "match"][-1]
    assert whole["sequence"] == last["sequence"] + 1
    assert len({row[2] for side in ("bids", "asks") for row in orders[side]}) == 2 * DEPTH


def test_a_local_book_of_bitso_is_the_venues_order_by_order():
    say = [json.dumps({"action": "subscribe", "book": "btc_mxn", "type": kind}) for kind in ("diff-orders", "orders")]
    path = "/bitso/spot/api/v3/order_book?book=btc_mxn&aggregate=false"
    with venues(world(), wait_for=2, stays=True) as running:
        before = asked(running.address, path).json["payload"]
        with client(running.address + "/bitso/spot", *say) as connection:
            found = [json.loads(text) for text in heard(connection, 2 + SPAN // 100_000 + 1 + SPAN // 1_000_000 + 1)[2:]]
        later = asked(running.address, path).json["payload"]
        top = asked(running.address, path.replace("&aggregate=false", "")).json["payload"]
    diffs = [frame for frame in found if frame["type"] == "diff-orders"]
    assert [frame["sequence"] for frame in diffs] == list(range(int(before["sequence"]) + 1, int(later["sequence"]) + 1))
    have = {
        row["oid"]: (0 if side == "bids" else 1, row["price"], row["amount"]) for side in ("bids", "asks") for row in before[side]
    }
    for item in (item for frame in diffs for item in frame["payload"]):
        if item["s"] == "open":
            have[item["o"]] = (item["t"], item["r"], item["a"])
        else:
            assert ("a" in item) == (item["s"] == "completed")
            del have[item["o"]]
    assert have == {
        row["oid"]: (0 if side == "bids" else 1, row["price"], row["amount"]) for side in ("bids", "asks") for row in later[side]
    }
    assert {item["s"] for frame in diffs for item in frame["payload"]} == {"open", "cancelled", "completed"}
    assert [len(top[side]) for side in ("bids", "asks")] == [50, 50]
    assert top["bids"] == [{key: row[key] for key in ("book", "price", "amount")} for row in later["bids"][:50]]
    assert isinstance(top["sequence"], str)
    best = [frame for frame in found if frame["type"] == "orders"][-1]["payload"]
    assert [[(row["o"], row["r"], row["a"]) for row in best[side]] for side in ("bids", "asks")] == [
        [(row["oid"], row["price"], row["amount"]) for row in later[side][:20]] for side in ("bids", "asks")
    ]


def test_books_cost_what_they_cost_and_are_refused_beyond():
    def used() -> dict[str, list[int]]:
        limits = {"spot/api/v3": (5, 100, 101, 500, 501, 1000, 1001, 5000), "usdm/fapi/v1": (5, 50, 100, 500, 1000)}
        with venues(world(), limits=1.0) as running:
            return {
                place: [
                    int(asked(running.address, f"/binance/{place}/depth?symbol=BTCUSDT&limit={limit}").headers[USED])
                    for limit in asked_for
                ]
                for place, asked_for in limits.items()
            }

    found = {place: [b - a for a, b in pairwise([0, *sums])] for place, sums in within_a_minute(used).items()}
    assert found == {"spot/api/v3": [5, 5, 25, 25, 50, 50, 250, 250], "usdm/fapi/v1": [2, 2, 5, 10, 20]}
    with venues(world(), limits=1.0) as running:
        odd = asked(running.address, "/binance/usdm/fapi/v1/depth?symbol=BTCUSDT&limit=7")
    assert (odd.status, odd.json) == (400, {"code": -1130, "msg": "Data sent for parameter 'limit' is not valid."})


def test_a_recording_has_no_book(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    data = '"e":"trade","E":1731000000125,"s":"BTCUSDT","t":7,"p":"6.1","q":"0.5","T":1731000000123,"m":true'
    path.write_text(f'1731000000000000000 {{"stream":"btcusdt@trade","data":{{{data}}}}}\n')
    with venues(recorded(path, find_exchange("binance", "spot"), None)) as running:
        answer = asked(running.address, "/binance/spot/api/v3/depth?symbol=BTCUSDT")
    assert (answer.status, answer.json) == (501, {"msg": "a recording tells its trades: it has no books and no candles"})
