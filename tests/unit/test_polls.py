"""What is asked again and again: each venue's way, within its budget, never all at once; refused by name where it cannot be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.exchanges import find_exchange
from ingest.rest.polls import due, polls
from ingest.settings import Endpoint, FeedSettings, Ingest, PollSettings, SettingsError

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BOOK = PollSettings("binance", "spot", "book", HOUR, ("BTC-USDT",))


def asked(*lines, **changes):
    return polls(Ingest("laptop", polls=lines, **changes), find_exchange)


def books(found):
    return [poll for poll in found if poll.kind != "instruments"]


@pytest.mark.parametrize(
    ("line", "path", "weight"),
    [
        (replace(BOOK, depth=5000), "/api/v3/depth?symbol=BTCUSDT&limit=5000", 250),
        (replace(BOOK, depth=400), "/api/v3/depth?symbol=BTCUSDT&limit=400", 25),
        (BOOK, "/api/v3/depth?symbol=BTCUSDT&limit=100", 5),
        (replace(BOOK, market="usdm", depth=1000), "/fapi/v1/depth?symbol=BTCUSDT&limit=1000", 20),
        (PollSettings("coinbase", "spot", "book", HOUR, ("BTC-USD",), level=3), "/products/BTC-USD/book?level=3", 1),
        (PollSettings("coinbase", "spot", "book", HOUR, ("BTC-USD",)), "/products/BTC-USD/book?level=2", 1),
        (
            PollSettings("bitso", "spot", "book", 10 * SECOND, ("BTC-MXN",), aggregate=False),
            "/api/v3/order_book?book=btc_mxn&aggregate=false",
            1,
        ),
        (
            replace(BOOK, kind="kline", width="1h", since=datetime(2026, 1, 1, tzinfo=UTC)),
            "/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=1000",
            2,
        ),
    ],
)
def test_each_venue_is_asked_its_own_way(line, path, weight):
    (poll, instruments) = asked(line)
    assert poll.ask(None) == (path, weight)
    assert (poll.every, poll.pair) == (line.every, line.pairs[0])
    assert (instruments.kind, instruments.every, instruments.channel) == ("instruments", timedelta(days=1), "events")


def test_candles_go_on_where_they_were():
    (poll, _) = asked(replace(BOOK, kind="kline", width="1m", since=datetime(2026, 1, 1, tzinfo=UTC)))
    assert poll.since == 1_767_225_600_000
    assert poll.ask(poll.since).path == "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=1767225600000&limit=1000"
    assert poll.candles.last([[5, "1"], [9, "2"]]) == 9
    assert poll.candles.last([]) is None
    assert poll.name == "binance/spot/kline/BTC-USDT/1m"


def test_what_a_market_trades_is_asked_once_a_day_wherever_something_is_collected():
    feeds = (FeedSettings("bitso", "spot", "trade", ("BTC-MXN",)),)
    assert [(poll.name, poll.ask(None)) for poll in asked(feeds=feeds)] == [
        ("bitso/spot/instruments", ("/api/v3/available_books", 1)),
    ]


def test_pairs_of_one_market_take_turns():
    found = books(asked(replace(BOOK, depth=5000, pairs=("BTC-USDT", "ETH-USDT", "ETH-BTC", "BNB-USDT"))))
    assert [poll.offset for poll in found] == [timedelta(minutes=minutes) for minutes in (0, 15, 30, 45)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (replace(BOOK, depth=5001), "ingest.polls[0]: depth 5001: 1 to 5000"),
        (replace(BOOK, market="usdm", depth=7), "ingest.polls[0]: depth 7: one of 5, 10, 20, 50, 100, 500, 1000"),
        (replace(BOOK, level=2), "ingest.polls[0]: 2: Binance knows depth alone, 1 to 5000"),
        (replace(BOOK, width="1m"), "ingest.polls[0]: width and since are of kind kline; a book has depth, level or aggregate"),
        (replace(BOOK, kind="kline"), "ingest.polls[0]: width 'none': one of 1s, 1m, 3m"),
        (replace(BOOK, kind="kline", width="1m", depth=5), "ingest.polls[0]: depth, level and aggregate are of kind book"),
        (replace(BOOK, kind="trade"), "ingest.polls[0].kind is 'trade': one of book, kline"),
        (replace(BOOK, venue="kraken"), "ingest.polls[0]: exchange kraken spot: not known"),
        (replace(BOOK, pairs=("BTC-XXX",)), "ingest.polls[0]: symbol 'BTCXXX': ends with no known quote asset"),
        (PollSettings("coinbase", "spot", "book", HOUR, ("BTC-USD",), level=4), "ingest.polls[0]: level 4: 1 the best"),
        (
            PollSettings("coinbase", "spot", "kline", HOUR, ("BTC-USD",), width="1m"),
            "ingest.polls[0]: kind 'kline': coinbase spot",
        ),
        (PollSettings("bitso", "spot", "book", HOUR, ("BTC-MXN",), depth=5), "ingest.polls[0]: 5: Bitso knows aggregate alone"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(line, message):
    with pytest.raises(SettingsError) as refusal:
        asked(line)
    assert str(refusal.value).startswith(message)


def test_a_schedule_that_breaks_a_budget_is_refused():
    pairs = ("BTC-MXN", "ETH-MXN", "XRP-MXN", "LTC-MXN", "BTC-USD", "ETH-USD", "XRP-USD")
    line = PollSettings("bitso", "spot", "book", 10 * SECOND, pairs[:5])
    assert len(books(asked(line))) == 5
    with pytest.raises(SettingsError, match="those of bitso spot take a weight of more than 36 a minute, 60% of what"):
        asked(replace(line, pairs=pairs))
    with pytest.raises(SettingsError, match="those of binance spot take a weight of more than 3600 a minute"):
        asked(replace(BOOK, depth=5000, every=4 * SECOND))


def test_a_market_whose_frames_are_not_the_venues_is_not_asked_over_its_rest():
    endpoints = {"binance": {"spot": Endpoint(("ws://127.0.0.1:1",))}}
    with pytest.raises(SettingsError, match="names a websocket and no rest for binance spot; polls want one"):
        asked(BOOK, endpoints=endpoints)
    endpoints = {"binance": {"spot": Endpoint(("ws://127.0.0.1:1",), ("http://127.0.0.1:1",))}}
    assert {poll.hosts for poll in asked(BOOK, endpoints=endpoints)} == {("http://127.0.0.1:1",)}


@pytest.mark.parametrize(("at", "seconds"), [("10:00:00", 600), ("10:05:00", 300), ("10:09:59", 1), ("10:10:00", 600)])
def test_turns_are_the_clocks_own_multiples(at, seconds):
    (poll, _) = asked(replace(BOOK, every=10 * MINUTE))
    wall = int(datetime.fromisoformat(f"2026-11-21T{at}+00:00").timestamp()) * 10**9
    assert due(poll, wall) == seconds
    moved = replace(poll, offset=2 * MINUTE)
    assert due(moved, wall) == (seconds + 120 - 1) % 600 + 1


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 2 * 10**18))
def test_the_next_turn_is_never_now_and_never_later_than_one_interval(every, offset, wall):
    (poll, _) = asked(replace(BOOK, every=timedelta(seconds=every)))
    seconds = due(replace(poll, offset=timedelta(seconds=offset % every)), wall)
    assert 0 < seconds <= every
