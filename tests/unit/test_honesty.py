"""A venue's stream and its REST are compared from time to time; what comes of it is told and kept, whatever fails in between."""

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.collector.honesty import AGAIN_SECONDS, CLOCK_SECONDS, LOOK_SECONDS, Checks, Honesty
from ingest.collector.intake import Intake
from ingest.collector.link import World
from ingest.collector.offsets import Offset
from ingest.collector.sides import Verdict
from ingest.continuity import Continuity, Known
from ingest.exchanges import EXCHANGES, find_exchange
from ingest.journal import Journal
from ingest.plan import Plan
from ingest.rest.budget import Budget
from ingest.rest.client import Body, RestError
from ingest.rest.findings import Findings
from ingest.settings import Ingest, Limits, Repair, Rotate
from ingest.spool.spool import Spool, prepare
from tests.support.fakes import FakeTime, Stop, nobody, nothing
from tests.support.segments import lines as segment_lines

TELLS_TIME = find_exchange("coinbase", "spot")
COINBASE = replace(TELLS_TIME, rest=replace(TELLS_TIME.rest, time=None))  # where the time is not the test's matter
HOUR = 3600


class Desk:
    """The checks of one market, whose REST gives these answers."""

    def __init__(self, folder, *answers, exchange=COINBASE, kind="trade", pairs=("BTC-USD",), share=1.0) -> None:
        os.close(prepare(folder / "spool"))
        self.time = FakeTime()
        self.stop = Stop(self.time, 10**9)
        self.spool = Spool(folder / "spool", "laptop", Rotate(), 10**9, self.time.clock)
        self.answers, self.asked = list(answers), []
        findings = Findings(self.spool, self.time.clock, "laptop-5-9")
        world = World(self.time.clock, nobody, nobody, lambda: 1.0, self.stop)
        self.checks = Checks(exchange, self, findings, world, Repair(weight_share=share))
        feed = {**exchange.feeds, **exchange.aside}[kind]
        self.plan = Plan(exchange, feed, {feed.stream(pair): pair for pair in pairs}, (), ("http://one",))
        continuity = Continuity({stream: Known(feed.dense) for stream in self.plan.pairs})
        self.intake = Intake(self.plan, continuity, self.spool, self.time.clock)
        self.journal = Journal(self.plan, "laptop-5-1", continuity.feeds)
        self.checks.watch(self.intake)

    def ask(self, path, weight):
        self.asked.append((self.time.seconds, path, weight))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, tuple):  # and how long it took
            self.time.advance(answer[1])
            return Body(self.time.clock.wall_ns(), answer[0], {}, answer[1])
        return Body(self.time.clock.wall_ns(), answer, {})

    def receive(self, *numbers, pair="BTC-USD", **changes):
        frames = [json.dumps(match(number, product_id=pair, **changes)).encode() for number in numbers]
        self.intake.keep(self.journal, [(self.time.wall, frame) for frame in frames])

    def wait(self, seconds=3.0):
        for _ in range(int(seconds / LOOK_SECONDS)):
            self.stop.wait(LOOK_SECONDS)
            self.checks.step()

    def sample(self, *numbers):
        """Wait until somebody wants to know what comes, and let it come. When that was."""
        while not self.intake.samples._open:
            self.wait(LOOK_SECONDS)
        began = self.time.seconds
        self.receive(*numbers)
        self.wait()
        return began

    def events(self):
        found = [json.loads(text) for path in self.spool.seal(nothing, everything=True) for text in segment_lines(path)]
        return [line for line in found if line["channel"] == "events"]

    def told(self):
        return [
            (line["raw"]["event"], line["raw"]["outcome"], line["raw"]["rows"], line["raw"]["detail"]) for line in self.events()
        ]


def match(number, **changes):
    found = {"type": "match", "trade_id": number, "sequence": 1, "maker_order_id": "m", "taker_order_id": "t"}
    return {
        **found,
        "time": "2024-11-07T17:20:00Z",
        "product_id": "BTC-USD",
        "size": "0.5",
        "price": "60000.2",
        "side": "sell",
        **changes,
    }


def past(*numbers, **changes):
    trades = [
        {"time": "2024-11-07T17:20:00Z", "trade_id": number, "price": "60000.20", "size": "0.50", "side": "sell"}
        for number in numbers
    ]
    return json.dumps([{**trade, **changes} for trade in trades]).encode()


