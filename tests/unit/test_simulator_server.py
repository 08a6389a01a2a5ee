"""The simulated venues against a client over a real socket: what is subscribed arrives, byte for byte, and the truth says so."""

import json
import time
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from ingest.simulator.faults import drop
from ingest.simulator.listings import LISTINGS, Series, series
from ingest.simulator.market import market
from ingest.simulator.ticks import MINUTE
from ingest.simulator.wire import Frame
from ingest.simulator.worlds import made
from tests.support.simulation import client, heard, subscribe, venues

START = 1_731_000_000_000_000
SEED = 7
SPAN = 30_000_000
FEEDS = {(feed.venue, feed.market, feed.stream): feed for listing in LISTINGS for feed in series(listing).values()}
BTC = FEEDS["binance", "spot", "btcusdt@aggTrade"]
MATCHES = FEEDS["coinbase", "spot", "matches:BTC-USD"]
SUBSCRIBE_COINBASE = '{"type":"subscribe","product_ids":["BTC-USD"],"channels":["matches","heartbeat"]}'


def sent(*feeds: Series, span: int = SPAN) -> list[Frame]:
    return list(market(SEED, START, START + span, wanted=lambda feed: feed in feeds))


def texts(frames: list[Frame]) -> list[str]:
    return [frame.text.decode() for frame in frames]


def row(frame: Frame, *, is_sent: bool, dropped: bool = False) -> list[dict[str, object]]:
    feed = frame.series
    where = {"venue": feed.venue, "market": feed.market, "kind": feed.kind, "pair": feed.pair}
    return [{**where, **trade._asdict(), "sent": is_sent, "dropped": dropped} for trade in frame.trades]


def rows_of(truth: list[dict[str, object]], *feeds: Series) -> list[dict[str, object]]:
    kinds = {(feed.venue, feed.market, feed.kind, feed.pair) for feed in feeds}
    return [line for line in truth if (line["venue"], line["market"], line["kind"], line["pair"]) in kinds]


def test_a_subscriber_gets_every_frame_of_its_streams_and_the_truth_tells():
    trade = FEEDS["binance", "spot", "ethusdt@trade"]
    with (
        venues(made(SEED, START, START + SPAN, None)) as running,
        client(running.address + "/binance/spot/stream", subscribe([BTC.stream, trade.stream])) as connection,
    ):
        found = heard(connection)
    assert found[0] == '{"result":null,"id":1}'
    assert found[1:] == texts(sent(BTC, trade))
    by_feed = lambda line: (line["kind"], line["trade_id"])  # noqa: E731 - the order of two feeds in the truth is not promised
    expected = [line for frame in sent(BTC, trade) for line in row(frame, is_sent=True)]
    assert sorted(rows_of(running.truth(), BTC, trade), key=by_feed) == sorted(expected, key=by_feed)


def test_the_truth_has_every_trade_also_those_nobody_was_sent():
    with (
        venues(made(SEED, START, START + SPAN, None)) as running,
        client(running.address + "/binance/spot/stream", subscribe([BTC.stream])) as connection,
    ):
        heard(connection)
    for feed in FEEDS.values():
        expected = [line for frame in sent(feed) for line in row(frame, is_sent=feed == BTC)]
        assert rows_of(running.truth(), feed) == expected, feed


def test_streams_can_be_named_in_the_address():
    with (
        venues(made(SEED, START, START + SPAN, None)) as running,
        client(f"{running.address}/binance/spot/stream?streams={BTC.stream}/nix@trade") as connection,
    ):
        assert heard(connection) == texts(sent(BTC))


def test_who_comes_back_has_missed_what_passed():
    with venues(made(SEED, START, START + 20 * SPAN, 600.0)) as running:
        with client(running.address + "/binance/spot/stream", subscribe([BTC.stream])) as connection:
            first = heard(connection, 10)[1:]
        with client(running.address + "/binance/spot/stream", subscribe([BTC.stream])) as connection:
            second = heard(connection)[1:]
    everything = texts(sent(BTC, span=20 * SPAN))
    assert first == everything[:9]
    assert second == everything[-len(second) :]
    told = [line["sent"] for line in rows_of(running.truth(), BTC)]
    missed = told.index(False)
    assert missed >= 9
    assert told == [True] * missed + [False] * (len(everything) - missed - len(second)) + [True] * len(second)


