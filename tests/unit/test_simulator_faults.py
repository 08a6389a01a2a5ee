"""Every fault that can be asked for, as a real client sees it; and what the truth says of it."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from http.client import IncompleteRead
from itertools import product
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection

from ingest.settings import Size
from ingest.simulator import faults as language
from ingest.simulator.damage import _FAULTS, _SIDES, Sending, damaged
from ingest.simulator.faults import Fault, faults
from ingest.simulator.listings import LISTINGS, Series, series
from ingest.simulator.market import market
from ingest.simulator.script import Script
from ingest.simulator.wire import Frame
from ingest.simulator.worlds import made
from ingest.values import SettingsError
from tests.support.simulation import DEADLINE, asked, client, heard, subscribe, venues

START = 1_731_000_000_000_000  # 2024-11-07T17:20:00Z
SEED = 7
SPAN = 30_000_000
FEEDS = {(feed.venue, feed.market, feed.stream): feed for listing in LISTINGS for feed in series(listing).values()}
BTC = FEEDS["binance", "spot", "btcusdt@aggTrade"]
ETH = FEEDS["binance", "spot", "ethusdt@aggTrade"]
MATCHES = FEEDS["coinbase", "spot", "matches:BTC-USD"]
BOOK = FEEDS["bitso", "spot", "trades:btc_mxn"]
SAY = {
    BTC: ("/binance/spot/stream", subscribe([BTC.stream])),
    MATCHES: ("/coinbase/spot", '{"type":"subscribe","product_ids":["BTC-USD"],"channels":["matches"]}'),
    BOOK: ("/bitso/spot", '{"action":"subscribe","book":"btc_mxn","type":"trades"}'),
}
SECOND = timedelta(seconds=1)


@cache
def sent(feed: Series) -> tuple[Frame, ...]:
    return tuple(market(SEED, START, START + SPAN, wanted=lambda other: other == feed))


def texts(feed: Series) -> list[str]:
    return [frame.text.decode() for frame in sent(feed)]


def took(wanted: Fault, feed: Series = BTC) -> tuple[list[str], list[bool]]:
    """What a subscriber of the feed hears, and for each frame whether the truth says that it was sent."""
    path, say = SAY[feed]
    with venues(made(SEED, START, START + SPAN, None, [wanted])) as running, client(running.address + path, say) as connection:
        found = heard_as_bytes(connection)
    told = {
        line["trade_id"]: line["sent"]
        for line in running.truth()
        if (line["venue"], line["market"], line["kind"], line["pair"]) == feed[:4] and line["ts"] >= START
    }
    first = 2 if feed == MATCHES else 1  # Coinbase tells the last match
    return [text.decode(errors="surrogateescape") for text in found[first:]], [
        told[frame.trades[0].trade_id] for frame in sent(feed)
    ]


def heard_as_bytes(connection: ClientConnection) -> list[bytes]:
    """Until the venue closes as it should: text that is no UTF-8 cannot be had as text."""
    found: list[bytes] = []
    try:
        while True:
            found.append(bytes(connection.recv(timeout=30, decode=False)))
    except ConnectionClosedOK:
        return found


def by_time(feed: Series, seconds: float) -> int:
    """The place of the first frame so long after the start."""
    return next(place for place, frame in enumerate(sent(feed)) if frame.at >= START + seconds * 1_000_000)


def test_a_muted_stream_is_acknowledged_and_silent_and_the_others_go_on():
    world = made(SEED, START, START + SPAN, None, [Fault("mute", stream=BTC.stream)])
    with (
        venues(world) as running,
        client(running.address + "/binance/spot/stream", subscribe([BTC.stream, ETH.stream])) as connection,
    ):
        assert heard(connection) == ['{"result":null,"id":1}', *texts(ETH)]
    muted = [
        line for line in running.truth() if line["kind"] == "agg_trade" and (line["market"], line["pair"]) == ("spot", "BTC-USDT")
    ]
    assert {(line["sent"], line["dropped"]) for line in muted} == {(False, True)}


def test_frames_are_dropped_for_a_while():
    found, told = took(Fault("drop", pair="BTC-USDT", at=5 * SECOND, lasts=3 * SECOND))
    first, last = by_time(BTC, 5), by_time(BTC, 8)
    assert found == texts(BTC)[:first] + texts(BTC)[last:]
    assert told == [True] * first + [False] * (last - first) + [True] * (len(told) - last)


def test_a_frame_comes_twice():
    found, told = took(Fault("duplicate", kind="agg_trade", skip=3, count=2))
    whole = texts(BTC)
    assert found == [*whole[:3], whole[3], whole[3], whole[4], whole[4], *whole[5:]]
    assert set(told) == {True}


def test_a_frame_comes_late():
    found, told = took(Fault("reorder", skip=3, by=2))
    whole = texts(BTC)
    assert found == [*whole[:3], whole[4], whole[5], whole[3], *whole[6:]]
    assert set(told) == {True}


def test_a_frame_that_waits_when_the_market_ends_comes_last():
    found, _ = took(Fault("reorder", skip=len(texts(BTC)) - 2, by=9))
    whole = texts(BTC)
    assert found == [*whole[:-2], whole[-1], whole[-2]]


def first_of(text: str) -> dict:
    whole = json.loads(text)
    inner = whole.get("data", whole)
    return inner["payload"][0] if "payload" in inner else inner


def is_longer(was: str, now: str) -> bool:
    return len(now) - len(was) > 1000 and first_of(now) == {**first_of(was), "zz": "x" * 1000}


@pytest.mark.parametrize("feed", [BTC, MATCHES, BOOK], ids=lambda feed: feed.venue)
@pytest.mark.parametrize(
    ("wanted", "is_right", "is_intact"),
    [
        (Fault("truncate", skip=2), lambda was, now: now == was[: len(was) // 2], False),
        (Fault("not-utf8", skip=2), lambda was, now: now == f"{was[:-2]}\udcc3({was[-2:]}", False),
        (Fault("new-field", skip=2), lambda was, now: first_of(now) == {**first_of(was), "zz": {"new": [1, None, "é"]}}, True),
        (Fault("huge", skip=2, size=language.Size(1000)), is_longer, False),
        (Fault("bad-number", skip=2), lambda was, now: now == was.replace(price(was), "NaN", 1), False),
        (Fault("bad-number", skip=2, value="1e400"), lambda was, now: now == was.replace(price(was), "1e400", 1), False),
        (Fault("lost-field", skip=2), lambda was, now: now == was.replace(named_price(was), "", 1), False),
        (Fault("flip-side", skip=2), lambda was, now: {**first_of(was), **side(was)} == first_of(now) != first_of(was), False),
    ],
    ids=lambda value: f"{value.fault} {value.value}" if isinstance(value, Fault) else "",
)
def test_a_frame_comes_damaged(feed: Series, wanted: Fault, is_right: Callable[[str, str], bool], is_intact: bool):  # noqa: FBT001 - a column
    found, told = took(wanted, feed)
    whole = texts(feed)
    assert found[:2] + found[3:] == whole[:2] + whole[3:]
    assert is_right(whole[2], found[2]), found[2]
    assert told == [True, True, is_intact] + [True] * (len(whole) - 3)


def price(text: str) -> str:
    return json.dumps(next(first_of(text)[name] for name in ("p", "price", "r") if name in first_of(text)))


def named_price(text: str) -> str:
    return next(f'"{name}":{price(text)},' for name in ("p", "price", "r") if name in first_of(text))


def side(text: str) -> dict:
    item = first_of(text)
    if "maker_order_id" in item:
        return {"side": "buy" if item["side"] == "sell" else "sell"}
    return {"m": not item["m"]} if "m" in item else {"t": 1 - item["t"]}


def test_another_field_can_be_lost():
    found, _ = took(Fault("lost-field", name="a"))
    assert list(json.loads(found[0])["data"]) == ["e", "E", "s", "p", "q", "f", "l", "T", "m", "M"]


def test_a_frame_comes_as_bytes():
    world = made(SEED, START, START + SPAN, None, [Fault("binary", skip=1)])
    path, say = SAY[BTC]
    with venues(world) as running, client(running.address + path, say) as connection:
        assert [connection.recv(timeout=30) for _ in range(4)][1:] == [texts(BTC)[0], texts(BTC)[1].encode(), texts(BTC)[2]]


def test_a_huge_frame_is_more_than_a_client_takes():
    world = made(SEED, START, START + SPAN, None, [Fault("huge", size=language.Size(2_000_000))])
    path, say = SAY[BTC]
    with venues(world) as running, client(running.address + path, say, max_size=1_000_000) as connection:
        assert heard(connection, 1) == ['{"result":null,"id":1}']
        with pytest.raises(ConnectionClosedError, match=r"1009 \(message too big\)"):
            connection.recv(timeout=30)


@pytest.mark.parametrize(
    ("wanted", "code", "reason"),
    [
        (Fault("abort", at=10 * SECOND), 1006, ""),
        (Fault("close", at=10 * SECOND, code=4001, reason="go away"), 4001, "go away"),
    ],
)
def test_a_connection_ends(wanted: Fault, code: int, reason: str):
    """Flat out, so that more than the part before may have been on its way; nothing of it is changed."""
    path, say = SAY[BTC]
    with venues(made(SEED, START, START + SPAN, None, [wanted]), stays=True) as running:
        with client(running.address + path, say) as connection:
            found = heard(connection)
            assert (connection.close_code, connection.close_reason) == (code, reason)
        assert found[1:] == texts(BTC)[: len(found) - 1]
        assert len(found) - 1 <= by_time(BTC, 10)
        with client(running.address + path, say) as connection:
            assert heard(connection, 1) == ['{"result":null,"id":1}']


def test_with_a_time_connections_that_come_meanwhile_are_hit_too():
    path, say = SAY[BTC]
    wanted, found, tries = Fault("abort", venue="binance", lasts=10 * SECOND), [], 0
    with venues(made(SEED, START, START + SPAN, 5.0, [wanted]), wait_for=0) as running:
        while len(found) < 2:
            tries += 1
            with suppress(ConnectionClosedError), client(running.address + path, say) as connection:
                found = heard(connection, 2)
    assert tries > 2
    assert json.loads(found[1])["data"]["E"] >= START // 1000 + 10_000


def test_only_connections_that_hear_the_stream_end():
    wanted = Fault("close", stream=ETH.stream, at=10 * SECOND, code=4000)
    with venues(made(SEED, START, START + SPAN, None, [wanted]), wait_for=2) as running:
        address = running.address + "/binance/spot/stream"
        with client(address, subscribe([ETH.stream])) as hit, client(address, subscribe([BTC.stream])) as other:
            assert heard(other)[1:] == texts(BTC)
            heard(hit)
            assert (hit.close_code, other.close_code) == (4000, 1001)


def test_a_venue_announces_its_end_and_closes_after_a_grace():
    path, say = SAY[BTC]
    wanted = Fault("shutdown", venue="binance", at=10 * SECOND, grace=5 * SECOND)
    with (
        venues(made(SEED, START, START + SPAN, None, [wanted]), stays=True) as running,
        client(running.address + path, say) as connection,
    ):
        found = heard(connection)
        assert (connection.close_code, connection.close_reason) == (1001, "server shutdown")
    first = by_time(BTC, 10)
    at = next(
        frame.at
        for frame in market(SEED, START, START + SPAN, wanted=lambda feed: feed.venue == "binance")
        if frame.at >= START + 10_000_000
    )
    assert found[first + 1] == f'{{"stream":"!serverShutdown","data":{{"e":"serverShutdown","E":{at // 1000}}}}}'
    assert found[1 : first + 1] + found[first + 2 :] == texts(BTC)[: by_time(BTC, (at - START) / 1e6 + 5)]


def test_a_half_open_connection_hears_nothing_not_even_pongs_nor_the_end():
    path, say = SAY[BTC]
    wanted = Fault("half-open", stream=ETH.stream, at=10 * SECOND)
    with (
        venues(made(SEED, START, START + SPAN, None, [wanted]), wait_for=2, stays=True) as running,
        client(running.address + path, subscribe([ETH.stream])) as deaf,
    ):
        with client(running.address + path, say) as other:
            assert heard(other, len(texts(BTC)) + 1)[1:] == texts(BTC)
        assert heard(deaf, by_time(ETH, 10) + 1)[1:] == texts(ETH)[: by_time(ETH, 10)]
        assert not deaf.ping().wait(0.2)
        with pytest.raises(TimeoutError):
            deaf.recv(timeout=0.2)
        running.stop()
        heard(deaf)
        assert deaf.close_code == 1006
    told = [
        line["sent"]
        for line in running.truth()
        if line["kind"] == "agg_trade" and (line["market"], line["pair"]) == ("spot", "ETH-USDT")
    ]
    assert told == [True] * by_time(ETH, 10) + [False] * (len(told) - by_time(ETH, 10))


def test_a_half_open_connection_can_be_reset_after_a_while():
    path, say = SAY[BTC]
    wanted = Fault("half-open", venue="binance", at=10 * SECOND, lasts=5 * SECOND)
    with (
        venues(made(SEED, START, START + SPAN, None, [wanted]), stays=True) as running,
        client(running.address + path, say) as connection,
    ):
        assert heard(connection)[1:] == texts(BTC)[: by_time(BTC, 10)]
        assert connection.close_code == 1006


def test_a_connection_grows_as_old_as_it_was_said():
    path, say = SAY[BTC]
    wanted = Fault("age", venue="binance", age=timedelta(milliseconds=300))
    with venues(made(SEED, START, None, 1.0, [wanted])) as running, client(running.address + path, say) as connection:
        began = time.monotonic()
        heard(connection)
        assert (connection.close_code, connection.close_reason) == (1001, "connected for 0.3 seconds")
        assert time.monotonic() - began > 0.2


@pytest.mark.parametrize(
    ("feed", "answer"),
    [
        (BTC, {"error": {"code": 2, "msg": "Invalid request: not today"}, "id": 1}),
        (MATCHES, {"type": "error", "message": "Failed to subscribe", "reason": "not today"}),
        (BOOK, {"action": "subscribe", "response": "error", "type": "trades"}),
    ],
    ids=lambda value: value.venue if isinstance(value, Series) else "",
)
def test_a_subscription_is_refused_once(feed: Series, answer: dict):
    path, say = SAY[feed]
    wanted = Fault("refuse-subscription", venue=feed.venue, reason="not today")
    with venues(made(SEED, START, START + SPAN, None, [wanted])) as running, client(running.address + path, say) as connection:
        refused = json.loads(heard(connection, 1)[0])
        refused.pop("time", None)
        connection.send(say)
        found = heard(connection)
    assert refused == answer
    assert found[2 if feed == MATCHES else 1 :] == texts(feed)


@pytest.mark.parametrize("status", [429, 418, 451, 403])
def test_a_handshake_is_refused_twice(status: int):
    path, say = SAY[BTC]
    wanted = Fault("refuse-handshake", venue="binance", status=status, retry_after=7 * SECOND, count=2)
    with venues(made(SEED, START, START + SPAN, None, [wanted])) as running:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused, client(running.address + path):
                pass
            assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (status, "7")
        with client(running.address + path, say) as connection:
            assert heard(connection)[1:] == texts(BTC)


SPOT = "/binance/spot/api/v3/aggTrades?symbol=BTCUSDT&limit=20"


@pytest.mark.parametrize("status", [500, 503, 504, 429, 418, 451, 403])
def test_a_request_is_refused(status: int):
    wanted = Fault("refuse-request", path="aggTrades", status=status, retry_after=9 * SECOND, skip=1)
    with venues(at_once(wanted), wait_for=0) as running:
        statuses = [asked(running.address, path) for path in (SPOT, SPOT.replace("aggTrades", "trades"), SPOT, SPOT)]
    assert [answer.status for answer in statuses] == [200, 200, status, 200]
    refused = statuses[2]
    assert refused.headers["Retry-After"] == "9"
    assert (refused.headers["Content-Type"], refused.body[:6]) == (
        ("application/json", b'{"code') if status in (429, 418, 451) else ("text/html", b"<html>")
    )


@pytest.mark.parametrize("feed", [BTC, MATCHES, BOOK], ids=lambda feed: feed.venue)
def test_any_two_faults_can_hit_one_frame(feed: Series):
    """The second one finds what the first has left of it: half a text, a side that is no side, a number that is none."""
    frame = next(frame for frame in sent(feed) if frame.trades)
    side = _SIDES[feed.venue][0]
    faults = [Fault(name, size=Size(1000)) for name in _FAULTS]
    faults += [Fault("bad-number", name=side, value=value) for value in ("NaN", "1e400", "abc", "[]", "7")]
    for first, second in product(faults, repeat=2):
        found = damaged(damaged(Sending(frame, (frame.text,)), first), second)
        assert len(found.texts) == (
            0 if {first.fault, second.fault} & {"drop", "mute"} else 2 ** [first.fault, second.fault].count("duplicate")
        )


def at_once(*wanted: Fault):
    """A market that has begun and stands still."""
    return made(SEED, START, START + SPAN, 1e-6, wanted)


def test_an_answer_is_slow():
    with venues(at_once(Fault("slow", delay=timedelta(milliseconds=300))), wait_for=0) as running:
        began = time.monotonic()
        slow = asked(running.address, SPOT)
        assert time.monotonic() - began >= 0.3
        assert asked(running.address, SPOT).json == slow.json


def test_a_slow_answer_does_not_keep_the_venues_from_closing():
    found: list[object] = []

    def ask(address: str):
        try:
            found.append(asked(address, SPOT))
        except OSError as error:
            found.append(error)

    with venues(at_once(Fault("slow", delay=timedelta(hours=1))), wait_for=0) as running:
        asking = threading.Thread(target=ask, args=(running.address,))
        asking.start()
        asking.join(0.5)
        assert asking.is_alive()  # it waits for its answer
        running.stop()
    asking.join(DEADLINE)
    assert not asking.is_alive()
    assert len(found) == 1  # answered at last, or cut off


def test_an_answer_is_cut():
    with venues(at_once(Fault("cut")), wait_for=0) as running:
        with pytest.raises(IncompleteRead) as cut:
            asked(running.address, SPOT)
        whole = asked(running.address, SPOT).body
    assert cut.value.partial == whole[: len(whole) // 2]


def test_an_answer_is_no_json():
    with venues(at_once(Fault("not-json")), wait_for=0) as running:
        odd, whole = asked(running.address, SPOT), asked(running.address, SPOT)
    assert (odd.status, odd.headers["Content-Length"], odd.body) == (200, str(len(odd.body)), whole.body[: len(whole.body) // 2])


def test_an_answer_is_old():
    with venues(at_once(Fault("stale", behind=20 * SECOND)), wait_for=0) as running:
        old, new = (asked(running.address, SPOT.replace("limit=20", "limit=1000")).json for _ in range(2))
    assert max(row["T"] for row in old) <= START // 1000 - 20_000 < max(row["T"] for row in new)
    assert [row for row in new if row["a"] <= old[-1]["a"]] == old[-len([row for row in new if row["a"] <= old[-1]["a"]]) :]


def struck(fault: Fault, feed: Series = BTC) -> list[int]:
    """The places of the frames that are hit."""
    script = Script([fault], START)
    found = []
    for place, frame in enumerate(sent(feed)):
        sendings = script.sendings(frame)
        if sendings is not None and not next(iter(sendings)).texts:
            found.append(place)
    return found


def test_when_a_fault_strikes():
    assert struck(Fault("drop")) == [0]
    assert struck(Fault("drop", skip=2, count=3)) == [2, 3, 4]
    assert struck(Fault("drop", at=10 * SECOND)) == [by_time(BTC, 10)]
    assert struck(Fault("drop", at=10 * SECOND, lasts=SECOND)) == list(range(by_time(BTC, 10), by_time(BTC, 11)))
    assert struck(Fault("drop", at=10 * SECOND, lasts=SECOND, count=2)) == [by_time(BTC, 10), by_time(BTC, 10) + 1]
    assert struck(Fault("drop", at=5 * SECOND, every=10 * SECOND)) == [by_time(BTC, second) for second in (5, 15, 25)]
    assert struck(Fault("mute", skip=3)) == list(range(3, len(sent(BTC))))
    assert struck(Fault("drop", venue="coinbase")) == []


def test_faults_add_up():
    script = Script([Fault("duplicate"), Fault("new-field"), Fault("duplicate", skip=1)], START)
    (sending,) = script.sendings(sent(BTC)[0]) or ()
    assert (len(sending.texts), len(set(sending.texts)), sending.intact) == (2, 1, True)
    (sending,) = script.sendings(sent(BTC)[1]) or ()
    assert sending.texts == (sent(BTC)[1].text,) * 2


def test_a_script_is_read(tmp_path: Path):
    path = tmp_path / "faults.yaml"
    path.write_text("""
