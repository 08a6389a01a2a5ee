"""Each registered exchange: complete, evidenced, recognising what its documentation shows, total on everything else."""

import json
import re
from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.exchanges import EXCHANGES, find_exchange
from ingest.exchanges.binance import pair_of, recognise_among
from ingest.exchanges.exchange import Exchange, Limits, Seen
from tests.support import wire
from tests.support.readings import Row, rows

every_exchange = pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=lambda exchange: exchange.name)
BINANCE = [exchange for exchange in EXCHANGES.values() if exchange.venue == "binance"]
EVIDENCE = Path(__file__).parents[2] / "docs" / "exchanges.md"
TRADES = ("trade", "agg_trade")


def section(exchange: Exchange) -> str:
    """The exchange's part of docs/exchanges.md."""
    parts = re.split(r"^## `(.+)`$", EVIDENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(exchange.name, "")


@every_exchange
def test_an_exchange_has_a_section_with_evidence_and_limits(exchange: Exchange):
    text = section(exchange)
    assert "| channel, variant | role | what we do | evidence |" in text
    for kind in all_kinds(exchange):
        assert f"kind `{kind}`" in text
    for kind, source in exchange.readings:
        assert f"`{kind}` `{source}`" in text, (kind, source)
    limits = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, flags=re.MULTILINE))
    assert {name: limits.get(name) for name in names(Limits)} == {
        name: "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in vars(exchange.limits).items()
    }


@every_exchange
def test_an_exchange_has_evidence_of_how_the_past_is_asked_for(exchange: Exchange):
    assert exchange.rest is not None
    rows = dict(re.findall(r"^\| (`\w+`|budget) \| (.+?) \| (?=\d|\| )", section(exchange), flags=re.MULTILINE))
    weights = dict(re.findall(r"^\| (`\w+`) \| `/.+?` \| (\d+) \|", section(exchange), flags=re.MULTILINE))
    pair = exchange.pair("btc_mxn" if exchange.venue == "bitso" else "BTC-USD" if exchange.venue == "coinbase" else "BTCUSDT")
    asked = {
        f"`{kind}`": history.ask(pair, 1, 2).partition("?")[0].replace(pair, "<id>")
        for kind, history in exchange.rest.histories.items()
    }
    assert {name: text.strip("`") for name, text in rows.items() if name != "budget"} == asked
    assert weights == {f"`{kind}`": str(history.weight) for kind, history in exchange.rest.histories.items()}
    assert rows["budget"] == f"{exchange.rest.budget} in {exchange.rest.seconds:g} s"
    assert set(exchange.rest.histories) == set(exchange.feeds)


@every_exchange
def test_an_exchange_has_evidence_of_the_files_that_it_publishes(exchange: Exchange):
    text, day = section(exchange), date(2024, 2, 3)
    rows = re.findall(r"^\| `(\w+)` \| `(/\S+)` \| `(/\S+)` \| (.+?) \| (.+?) \| .+ \|$", text, flags=re.MULTILINE)
    if exchange.dumps is None:
        assert (rows, "Files: none are published." in text) == ([], True)
        return
    addresses = re.findall("`(https://[^`]*data.binance.vision)`", section(find_exchange("binance", "spot")))
    assert [*exchange.dumps.hosts, *exchange.dumps.listings] == addresses
    assert {kind: (daily, monthly, columns, names) for kind, daily, monthly, columns, names in rows} == {
        kind: (
            dump.daily("BTC-USDT", day).replace("BTCUSDT", "<id>").replace("2024-02-03", "<day>"),
            dump.monthly("BTC-USDT", day).replace("BTCUSDT", "<id>").replace("2024-02", "<month>"),
            " ".join(f"`{name}`" for name in dump.fields),
            " ".join(f"`{name}`" for name in dump.header) or "none",
        )
        for kind, dump in {**exchange.dumps.kinds, "kline": exchange.dumps.candles["1m"]}.items()
    }


@every_exchange
def test_the_columns_of_files_are_those_that_are_read(exchange: Exchange):
    kinds = exchange.dumps.kinds if exchange.dumps else {}
    assert {kind for kind, source in exchange.readings if source == "dump"} == set(kinds)
    for kind, dump in kinds.items():
        reading = exchange.readings[kind, "dump"]
        paths = {reading.trade_id, reading.price, reading.quantity, reading.time, reading.taker}
        assert paths <= set(dump.fields)
        assert (reading.trade_id, reading.time) == (dump.fields[0], dump.time)
        assert len(dump.header) in (0, len(dump.fields))


@every_exchange
def test_an_exchange_has_a_reading_for_every_feed(exchange: Exchange):
    feeds = {**exchange.feeds, **exchange.recorded}
    assert {kind for kind, source in exchange.readings if source == "ws"} == set(feeds)
    assert {kind for kind, source in exchange.readings if source == "rest"} == set(feeds)
    for kind, feed in feeds.items():
        assert (feed.kind, feed.channel) == (kind, "trades")