def test_who_unsubscribes_hears_no_more():
    unsubscribe = json.dumps({"method": "UNSUBSCRIBE", "params": [BTC.stream], "id": 2})
    listed = json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 3})
    eth = FEEDS["binance", "spot", "ethusdt@aggTrade"]
    with venues(made(SEED, START, START + SPAN, None), wait_for=3) as running:
        address = running.address + "/binance/spot/stream"
        with client(address, subscribe([BTC.stream, eth.stream]), unsubscribe, listed) as connection:
            said = heard(connection, 3)
            with client(address, subscribe([BTC.stream, "ethusdt@trade"])) as other:
                found, _ = heard(connection), heard(other)
    assert said == ['{"result":null,"id":1}', '{"result":null,"id":2}', '{"result":["ethusdt@aggTrade"],"id":3}']
    assert found == texts(sent(eth))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("nix", '{"code":3,"msg":"Invalid JSON: expected an object"}'),
        (
            '{"method":"SUBSCRIB"}',
            '{"code":2,"msg":"Invalid request: unknown variant `SUBSCRIB`, expected SUBSCRIBE, UNSUBSCRIBE or',
        ),
        ('{"method":"SUBSCRIBE","params":7,"id":1}', '{"code":2,"msg":"Invalid request: params must be a list of names"}'),
        ('{"method":"SUBSCRIBE","params":["nix@trade"],"id":7}', '{"result":null,"id":7}'),
    ],
)
def test_binance_answers(said: str, answer: str):
    with (
        venues(made(SEED, START, START + SPAN, None)) as running,
        client(running.address + "/binance/spot/stream", said) as connection,
    ):
        assert heard(connection, 1)[0].startswith(answer)


@pytest.mark.parametrize("path", ["/binance/usdm/stream", "/binance/usdm/public/stream"])
def test_the_former_path_of_usdm_acknowledges_and_is_mute(path: str):
    feed = FEEDS["binance", "usdm", "btcusdt@aggTrade"]
    said = subscribe([feed.stream])
    with venues(made(SEED, START, START + SPAN, None)) as running, client(running.address + path, said) as mute:
        assert heard(mute, 1) == ['{"result":null,"id":1}']
        with client(running.address + "/binance/usdm/market/stream", said) as connection:
            assert heard(connection)[1:] == texts(sent(feed))
        assert heard(mute) == []


def test_coinbase_begins_with_the_last_match_and_beats_every_second():
    with (
        venues(made(SEED, START, START + SPAN, None)) as running,
        client(running.address + "/coinbase/spot", SUBSCRIBE_COINBASE) as connection,
    ):
        found = heard(connection)
    before = list(market(SEED, START - 5 * MINUTE, START, wanted=lambda feed: feed == MATCHES))[-1]
    assert found[0] == (
        '{"type":"subscriptions","channels":[{"name":"heartbeat","product_ids":["BTC-USD"]},{"name":"matches","product_ids":["BTC-USD"]}]}'
    )
    assert found[1] == before.text.decode().replace('"match"', '"last_match"')
    assert [text for text in found[2:] if '"type":"heartbeat"' not in text] == texts(sent(MATCHES))
    assert rows_of(running.truth(), MATCHES) == [line for frame in [before, *sent(MATCHES)] for line in row(frame, is_sent=True)]
    beats = [json.loads(text) for text in found if '"type":"heartbeat"' in text]
    assert [(beat["time"], beat["last_trade_id"]) for beat in beats] == list(expected_beats(before))


def expected_beats(before: Frame) -> Iterator[tuple[str, int]]:
    """Each second until the last trade of any venue; the last trade that was."""
    matches = [before, *sent(MATCHES)]
    end = max(frame.at for frame in market(SEED, START, START + SPAN))
    for second in range(1, (end - START) // 1_000_000 + 1):
        last = [frame for frame in matches if frame.at < START + second * 1_000_000][-1]
        yield f"2024-11-07T17:20:{second:02d}.000000Z", last.trades[-1].trade_id


def test_a_dropped_match_is_told_as_the_last_one_and_is_no_longer_unsent():
    hole = drop("coinbase", "spot", "BTC-USD", 0, 1_000_000)
    eth = FEEDS["coinbase", "spot", "matches:ETH-USD"]
    world = made(SEED, START, START + SPAN, None, [hole])
    with venues(world, stays=True) as running:
        with client(running.address + "/coinbase/spot", SUBSCRIBE_COINBASE.replace("BTC", "ETH")) as connection:
            heard(connection, 2 + len(sent(eth)))
        poll_until_played(running.address, len(sent(MATCHES)))
    last = sent(MATCHES)[-1].trades[-1]
    told = [(line["trade_id"], line["sent"], line["dropped"]) for line in rows_of(running.truth(), MATCHES)]
    assert told[-1] == (last.trade_id, True, True)
    assert {line[1:] for line in told[:-1]} == {(False, True)}


def poll_until_played(address: str, trades: int) -> None:
    """Subscribe anew until the last match is the market's last."""
    assert trades
    last = sent(MATCHES)[-1].trades[-1].trade_id
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with client(address + "/coinbase/spot", SUBSCRIBE_COINBASE) as connection:
            if json.loads(heard(connection, 2)[1])["trade_id"] == last:
                return
    pytest.fail("the market did not end")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("nix", "Malformed JSON"),
        ('{"type":"x"}', "Type has to be subscribe or unsubscribe"),
        (SUBSCRIBE_COINBASE.replace("BTC", "FOO"), "FOO-USD is not a valid product"),
        (SUBSCRIBE_COINBASE.replace("matches", "full"), "full is no channel, or asks for authentication"),
    ],
)
def test_coinbase_refuses(said: str, reason: str):
    with venues(made(SEED, START, START + SPAN, None)) as running, client(running.address + "/coinbase/spot", said) as connection:
        assert json.loads(heard(connection, 1)[0]) == {"type": "error", "message": "Failed to subscribe", "reason": reason}