- {fault: drop, venue: binance, market: spot, pair: BTC-USDT, at: 200s, count: 25}
- {fault: half-open, stream: btcusdt@aggTrade, at: 1m, for: 30s, every: 5m}
- {fault: refuse-request, path: aggTrades, status: 429, retry_after: 3s}
""")
    assert faults(path) == [
        language.drop("binance", "spot", "BTC-USDT", 200, 25),
        Fault("half-open", stream="btcusdt@aggTrade", at=60 * SECOND, lasts=30 * SECOND, every=300 * SECOND),
        Fault("refuse-request", path="aggTrades", status=429, retry_after=3 * SECOND),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fault: drop", "faults.yaml is {'fault': 'drop'}: a list of faults, such as"),
        ("- {", "faults.yaml: not YAML in UTF-8"),
        ("- drop", r"faults.yaml\[0\] is 'drop': keys: fault, venue"),
        ("- {fault: drip}", r"faults.yaml\[0\].fault is 'drip': one of drop, mute, "),
        ("- {venue: binance}", r"faults.yaml\[0\].fault: this key is required"),
        ("- {fault: drop}\n- {fault: drop, cuont: 3}", r"faults.yaml\[1\].cuont is 3: no such key here; one of fault, venue"),
        ("- {fault: drop, code: 4000}", r"faults.yaml\[0\].code is 4000: no key of drop; one of venue, market, pair"),
        ("- {fault: drop, at: 3}", r"faults.yaml\[0\].at is 3: a duration such as 500ms"),
        ("- {fault: drop, count: 0}", r"faults.yaml\[0\].count is 0: 1 or more"),
        (
            "- {fault: close, code: 1006}",
            r"faults.yaml\[0\].code is 1006: a code to close with, 1000 to 4999 without 1005 and 1006",
        ),
        ("- {fault: refuse-request, status: 200}", r"faults.yaml\[0\].status is 200: one of 400, 401"),
        ("- {fault: bad-number, value: '7'}", r"faults.yaml\[0\].value is '7': NaN, Infinity or"),
        ("- {fault: shutdown, venue: bitso}", r"faults.yaml\[0\].venue is 'bitso': binance: no other venue announces its end"),
        ("- {fault: shutdown}", r"faults.yaml\[0\].venue: binance: no other venue announces its end"),
        ("- {fault: drop, every: 0s}", r"faults.yaml\[0\].every is '0:00:00': longer than 0"),
    ],
)
def test_a_script_that_is_not_right_is_refused_at_the_start(tmp_path: Path, text: str, why: str):
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises((SettingsError, ValueError), match=why):
        faults(path)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Fault("mute", venue="kraken"), "mute kraken: not here; one of binance, bitso, coinbase"),
        (Fault("abort", market="usdm", pair="ETH-BTC"), "abort usdm ETH-BTC: not here; one of spot BTC-MXN, spot BTC-USD, "),
        (Fault("drop", stream="nix@trade"), "drop nix@trade: not here; one of btcusdt@aggTrade, "),
    ],
)
def test_a_fault_that_can_never_strike_is_refused_at_the_start(wanted: Fault, why: str):
    with pytest.raises(ValueError, match=why):
        made(SEED, START, None, 1.0, [wanted])
