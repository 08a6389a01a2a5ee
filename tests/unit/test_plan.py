"""What is asked for, as connections; every refusal by name."""

import pytest

from ingest.exchanges import find_exchange
from ingest.plan import Plan, check_endpoints, dump_hosts, in_shard, past_of, plans, rest_hosts
from ingest.settings import Endpoint, FeedSettings, Ingest, SettingsError
from tests.support.exchanges import exchange, find


def ingest(*feeds, **others):
    return Ingest("laptop", feeds=feeds, **others)


def traded(exchange):
    return TRADED[exchange.name]


TRADED = {"binance spot": ["BTC-USDT", "ETH-BTC", "ETH-USDT", "PEPE-USDT"], "test spot": []}


def summary(found):
    return [(plan.exchange.name, plan.kind, plan.channel, dict(plan.pairs), list(plan.hosts)) for plan in found]


def test_a_connection_carries_no_more_streams_than_the_venue_allows():
    asked = ingest(FeedSettings("test", "spot", "trade", ("A-B", "C-D")), FeedSettings("test", "spot", "trade", ("E-F",)))
    hosts = ["wss://one", "wss://two"]
    assert summary(plans(asked, find, traded)) == [
        ("test spot", "trade", "trades", {"a_b": "A-B", "c_d": "C-D"}, hosts),
        ("test spot", "trade", "trades", {"e_f": "E-F"}, hosts),
    ]


def test_configured_addresses_replace_the_venues_own():
    asked = ingest(FeedSettings("test", "spot", "trade", ("A-B",)), endpoints={"test": {"spot": Endpoint(("ws://here",))}})
    (found,) = plans(asked, find, traded)
    assert isinstance(found, Plan)
    assert found.hosts == ("ws://here",)


def test_what_only_recordings_hold_can_be_had_from_an_address_of_ones_own():
    feed = FeedSettings("binance", "usdm", "trade", ("BTC-USDT",))
    (found,) = plans(ingest(feed, endpoints={"binance": {"usdm": Endpoint(("ws://here",))}}), find_exchange, traded)
    assert summary([found]) == [("binance usdm", "trade", "trades", {"btcusdt@trade": "BTC-USDT"}, ["ws://here"])]
    with pytest.raises(SettingsError, match="only in recordings and old files; binance usdm offers agg_trade"):
        plans(ingest(feed, endpoints={"binance": {"spot": Endpoint(("ws://here",))}}), find_exchange, traded)


def test_kinds_do_not_share_a_connection():
    asked = ingest(
        FeedSettings("binance", "spot", "trade", ("BTC-USDT",)), FeedSettings("binance", "spot", "agg_trade", ("BTC-USDT",))
    )
    assert [(plan.kind, dict(plan.pairs)) for plan in plans(asked, find_exchange, traded)] == [
        ("trade", {"btcusdt@trade": "BTC-USDT"}),
        ("agg_trade", {"btcusdt@aggTrade": "BTC-USDT"}),
    ]


SPOT = find_exchange("binance", "spot")
FILES = ("https://data.binance.vision",)


@pytest.mark.parametrize(
    ("endpoint", "rest", "dumps"),
    [
        (None, SPOT.rest.hosts, FILES),
        (Endpoint(("ws://here",)), (), ()),
        (Endpoint(("ws://here",), ("http://here",)), ("http://here",), ()),
        (Endpoint(("ws://here",), dumps=("http://there",)), (), ("http://there",)),
        (Endpoint(rest=("http://here",)), ("http://here",), FILES),
        (Endpoint(dumps=("http://there",)), SPOT.rest.hosts, ("http://there",)),
    ],
)
def test_frames_of_one_place_are_never_repaired_from_another_unasked(endpoint, rest, dumps):
    asked = ingest(endpoints={"binance": {"spot": endpoint}} if endpoint else {})
    assert (rest_hosts(asked, SPOT), dump_hosts(asked, SPOT)) == (rest, dumps)


def test_a_venue_without_files_has_no_address_of_any():
    assert dump_hosts(ingest(), find_exchange("bitso", "spot")) == ()