def test_bitso_takes_a_book_a_message():
    feed = FEEDS["bitso", "spot", "trades:btc_mxn"]
    said = [json.dumps({"action": "subscribe", "book": book, "type": "trades"}) for book in ("foo_mxn", "btc_mxn")]
    with venues(made(SEED, START, START + MINUTE, None)) as running, client(running.address + "/bitso/spot", *said) as connection:
        found = heard(connection)
    answers = [json.loads(text) for text in found[:2]]
    assert [(answer["action"], answer["type"], answer["response"]) for answer in answers] == [
        ("subscribe", "trades", "error"),
        ("subscribe", "trades", "ok"),
    ]
    assert found[2:] == texts(sent(feed, span=MINUTE))


def test_an_unknown_path_is_not_found():
    refused = pytest.raises(InvalidStatus, match="HTTP 404")
    with venues(made(SEED, START, START + SPAN, None)) as running, refused, client(running.address + "/kraken/spot"):
        pass


def test_who_says_too_much_is_cut_off():
    with venues(made(SEED, START, START + SPAN, None), stays=True) as running:
        with client(running.address + "/binance/spot/stream", *[subscribe(["nix@trade"])] * 6) as connection:
            assert heard(connection) == ['{"result":null,"id":1}'] * 5
        assert (connection.close_code, connection.close_reason) == (1008, "more than 5 messages in a second")


def test_bitso_documents_no_limit_and_so_has_none():
    said = [
        json.dumps({"action": "subscribe", "book": book, "type": channel})
        for book in ("btc_mxn", "eth_mxn")
        for channel in ("trades", "orders", "diff-orders")
    ] * 3
    with (
        venues(made(SEED, START, START + SPAN, None), wait_for=10**6) as running,
        client(running.address + "/bitso/spot", *said) as connection,
    ):
        answers = [json.loads(text) for text in heard(connection, 18)]
    assert [answer["response"] for answer in answers if "response" in answer] == ["ok"] * 18


@pytest.mark.parametrize("path", ["/binance/spot", "/binance/usdm/market"])
def test_who_wants_too_many_streams_is_cut_off(path):
    """1024 and no more; what is not traded is acknowledged as well. An address is too long before it names so many."""
    names = [f"x{number}usdt@aggTrade" for number in range(1025)]
    with venues(made(SEED, START, START + SPAN, None), wait_for=10**6) as running:
        with client(running.address + path + "/stream", subscribe(names[:1024])) as connection:
            assert heard(connection, 1) == ['{"result":null,"id":1}']
        with client(running.address + path + "/stream", subscribe(names[:1024]), subscribe(names[1024:])) as connection:
            heard(connection)
            assert (connection.close_code, connection.close_reason) == (1008, "more than 1024 streams")


def test_a_planted_hole_is_in_the_truth_and_not_on_the_wire():
    trade = FEEDS["binance", "spot", "btcusdt@trade"]
    hole = drop("binance", "spot", "BTC-USDT", 10, 25)
    with (
        venues(made(SEED, START, START + SPAN, None, [hole])) as running,
        client(running.address + "/binance/spot/stream", subscribe([BTC.stream, trade.stream])) as connection,
    ):
        found = heard(connection)[1:]
    for feed in (BTC, trade):
        frames = sent(feed)
        first = next(place for place, frame in enumerate(frames) if frame.at >= START + 10_000_000)
        hole = range(first, first + 25)
        stream = f'{{"stream":"{feed.stream}"'
        assert [text for text in found if text.startswith(stream)] == texts(
            [frame for place, frame in enumerate(frames) if place not in hole]
        )
        assert rows_of(running.truth(), feed) == [
            line for place, frame in enumerate(frames) for line in row(frame, is_sent=place not in hole, dropped=place in hole)
        ]


def test_market_time_passes_at_its_speed_and_never_passes_the_clock():
    """A market whose end lies ahead stops at the clock; one that lies behind comes at its speed."""
    now = time.time_ns() // 1000
    with (
        venues(made(SEED, now - 1_000_000, now + 3_600_000_000, 1000.0)) as running,
        client(running.address + "/binance/spot/stream", subscribe([BTC.stream])) as connection,
    ):
        heard(connection, 1)
        for _ in range(20):
            assert json.loads(heard(connection, 1)[0])["data"]["E"] <= time.time_ns() // 1_000_000
    began = time.monotonic()
    with (
        venues(made(SEED, START, START + SPAN, 60.0)) as running,
        client(running.address + "/binance/spot/stream", subscribe([BTC.stream])) as connection,
    ):
        heard(connection)
    assert time.monotonic() - began > (sent(BTC)[-1].at - START) / 60e6
