"""Candles: the sums over the very trades that were sent, computed here once more from the frames and with decimals."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ingest.simulator.candles import INTERVALS, closing, opening
from ingest.simulator.listings import LISTINGS, Listing, series
from ingest.simulator.market import market
from ingest.simulator.ticks import MINUTE
from ingest.simulator.worlds import made
from tests.support.simulation import asked, client, heard, subscribe, venues, within_a_minute

START = 1_731_000_000_000_000  # 2024-11-07T17:20:00Z
SEED = 7
BINANCE = [listing for listing in LISTINGS if listing.venue == "binance"]
PATHS = {"spot": "/binance/spot/api/v3/klines", "usdm": "/binance/usdm/fapi/v1/klines"}


def singles(listing: Listing, start: int, end: int) -> list[dict]:
    """Single trades where the venue streams them; aggregates of futures, whose `f` and `l` count the trades of one."""
    feed = series(listing)["trade" if listing.market == "spot" else "agg_trade"]
    sent = market(SEED, start, end, listings=[listing], wanted=lambda other: other == feed)
    return [json.loads(frame.text)["data"] for frame in sent]


def expected(listing: Listing, start: int, end: int, until: int | None = None) -> list:
    """Numbers of a candle as decimals: open, high, low, close, volume, amount, trades, bought, amount bought."""
    found = [data for data in singles(listing, start, (until or end)) if start <= data["T"] * 1000 < end]
    if not found:
        (last,) = singles(listing, start - 10 * MINUTE, start)[-1:]
        return [*[Decimal(last["p"])] * 4, *[Decimal(0)] * 2, 0, *[Decimal(0)] * 2]
    prices, amounts = [Decimal(data["p"]) for data in found], [Decimal(data["p"]) * Decimal(data["q"]) for data in found]
    bought = [place for place, data in enumerate(found) if not data["m"]]
    return [
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(Decimal(data["q"]) for data in found),
        sum(amounts),
        sum(data["l"] - data["f"] + 1 if "l" in data else 1 for data in found),
        sum((Decimal(found[place]["q"]) for place in bought), Decimal(0)),
        sum((amounts[place] for place in bought), Decimal(0)),
    ]


def numbers(row: list) -> list:
    return [*map(Decimal, row[1:6]), Decimal(row[7]), row[8], Decimal(row[9]), Decimal(row[10])]


@pytest.fixture(scope="module")
def address():
    """Market time stands twelve and a half minutes after the whole hour of 18."""
    at = START + 52 * MINUTE + 30_000_000
    with venues(made(SEED, at, None, 1.0)) as running:
        yield running.address


NOW = START + 52 * MINUTE + 30_000_000 - 1


@pytest.mark.parametrize("listing", BINANCE, ids=lambda listing: listing.name)
@pytest.mark.parametrize("interval", ["1m", "3m", "5m"])
def test_candles_are_the_sums_over_the_trades(address: str, listing: Listing, interval: str):
    path = f"{PATHS[listing.market]}?symbol={listing.pair.replace('-', '')}&interval={interval}&limit=3"
    found = asked(address, path).json
    width = INTERVALS[interval]
    starts = [NOW // width * width - place * width for place in (2, 1, 0)]
    assert [(row[0], row[6], row[11]) for row in found] == [(at // 1000, (at + width) // 1000 - 1, "0") for at in starts]
    assert [numbers(row) for row in found] == [expected(listing, at, at + width, NOW + 1) for at in starts]
    assert {len(row) for row in found} == {12}


def test_seconds_without_a_trade_stand_still(address: str):
    listing = next(listing for listing in BINANCE if listing.pair == "ETH-BTC")
    first = NOW // MINUTE * MINUTE - MINUTE
    found = asked(address, f"{PATHS['spot']}?symbol=ETHBTC&interval=1s&startTime={first // 1000}&limit=60").json
    starts = [first + second * 1_000_000 for second in range(60)]
    assert [row[0] for row in found] == [at // 1000 for at in starts]
    assert [numbers(row) for row in found] == [expected(listing, at, at + 1_000_000) for at in starts]
    assert 0 in {row[8] for row in found} != {0}


def test_candles_by_time(address: str):
    path = f"{PATHS['spot']}?symbol=ETHBTC&interval=1m"
    hour = (START + 40 * MINUTE) // 1000
    starts = lambda query: [row[0] for row in asked(address, path + query).json]  # noqa: E731 - a name for a long line
    assert starts(f"&startTime={hour}&limit=3") == [hour, hour + 60_000, hour + 120_000]
    assert starts(f"&startTime={hour + 1}&limit=1") == [hour + 60_000]
    assert starts(f"&startTime={hour}&endTime={hour + 120_000}") == [hour, hour + 60_000, hour + 120_000]
    assert starts(f"&endTime={hour + 90_000}&limit=2") == [hour, hour + 60_000]
    assert starts("&limit=1") == [NOW // MINUTE * MINUTE // 1000]
    assert starts(f"&startTime={NOW // 1000 + 60_000}") == []
    assert len(starts("")) == 500


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", {"code": -1102, "msg": "Mandatory parameter 'interval' was not sent, was empty/null, or malformed."}),
        ("&interval=7m", {"code": -1120, "msg": "Invalid interval."}),
    ],
)
def test_an_interval_that_there_is_not_is_refused(address: str, query: str, body: dict):
    answer = asked(address, f"{PATHS['spot']}?symbol=ETHBTC{query}")
    assert (answer.status, answer.json) == (400, body)
    assert asked(address, f"{PATHS['usdm']}?symbol=ETHUSDT&interval=1s").json == {"code": -1120, "msg": "Invalid interval."}


def test_candles_on_the_websocket_close_with_what_rest_tells():
    span = 2 * MINUTE + 10_000_000
    with venues(made(SEED, START, START + span, None), stays=True) as running:
        with client(running.address + "/binance/spot/stream", subscribe(["ethbtc@kline_1m"])) as connection:
            found = [json.loads(text)["data"] for text in heard(connection, 1 + 65)[1:]]
        rows = asked(running.address, f"{PATHS['spot']}?symbol=ETHBTC&interval=1m&limit=3").json
    assert [frame["E"] - START // 1000 for frame in found] == list(range(0, 130_000, 2000))
    closed = [frame["k"] for frame in found if frame["k"]["x"]]
    assert [(k["t"], k["T"]) for k in closed] == [
        ((START + place * MINUTE) // 1000, (START + (place + 1) * MINUTE) // 1000 - 1) for place in (-1, 0, 1)
    ]
    told = [[k["t"], k["o"], k["h"], k["l"], k["c"], k["v"], k["T"], k["q"], k["n"], k["V"], k["Q"], "0"] for k in closed]
    assert told[1:] == rows[:2]
    assert {(k["s"], k["i"], k["L"] - k["f"] + 1 - k["n"]) for k in closed} == {("ETHBTC", "1m", 0)}
    growing = [frame["k"]["n"] for frame in found if frame["k"]["t"] == START // 1000]
    assert growing == sorted(growing)
    assert growing[-1] == closed[1]["n"]


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ("1h", "2024-11-07T17:00", "2024-11-07T18:00"),
        ("1d", "2024-11-07T00:00", "2024-11-08T00:00"),
        ("1w", "2024-11-04T00:00", "2024-11-11T00:00"),  # Monday to Monday
        ("1M", "2024-11-01T00:00", "2024-12-01T00:00"),
    ],
)
def test_long_intervals_begin_where_a_calendar_says(interval: str, start: str, end: str):
    found = opening(interval, START)
    both = [datetime.fromtimestamp(at / 1e6, UTC).isoformat()[:16] for at in (found, closing(interval, found))]
    assert both == [start, end]


def test_candles_cost_by_their_number():
    def used() -> list[str]:
        with venues(made(SEED, START, None, 1.0), limits=1.0) as running:
            path = f"{PATHS['usdm']}?symbol=ETHUSDT&interval=1m&limit="
            return [asked(running.address, f"{path}{limit}").headers["X-MBX-USED-WEIGHT-1M"] for limit in (1, 99, 100)]

    assert within_a_minute(used) == ["1", "2", "4"]