def test_the_past_of_a_pair_that_nobody_listens_to():
    found = past_of(ingest(), find_exchange("binance", "usdm"), "trade", "BTC-USDT")
    assert summary([found]) == [("binance usdm", "trade", "trades", {"btcusdt@trade": "BTC-USDT"}, [])]
    assert found.rest == ("https://fapi.binance.com",)


@pytest.mark.parametrize(
    ("kind", "pair", "message"),
    [("depth", "BTC-USDT", "feed 'depth': binance spot has agg_trade, trade"), ("trade", "BTC-NOPE", "symbol 'BTCNOPE': ends")],
)
def test_what_has_no_past_is_refused_by_name(kind, pair, message):
    with pytest.raises(ValueError, match=message):
        past_of(ingest(), SPOT, kind, pair)


def test_addresses_of_a_venue_that_is_not_known_are_refused():
    with pytest.raises(SettingsError, match="exchange tset spot: not known"):
        check_endpoints(ingest(endpoints={"tset": {"spot": Endpoint(("ws://x",))}}), find)


@pytest.mark.parametrize(
    ("feeds", "others", "message"),
    [
        ([], {}, "ingest.feeds is []: at least one feed"),
        (
            [FeedSettings("kraken", "spot", "trade", ("A-B",))],
            {},
            "ingest.feeds[0]: exchange kraken spot: not known; one of test spot",
        ),
        ([FeedSettings("test", "spot", "trades", ("A-B",))], {}, "ingest.feeds[0].kind is 'trades': test spot offers trade"),
        (
            [FeedSettings("test", "spot", "old", ("A-B",))],
            {},
            "ingest.feeds[0].kind is 'old': only in recordings and old files; test",
        ),
        (
            [FeedSettings("test", "spot", "trade", ("BAD-B",))],
            {},
            "ingest.feeds[0].pairs is 'BAD-B': pair 'BAD-B': test knows no",
        ),
        (
            [FeedSettings("test", "spot", "trade", ("A-B",)), FeedSettings("test", "spot", "trade", ("A-B",))],
            {},
            "ingest.feeds[1].pairs is 'A-B': listed twice for test spot trade",
        ),
        (
            [FeedSettings("test", "spot", "trade", ("A-B",))],
            {"endpoints": {"tset": {"spot": Endpoint(("ws://x",))}}},
            "ingest.endpoints.tset.spot: exchange tset spot: not known; one of test spot",
        ),
    ],
)
def test_what_cannot_be_collected_is_refused_by_name(feeds, others, message):
    with pytest.raises(SettingsError) as caught:
        plans(ingest(*feeds, **others), find, traded)
    assert str(caught.value).startswith(message)


def test_a_symbol_that_would_read_as_another_pair_is_refused():
    odd = exchange()
    object.__setattr__(odd, "pair", lambda _: "X-Y")
    with pytest.raises(SettingsError, match="'A-B': test spot would read its symbol as X-Y"):
        plans(ingest(FeedSettings("test", "spot", "trade", ("A-B",))), lambda *_: odd, traded)


def test_coin_margined_futures_are_refused_by_name():
    with pytest.raises(SettingsError, match=r"ingest.feeds\[0\]: exchange binance coinm: refused, its quantities are contracts"):
        plans(ingest(FeedSettings("binance", "coinm", "agg_trade", ("BTC-USD",))), find_exchange, traded)


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ({"pairs": ("*-USDT",)}, ["BTC-USDT", "ETH-USDT", "PEPE-USDT"]),
        ({"pairs": ("ETH-*", "BTC-USDT")}, ["ETH-BTC", "ETH-USDT", "BTC-USDT"]),
        ({"pairs": ("ETH-*", "ETH-USDT", "*-USDT")}, ["ETH-BTC", "ETH-USDT", "BTC-USDT", "PEPE-USDT"]),  # once each
        ({"pairs": ("*-*",), "shard": "0/2"}, ["ETH-BTC"]),
        ({"pairs": ("*-*",), "shard": "1/2"}, ["BTC-USDT", "ETH-USDT", "PEPE-USDT"]),
        ({"pairs": ("BTC-USDT", "ETH-BTC"), "shard": "1/2"}, ["BTC-USDT"]),
    ],
)
def test_patterns_and_shards(line, pairs):
    (plan,) = plans(ingest(FeedSettings("binance", "spot", "agg_trade", **line)), find_exchange, traded)
    assert list(plan.pairs.values()) == pairs