def test_the_next_trades_of_a_stream_are_compared_with_what_rest_tells_of_them(tmp_path):
    desk = Desk(tmp_path, past(*range(100)))
    desk.wait(1)
    desk.receive(*range(50))
    desk.wait()
    assert desk.asked == [(2.5, "/products/BTC-USD/trades?limit=20&after=20", 1)]
    raw = {
        "event": "side",
        "feed": "trade",
        "stream": "matches:BTC-USD",
        "at": "2024-11-07T17:20:02.500000Z",
        **dict.fromkeys(("before_id", "after_id", "first_missing_id", "last_missing_id", "before_ts", "after_ts")),
        "rows": 20,
        "outcome": "agrees",
        "detail": None,
    }
    assert desk.events() == [
        {
            "v": 1,
            "venue": "coinbase",
            "market": "spot",
            "channel": "events",
            "kind": "control",
            "pair": "BTC-USD",
            "stream": "matches:BTC-USD",
            "source": "rest",
            "conn": "laptop-5-9",
            "seq": 0,
            "recv_ns": 1_731_000_002_500_000_000,
            "raw": raw,
        }
    ]
    assert desk.checks.sides == {"trade BTC-USD": Verdict("agrees", 20, None)}


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"side": "buy"}, "taker of 20: 0, 1, 2, 3, 4, …"),
        ({"price": "60000.21"}, "price of 20: 0, 1, 2, 3, 4, …"),
        ({"size": "0.49"}, "quantity of 20: 0, 1, 2, 3, 4, …"),
    ],
)
def test_a_venue_that_contradicts_itself_is_told_until_it_agrees_again(tmp_path, caplog, changes, detail):
    desk = Desk(tmp_path, past(*range(100), **changes), past(*range(100)))
    desk.wait(1)
    desk.receive(*range(20))
    desk.wait()
    assert desk.checks.sides == {"trade BTC-USD": Verdict("differs", 20, detail)}
    assert (
        f"event=side venue=coinbase market=spot kind=trade stream=matches:BTC-USD outcome=differs detail={detail!r}"
        in caplog.text
    )
    desk.wait(HOUR)
    desk.receive(*range(20, 40))
    desk.wait()
    assert desk.checks.sides == {"trade BTC-USD": Verdict("agrees", 20, None)}
    assert desk.told() == [("side", "differs", 20, detail), ("side", "agrees", 20, None)]


def test_it_is_done_once_an_hour(tmp_path):
    desk = Desk(tmp_path, *[past(*range(200))] * 3)
    began = [desk.sample(*range(20 * hour, 20 * hour + 20)) for hour in range(3)]
    assert began == [0.5, 0.5 + 1.5 + HOUR, 0.5 + 3 + 2 * HOUR]  # a second and a half for REST to catch up
    assert [at for at, _, _ in desk.asked] == [at + 1.5 for at in began]


@pytest.mark.parametrize("answer", [past(16, 17, 18, 19), b"<html>", b'{"message":"NotFound"}', RestError("HTTP 503")])
def test_what_proves_nothing_is_tried_again_ever_more_seldom_with_other_trades(tmp_path, answer):
    desk = Desk(tmp_path, answer, answer, past(*range(100)))
    desk.receive(999)  # nobody waits for it
    began = [desk.sample(*range(20 * number, 20 * number + 20)) for number in range(3)]
    assert began == [0.5, 2 + AGAIN_SECONDS, 3.5 + 3 * AGAIN_SECONDS]
    assert desk.told() == [("side", "agrees", 20, None)]


def test_a_stop_ends_it_without_a_word(tmp_path):
    desk = Desk(tmp_path, RestError("told to stop"))
    desk.wait(1)
    desk.receive(*range(20))
    desk.wait()
    assert desk.told() == []


def test_streams_take_turns_so_that_holes_are_not_kept_waiting(tmp_path):
    """Coinbase allows ten a second; repairs may take a tenth of it, these checks a quarter of that: one in four seconds."""
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD")
    desk = Desk(tmp_path, *[past(*range(100))] * 3, pairs=pairs, share=0.1)
    for _ in range(40):
        for pair in pairs:
            desk.receive(*range(20), pair=pair)
        desk.wait(0.5)
    assert [(at, path.split("/")[2]) for at, path, _ in desk.asked] == [(2.0, "BTC-USD"), (6.0, "ETH-USD"), (10.0, "SOL-USD")]


def test_a_feed_that_has_no_trades_is_not_compared(tmp_path):
    desk = Desk(tmp_path, kind="book_diff")
    desk.wait(100)
    assert (desk.asked, desk.told()) == ([], [])