@every_exchange
def test_the_frames_say_what_they_were_written_from(exchange: Exchange):
    for name in ("frames.jsonl", "others.jsonl"):
        header = wire.header(exchange, name)
        assert header["documentation"].startswith("https://")
        assert re.fullmatch(r"\d{4}-\d{2}", header["date"])


@every_exchange
def test_frames_are_recognised(exchange: Exchange):
    found = {line: exchange.recognise(json.loads(text))._asdict() for line, text in wire.frames(exchange).items()}
    nothing = Seen("")._asdict()
    assert found == {line: {**nothing, **expected} for line, expected in wire.seen(exchange).items()}
    assert {seen["kind"] for seen in found.values()} == {*all_kinds(exchange), "control", "unknown"}


@every_exchange
def test_frames_mean_their_rows(exchange: Exchange):
    expected = wire.trades(exchange)
    found: dict[int, list[tuple[str, Row]]] = {}
    pairs = {feed.stream(pair): pair for feed in all_feeds(exchange) for pair in pairs_of(expected)}
    for line, text in wire.frames(exchange).items():
        seen = exchange.recognise(json.loads(text))
        if seen.kind in TRADES and (meant := rows(exchange, seen.kind, "ws", text)):
            found[line] = [(pairs[seen.stream or ""], comparable(row)) for row in meant]
    assert found == expected


@every_exchange
def test_response_bodies_and_rows_of_dumps_mean_their_rows(exchange: Exchange):
    others = wire.others(exchange)
    for text, expected in others:
        assert [comparable(row) for row in rows(exchange, text.kind, text.source, text.raw)] == expected, text
    assert {(text.kind, text.source) for text, _ in others} == {key for key in exchange.readings if key[1] != "ws"}