def test_shards_share_out_every_pair_once():
    pairs = [f"A{number}-B" for number in range(1000)]
    shares = [[pair for pair in pairs if in_shard(pair, f"{number}/3")] for number in range(3)]
    assert sorted(pair for share in shares for pair in share) == sorted(pairs)
    assert min(map(len, shares)) > 250


@pytest.mark.parametrize(
    ("feed", "streams", "kinds"),
    [
        (FeedSettings("binance", "spot", "book_top", ("BTC-USDT",)), ["btcusdt@bookTicker"], ("book_top", "diffs")),
        (FeedSettings("binance", "spot", "book", ("BTC-USDT",)), ["btcusdt@depth20@100ms"], ("book", "books")),
        (FeedSettings("binance", "spot", "book", ("BTC-USDT",), depth=5), ["btcusdt@depth5@100ms"], ("book", "books")),
        (FeedSettings("binance", "usdm", "book_diff", ("BTC-USDT",)), ["btcusdt@depth@100ms"], ("book_diff", "diffs")),
        (FeedSettings("binance", "spot", "kline", ("BTC-USDT",)), ["btcusdt@kline_1m"], ("kline", "klines")),
        (FeedSettings("binance", "spot", "kline", ("BTC-USDT",), width="1h"), ["btcusdt@kline_1h"], ("kline", "klines")),
        (FeedSettings("coinbase", "spot", "book_diff", ("BTC-USD",)), ["level2_batch:BTC-USD"], ("book_diff", "diffs")),
        (FeedSettings("bitso", "spot", "book", ("BTC-MXN",)), ["orders:btc_mxn"], ("book", "books")),
        (FeedSettings("bitso", "spot", "book_diff", ("BTC-MXN",)), ["diff-orders:btc_mxn"], ("book_diff", "diffs")),
    ],
)
def test_what_is_no_trade_can_be_subscribed_too(feed, streams, kinds):
    (plan,) = plans(ingest(feed), find_exchange, traded)
    assert (list(plan.pairs), (plan.kind, plan.channel)) == (streams, kinds)


def test_usdm_serves_books_by_another_route_than_trades():
    books = plans(ingest(FeedSettings("binance", "usdm", "book_top", ("BTC-USDT",))), find_exchange, traded)[0]
    trades = plans(ingest(FeedSettings("binance", "usdm", "agg_trade", ("BTC-USDT",))), find_exchange, traded)[0]
    addresses = [plan.exchange.address(plan.hosts[0], tuple(plan.pairs)) for plan in (books, trades)]
    assert addresses == ["wss://fstream.binance.com/public/stream", "wss://fstream.binance.com/market/stream"]


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        (("binance", "spot", "agg_trade", ("*-EUR",)), "pairs is '*-EUR': fits none of the 4 pairs that binance spot trades"),
        (("binance", "spot", "book", ("BTC-USDT",), None, 7), "depth is 7: one of 5, 10, 20"),
        (("binance", "spot", "kline", ("BTC-USDT",), None, None, "7m"), "width is '7m': one of 1s, 1m, 3m"),
        (("binance", "spot", "kline", ("BTC-USDT",), None, 5), "depth is 5: not of kind kline at binance spot"),
        (("binance", "spot", "agg_trade", ("BTC-USDT",), None, None, "1m"), "width is '1m': not of kind agg_trade at"),
        (("coinbase", "spot", "book_diff", ("BTC-USD",), None, 5), "depth is 5: not of kind book_diff at coinbase spot"),
    ],
)
def test_a_wish_that_cannot_be_had_is_refused_by_name(feed, message):
    with pytest.raises(SettingsError) as refusal:
        plans(ingest(FeedSettings(*feed)), find_exchange, traded)
    assert str(refusal.value).startswith(f"ingest.feeds[0].{message}")