def test_several_trades_in_a_frame_are_several_trades(tmp_path):
    bitso = find_exchange("bitso", "spot")
    trades = [{"tid": number, "price": "1200000.00", "amount": "0.00350000", "maker_side": "sell"} for number in range(40)]
    desk = Desk(tmp_path, json.dumps({"success": True, "payload": trades}).encode(), exchange=bitso, pairs=("BTC-MXN",))
    desk.wait(1)
    items = [{"i": number, "a": "0.0035", "r": "1200000", "t": int(number == 7)} for number in range(30)]
    for payload in (items[:3], items[3:10], items[10:]):
        frame = {"type": "trades", "book": "btc_mxn", "payload": payload, "sent": 5}
        desk.intake.keep(desk.journal, [(5, json.dumps(frame).encode())])
    desk.wait(10)
    assert desk.checks.sides == {"trade BTC-MXN": Verdict("differs", 20, "taker of 1: 7")}


def clock(seconds, took=0.1):
    """What Coinbase answers when its clock is so far ahead of the test's at the start, and after which time."""
    at = datetime(2024, 11, 7, 17, 20, tzinfo=UTC) + timedelta(seconds=seconds)
    return json.dumps({"iso": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z", "epoch": 1.5}).encode(), took


def test_the_clocks_are_compared_by_the_answer_that_came_back_soonest(tmp_path):
    """Half a second after the start, 0.4 s later, 0.1 s later; the last one was on its way for 0.02 s, and so in the middle at 1.01 s."""
    desk = Desk(tmp_path, clock(0.7, 0.4), clock(0.9, 0.1), clock(1.26, 0.02), exchange=TELLS_TIME)
    desk.wait(0.5)
    assert [(path, weight) for _, path, weight in desk.asked] == [("/time", 1)] * 3
    raw = {
        "event": "clock",
        "feed": None,
        "stream": None,
        "at": "2024-11-07T17:20:01.020000Z",
        **dict.fromkeys(("before_id", "after_id", "first_missing_id", "last_missing_id", "before_ts", "after_ts", "rows")),
        "outcome": "ok",
        "detail": "offset +250.0 ms, round trip 20.0 ms",
    }
    assert desk.events() == [
        {
            "v": 1,
            "venue": "coinbase",
            "market": "spot",
            "channel": "events",
            "kind": "control",
            "pair": None,
            "stream": None,
            "source": "rest",
            "conn": "laptop-5-9",
            "seq": 0,
            "recv_ns": 1_731_000_001_020_000_000,
            "raw": raw,
        }
    ]
    assert desk.checks.offset == Offset(250.0, 20.0)


@pytest.mark.parametrize(
    ("seconds", "outcome", "detail"),
    [
        (1.55, "ok", "offset +1000.0 ms, round trip 100.0 ms"),
        (1.551, "off", "offset +1001.0 ms, round trip 100.0 ms"),
        (-0.451, "off", "offset -1001.0 ms, round trip 100.0 ms"),
        (3600.55, "off", "offset +3600000.0 ms, round trip 100.0 ms"),
    ],
)
def test_a_clock_that_is_more_than_a_second_off_is_told(tmp_path, seconds, outcome, detail):
    desk = Desk(tmp_path, clock(seconds), clock(seconds, 0.2), clock(seconds, 0.2), exchange=TELLS_TIME)
    desk.wait(0.5)
    assert desk.told() == [("clock", outcome, None, detail)]


def test_the_clocks_are_compared_every_ten_minutes_and_after_a_failure_sooner(tmp_path, caplog):
    wrong = [RestError("HTTP 503"), b"<html>", b'{"iso":"7"}', b'{"message":"NotFound"}', b"[]", b'{"iso":"2024-11-07T17:20:00"}']
    failures = [wrong[0], *(answer for answer in wrong[1:] for _ in range(3))]
    desk = Desk(tmp_path, *failures, *[clock(0)] * 6, exchange=TELLS_TIME)
    for _ in range(5):
        desk.wait(CLOCK_SECONDS)
    began = [at for at, *_ in desk.asked]
    assert [round(began[place]) for place in (0, 1, 4, 7, 10, 13, 16, 19)] == [0, 60, 180, 420, 900, 1500, 2100, 2701]
    assert len([text for text in caplog.messages if text.startswith("event=clock_not_measured exchange='coinbase spot'")]) == 6
    assert [event for event, *_ in desk.told()] == ["clock", "clock"]


@pytest.mark.parametrize(
    ("venue", "market", "path", "body", "microseconds"),
    [
        ("binance", "spot", "/api/v3/time", {"serverTime": 1731000000123}, 1_731_000_000_123_000),
        ("binance", "usdm", "/fapi/v1/time", {"serverTime": 1731000000123}, 1_731_000_000_123_000),
        ("coinbase", "spot", "/time", {"iso": "2024-11-07T17:20:00.123Z", "epoch": 1731000000.123}, 1_731_000_000_123_000),
        ("coinbase", "spot", "/time", {"iso": "2024-11-07T17:20:00Z", "epoch": 1731000000}, 1_731_000_000_000_000),
    ],
)
def test_each_venue_tells_its_time_as_it_documents(venue, market, path, body, microseconds):
    time = find_exchange(venue, market).rest.time
    assert (time.request, time.read(body)) == ((path, 1), microseconds)


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=lambda exchange: exchange.name)
def test_an_exchange_has_evidence_of_how_it_tells_its_time(exchange):
    page = (
        (Path(__file__).parents[2] / "docs/exchanges.md").read_text().partition(f"## `{exchange.name}`")[2].partition("\n## ")[0]
    )
    (row,) = re.findall(r"^\| time \| (.+?) \| (.+?) \|", page, re.MULTILINE)
    time = exchange.rest.time
    assert row == (("none", "none") if time is None else (f"`{time.request.path}`", str(time.request.weight)))


@pytest.mark.parametrize("exchange", [one for one in EXCHANGES.values() if one.rest.time], ids=lambda exchange: exchange.name)
@pytest.mark.parametrize(
    "body", [{}, [], None, 7, {"serverTime": "7", "iso": 7}, {"serverTime": True, "iso": "x"}, {"serverTime": 1e300}]
)
def test_what_is_no_time_is_refused(exchange, body):
    with pytest.raises((TypeError, KeyError, ValueError)):
        exchange.rest.time.read(body)


class Collectors:
    """What a collector has for them."""

    def __init__(self, folder) -> None:
        os.close(prepare(folder / "spool"))
        self.time = FakeTime()
        self.spool = Spool(folder / "spool", "laptop", Rotate(), 10**9, self.time.clock)
        self.limits = folder / "limits"
        self.asked = []
        world = World(self.time.clock, nobody, self.get, lambda: 1.0, Stop(self.time, 10**9))
        repair = Repair(weight_share=0.3, side_every=timedelta(hours=1))
        self.honesty = Honesty(Ingest("laptop", limits=Limits(self.limits), repair=repair), world, lambda: "laptop-5-9")

    def get(self, url):
        self.asked.append(url)
        raise OSError("nobody is there")

    def intake(self, exchange, kind, pair, rest=("http://one",)):
        feed = {**exchange.feeds, **exchange.aside}[kind]
        plan = Plan(exchange, feed, {feed.stream(pair): pair}, (), rest)
        return Intake(plan, Continuity({feed.stream(pair): Known(feed.dense)}), self.spool, self.time.clock, self.honesty.drifts)


def test_a_market_is_checked_by_one_thread_whatever_comes_later_and_only_where_it_can_be_asked(tmp_path):
    desk = Collectors(tmp_path)
    assert desk.honesty.watch(desk.intake(COINBASE, "trade", "BTC-USD", rest=())) is None
    first = desk.honesty.watch(desk.intake(COINBASE, "trade", "BTC-USD"))
    assert isinstance(first, Checks)
    assert desk.honesty.watch(desk.intake(COINBASE, "trade", "ETH-USD")) is None
    assert isinstance(desk.honesty.watch(desk.intake(find_exchange("bitso", "spot"), "trade", "BTC-MXN")), Checks)
    first.sides["trade BTC-USD"] = Verdict("agrees", 20, None)
    first.offset = Offset(12.5, 34.0)
    assert desk.honesty.sides == {"coinbase spot trade BTC-USD": Verdict("agrees", 20, None)}
    assert desk.honesty.offsets_ms == {"coinbase spot": 12.5}


def test_what_checks_ask_is_of_the_repairs_share(tmp_path):
    desk = Collectors(tmp_path)
    intake = desk.intake(COINBASE, "trade", "BTC-USD")
    checks = desk.honesty.watch(intake)
    checks._next_clock = 10.0**9
    checks.step()
    journal = Journal(intake.plan, "laptop-5-1", intake.continuity.feeds)
    intake.keep(journal, [(5, json.dumps(match(number)).encode()) for number in range(20)])
    for _ in range(4):
        checks.step()
        desk.time.advance(LOOK_SECONDS)
    assert desk.asked[0] == "http://one/products/BTC-USD/trades?limit=20&after=20"
    with Budget(desk.limits / "coinbase-spot.json", 10, 1000).account() as account:
        assert {purpose for _, _, purpose in account.spent} == {"repair"}