@every_exchange
@given(
    frame=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_value_is_recognised_as_something(exchange: Exchange, frame: object):
    assert isinstance(exchange.recognise(frame), Seen)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([]) | st.just({})


def nearly_a_frame(exchange: Exchange, data: st.DataObject) -> object:
    """One with one part replaced."""
    frame = json.loads(data.draw(st.sampled_from(sorted(wire.frames(exchange).values()))))
    spot = frame
    while isinstance(spot, dict | list) and spot:
        key = data.draw(st.sampled_from(sorted(spot) if isinstance(spot, dict) else range(len(spot))))
        if data.draw(st.booleans()) or not isinstance(spot[key], dict | list):
            spot[key] = data.draw(leaves)
            break
        spot = spot[key]
    return frame


@every_exchange
@given(data=st.data())
def test_a_frame_with_one_part_replaced_is_recognised_as_something(exchange: Exchange, data: st.DataObject):
    seen = exchange.recognise(nearly_a_frame(exchange, data))
    assert seen.kind in {*all_kinds(exchange), "control", "unknown"}
    assert all(value is None or type(value) is int for value in (seen.first_id, seen.last_id, seen.event_ms))
    assert seen.stream is None or isinstance(seen.stream, str)


@pytest.mark.parametrize("exchange", BINANCE, ids=lambda exchange: exchange.name)
@given(data=st.data())
def test_binance_frames_are_the_same_whether_or_not_their_stream_was_seen_before(exchange: Exchange, data: st.DataObject):
    """What was seen before is recognised by another, quicker way."""
    for text in wire.frames(exchange).values():
        exchange.recognise(json.loads(text))
    frame = nearly_a_frame(exchange, data)
    assert exchange.recognise(frame) == recognise_among({**exchange.feeds, **exchange.recorded})(frame)


@every_exchange
@pytest.mark.parametrize("odd", ["true", "7.0", '"7"', "null", "[7]"])
def test_an_id_that_is_no_whole_number_is_none(exchange: Exchange, odd: str):
    line, [(_, row), *_] = next(iter(wire.trades(exchange).items()))
    frame = json.loads(wire.frames(exchange)[line].replace(f":{row.trade_id},", f":{odd},", 1))
    seen = exchange.recognise(frame)
    assert (seen.kind, seen.first_id, seen.last_id) == (row.feed, None, None)


@every_exchange
@given(
    base=st.from_regex(r"[A-Z0-9]{1,8}", fullmatch=True),
    quote=st.sampled_from(["USDT", "USDC", "BTC", "EUR", "MXN", "TUSD", "USD"]),
)
def test_a_pair_goes_through_its_symbol_or_is_refused(exchange: Exchange, base: str, quote: str):
    pair = f"{base}-{quote}"
    try:
        symbol = exchange.symbol(pair)
    except ValueError:
        symbol = None
    assert symbol is None or exchange.pair(symbol) == pair
    if exchange.venue != "binance":
        assert symbol is not None


@every_exchange
def test_the_pairs_of_the_frames_have_symbols(exchange: Exchange):
    for pair in pairs_of(wire.trades(exchange)):
        assert exchange.pair(exchange.symbol(pair)) == pair


@every_exchange
@pytest.mark.parametrize("pair", ["btc-usdt", "BTCUSDT", "BTC-USDT-PERP", "币安人生-USDT", "", "-", "BTC_USD"])
def test_what_is_no_pair_has_no_symbol(exchange: Exchange, pair: str):
    with pytest.raises(ValueError, match=re.escape(repr(pair))):
        exchange.symbol(pair)


@pytest.mark.parametrize(
    ("venue", "market", "symbol", "pair"),
    [
        ("binance", "spot", "BTCUSDT", "BTC-USDT"),
        ("binance", "spot", "FDUSDUSDT", "FDUSD-USDT"),
        ("binance", "spot", "BTCFDUSD", "BTC-FDUSD"),
        ("binance", "spot", "ADAEUR", "ADA-EUR"),
        ("binance", "spot", "BETHETH", "BETH-ETH"),
        ("binance", "spot", "1INCHBTC", "1INCH-BTC"),
        ("binance", "usdm", "1000SHIBUSDT", "1000SHIB-USDT"),
        ("coinbase", "spot", "BTC-USD", "BTC-USD"),
        ("bitso", "spot", "btc_mxn", "BTC-MXN"),
    ],
)
def test_symbols_as_the_venue_writes_them(venue: str, market: str, symbol: str, pair: str):
    exchange = find_exchange(venue, market)
    assert (exchange.pair(symbol), exchange.symbol(pair)) == (pair, symbol)


def test_the_longest_quote_asset_wins():
    assert pair_of("BTCFDUSD", ("USD", "FDUSD")) == "BTC-FDUSD"


@pytest.mark.parametrize(
    ("venue", "market", "symbol", "why"),
    [
        ("binance", "usdm", "BTCUSD_PERP", "contracts"),
        ("binance", "usdm", "BTCUSDT_250328", "a dated future"),
        ("binance", "spot", "币安人生USDT", "not ASCII"),
        ("binance", "spot", "BTCXYZ", "no known quote asset"),
        ("binance", "spot", "USDT", "no known quote asset"),
        ("coinbase", "spot", "BTCUSD", "BASE-QUOTE"),
        ("bitso", "spot", "BTC_MXN", "base_quote of a-z"),
    ],
)
def test_a_symbol_that_has_no_pair_is_refused_by_name(venue: str, market: str, symbol: str, why: str):
    with pytest.raises(ValueError, match=why) as refusal:
        find_exchange(venue, market).pair(symbol)
    assert repr(symbol) in str(refusal.value)


@pytest.mark.parametrize(
    ("market", "why"), [("coinm", "its quantities are contracts"), ("options", "one of binance spot, binance usdm")]
)
def test_a_market_that_is_not_known_is_refused_by_name(market: str, why: str):
    with pytest.raises(LookupError, match=f"binance {market}: .*{why}"):
        find_exchange("binance", market)


@pytest.mark.parametrize(
    ("venue", "market", "address", "said"),
    [
        ("binance", "spot", "ws://h/stream", ['{"method":"SUBSCRIBE","params":["btcusdt@trade","ethusdt@trade"],"id":1}']),
        (
            "binance",
            "usdm",
            "ws://h/market/stream",
            ['{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","ethusdt@aggTrade"],"id":1}'],
        ),
        (
            "coinbase",
            "spot",
            "ws://h",
            ['{"type":"subscribe","product_ids":["BTC-USDT","ETH-USDT"],"channels":["matches","heartbeat"]}'],
        ),
        (
            "bitso",
            "spot",
            "ws://h",
            [
                '{"action":"subscribe","book":"btc_usdt","type":"trades"}',
                '{"action":"subscribe","book":"eth_usdt","type":"trades"}',
            ],
        ),
    ],
)
def test_where_to_connect_and_what_to_say(venue: str, market: str, address: str, said: list[str]):
    exchange = find_exchange(venue, market)
    feed = exchange.feeds.get("trade") or exchange.feeds["agg_trade"]
    streams = [feed.stream("BTC-USDT"), feed.stream("ETH-USDT")]
    assert (exchange.address("ws://h", streams), exchange.subscriptions(streams)) == (address, said)
    assert exchange.subscriptions([]) == []


def test_many_binance_streams_are_asked_for_in_few_messages():
    streams = [f"s{number}@trade" for number in range(1024)]
    said = [json.loads(text) for text in find_exchange("binance", "spot").subscriptions(streams)]
    assert [message["id"] for message in said] == [1, 2, 3, 4, 5, 6]
    assert [stream for message in said for stream in message["params"]] == streams


def names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def all_feeds(exchange: Exchange):
    return [*exchange.feeds.values(), *exchange.recorded.values()]


def all_kinds(exchange: Exchange) -> set[str]:
    """Of trades and of what is none."""
    also = {kind for feed in exchange.aside.values() for kind in feed.also}
    return {*exchange.feeds, *exchange.recorded, *exchange.aside, *also}


def pairs_of(expected: dict[int, list[tuple[str, Row]]]) -> set[str]:
    return {pair for meant in expected.values() for pair, _ in meant}


def comparable(row: Row) -> Row:
    """A row as the files write it: of a row with a reason, the id."""
    return (
        row
        if row.reason is None
        else wire.row({"item": row.item, "feed": row.feed, "trade_id": row.trade_id, "reason": row.reason})
    )
