"""When a link connects again, and when never: on a clock that moves only when somebody waits."""

import json
import os

import pytest
from websocket import WebSocketBadStatusException

from ingest.collector.intake import Intake
from ingest.collector.link import Link, Pace, World
from ingest.continuity import Continuity, Known
from ingest.plan import Plan
from ingest.settings import Rotate
from ingest.spool.spool import Spool, prepare
from tests.support.exchanges import exchange
from tests.support.fakes import FakeSocket, FakeTime, Stop, close, nobody, nothing, text
from tests.support.segments import lines as segment_lines

PAIRS = {"a_b": "A-B"}


class Stage:
    """A link, whose attempts to connect meet the given outcomes one after the other (the last one for ever)."""

    def __init__(
        self, folder, *outcomes, waits=100, limit=1000, hosts=("ws://one", "ws://two"), dense=True, pairs=PAIRS, **limits
    ) -> None:
        os.close(prepare(folder))
        self.time = FakeTime()
        self.spool = Spool(folder, "laptop", Rotate(), 10**9, self.time.clock)
        self.stop = Stop(self.time, waits)
        self.asked = []
        self.outcomes = outcomes
        plan = Plan(exchange(**limits), exchange().feeds["trade"], pairs, hosts)
        world = World(self.time.clock, self.connect, nobody, lambda: 1.0, self.stop, spawn=lambda body: body())
        numbers = iter(range(1, 10**6))
        continuity = Continuity({stream: Known(is_dense=dense) for stream in pairs})
        self.link = Link(
            Intake(plan, continuity, self.spool, self.time.clock),
            world,
            pace=Pace(limit),
            name=lambda: f"laptop-5-{next(numbers)}",
        )

    def connect(self, address):
        self.asked.append((round(self.time.seconds, 3), address))
        outcome = self.outcomes[min(len(self.asked), len(self.outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return FakeSocket(outcome, self.time)

    def run(self):
        self.link.run()
        return self.stop.waits

    def lines(self):
        self.spool.seal(nothing, everything=True)
        return [json.loads(line) for path in self.spool.sealed() for line in segment_lines(path)]


REFUSED = ConnectionRefusedError(111, "refused")


def status(code, **headers):
    return WebSocketBadStatusException("no", code, resp_headers=headers)


def test_attempts_come_ever_more_slowly_and_turn_to_each_host(tmp_path):
    stage = Stage(tmp_path, REFUSED, waits=9)
    assert stage.run() == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert [address for _, address in stage.asked[:3]] == ["ws://one/1", "ws://two/1", "ws://one/1"]


def test_a_connection_that_lived_for_a_minute_starts_the_back_off_anew(tmp_path):
    lived, died = [25.0, text(b"{}"), 25.0, text(b"{}"), 25.0, close(1001)], [close(1001)]
    assert Stage(tmp_path, died, died, died, lived, died, waits=5).run() == [0.5, 1, 2, 0.5, 1]


def test_a_venue_that_kicks_us_at_once_is_not_stormed(tmp_path):
    stage = Stage(tmp_path, [text(b'{"s":"a_b","id":1}'), close(1008)], waits=20)
    stage.run()
    assert len([at for at, _ in stage.asked if at < 300]) <= 12


def test_the_venues_limit_of_connections_is_kept(tmp_path):
    stage = Stage(tmp_path, REFUSED, waits=9, limit=3)
    stage.run()
    assert [at for at, _ in stage.asked] == [0, 0.5, 1.5, 300, 304, 312, 600]


def test_a_venue_that_asks_for_patience_gets_it(tmp_path):
    assert Stage(tmp_path, status(429, **{"retry-after": "17"}), REFUSED, waits=2).run() == [17, 1]


def test_a_refused_subscription_is_tried_again_slowly(tmp_path):
    assert Stage(tmp_path, [text(b'{"error":"no such stream"}'), 5.0], waits=5).run() == [5, 5, 5, 5, 8]


def test_a_host_that_says_no_is_left_out_for_good(tmp_path):
    stage = Stage(tmp_path, status(451), REFUSED, waits=4)
    stage.run()
    assert [address for _, address in stage.asked] == ["ws://one/1", "ws://two/1", "ws://two/1", "ws://two/1"]
    assert stage.link.intake.counts.given_up is None


@pytest.mark.parametrize(("code", "attempts"), [(451, 2), (403, 2), (418, 1)])
def test_nobody_is_asked_for_ever(tmp_path, code, attempts):
    stage = Stage(tmp_path, status(code))
    stage.run()
    assert len(stage.asked) == attempts
    assert stage.link.intake.counts.given_up.startswith(f"test spot trade: HTTP {code} instead of a websocket")


def test_failed_attempts_and_ends_are_events_of_connections_of_their_own(tmp_path):
    stage = Stage(tmp_path, REFUSED, [text(b'{"s":"a_b","id":3}'), close(1001, "restart")], waits=2)
    stage.run()
    told = [
        (line["conn"], line["seq"], line["raw"]["event"], line["raw"]["outcome"], line["raw"]["detail"])
        for line in stage.lines()
        if line["channel"] == "events"
    ]
    assert told == [
        ("laptop-5-1", 0, "connect", "failed", "ws://one/1: [Errno 111] refused"),
        ("laptop-5-2", 0, "connect", "ok", "ws://two/1"),
        ("laptop-5-2", 1, "subscribed", None, None),
        ("laptop-5-2", 2, "disconnect", "closed", "closed by the venue, code 1001 restart"),
    ]


def test_a_stop_ends_the_connection_after_what_has_arrived(tmp_path):
    stage = Stage(tmp_path, [])
    stage.outcomes = ([stage.stop.set, text(b'{"s":"a_b","id":1}'), text(b'{"s":"a_b","id":2}')],)
    stage.run()
    assert (stage.stop.waits, len(stage.asked)) == ([], 1)
    assert [line["raw"]["outcome"] for line in stage.lines() if line["raw"].get("event") == "disconnect"] == ["stopped"]


def frames(first, *, every=25.0, until=10**6, then=()):
    """Ids in a row, so many seconds apart; then whatever else."""
    for number in range(first, until):
        yield text(b'{"s":"a_b","id":%d}' % number)
        yield every
    yield from then


def ends(stage):
    """Connection, how it ended, and how far the stream was."""
    told = [(line["conn"], line["raw"]) for line in stage.lines() if line["raw"].get("event") == "disconnect"]
    return [(conn, raw["outcome"], raw["before_id"]) for conn, raw in told]


def missing(stage):
    stage.time.advance(60)
    return [(hole.sort, hole.low, hole.high) for _, hole in stage.link.intake.continuity.due(stage.time.seconds)]


def test_a_connection_is_replaced_before_the_venue_cuts_it_and_both_are_heard_for_a_while(tmp_path):
    stage = Stage(tmp_path, connection_hours=2)
    # each of two sockets that wait moves the one clock, so the overlap is half as many frames as seconds
    stage.outcomes = frames(0, every=1.0), frames(1799, until=1830, every=1.0, then=[stage.stop.set])
    stage.run()
    assert [(round(at), address) for at, address in stage.asked] == [(0, "ws://one/1"), (1800, "ws://one/1")]
    assert ends(stage) == [("laptop-5-1", "replaced", 1800), ("laptop-5-2", "stopped", 1829)]
    assert missing(stage) == []


def test_a_connection_is_heard_until_its_successor_has_asked_for_everything(tmp_path):
    """Five streams, a message each, one a second: the first one's frames come while the others are not even asked for."""
    pairs = {f"{name}_b": f"{name.upper()}-B" for name in "acdef"}
    stage = Stage(tmp_path, pairs=pairs, dense=False, messages_per_second=1)
    first = [text(b'{"s":"a_b","id":1}'), stage.link.replace, *frames(2, until=60, every=1.0)]
    stage.outcomes = first, frames(2, until=60, every=1.0, then=[stage.stop.set])
    stage.run()
    (begun,) = [
        line["recv_ns"] for line in stage.lines() if line["raw"].get("event") == "connect" and line["conn"] == "laptop-5-2"
    ]
    asked = [
        line["recv_ns"] for line in stage.lines() if line["raw"].get("event") == "subscribed" and line["conn"] == "laptop-5-2"
    ]
    (left,) = {line["recv_ns"] for line in stage.lines() if line["raw"].get("outcome") == "replaced"}
    assert (len(asked), {at - begun for at in asked}) == (5, {4_500_000_000})  # four seconds, and a look of both sockets
    assert left - asked[0] == 2_000_000_000


def test_a_venue_that_says_goodbye_is_left_only_when_its_successor_is_heard(tmp_path):
    goodbye = [text(b'{"s":"a_b","id":1}'), text(b'{"bye":1}'), 0.5, text(b'{"s":"a_b","id":2}'), 5.0]
    stage = Stage(tmp_path, dense=False)
    stage.outcomes = goodbye, frames(2, until=9, every=1.0, then=[stage.stop.set])
    stage.run()
    assert len(stage.asked) == 2
    assert ends(stage) == [("laptop-5-1", "replaced", 2), ("laptop-5-2", "stopped", 8)]
    assert missing(stage) == []


def test_a_connection_that_breaks_while_its_successor_is_opened_is_followed_by_it(tmp_path):
    stage = Stage(tmp_path, dense=False)
    broken = [text(b'{"s":"a_b","id":1}'), text(b'{"bye":1}'), 0.5, close(1001)]
    stage.outcomes = broken, [1.0, *frames(7, until=9, every=1.0, then=[stage.stop.set])]
    assert stage.run() == []
    assert ends(stage) == [("laptop-5-1", "closed", 1), ("laptop-5-2", "stopped", 8)]
    assert missing(stage) == [("suspected", 2, 6)]


def test_a_mute_stream_gets_another_connection(tmp_path):
    stage = Stage(tmp_path)
    stage.outcomes = (
        [text(b'{"s":"a_b","id":1}'), stage.link.replace, *[5.0] * 9],
        frames(2, until=9, every=1.0, then=[stage.stop.set]),
    )
    stage.run()
    assert ends(stage) == [("laptop-5-1", "replaced", 1), ("laptop-5-2", "stopped", 8)]


def test_a_successor_that_cannot_be_had_is_tried_again_slowly_and_the_connection_goes_on(tmp_path):
    stage = Stage(tmp_path)
    asked = [text(b'{"s":"a_b","id":1}'), stage.link.replace, *frames(2, until=14, every=1.0, then=[stage.stop.set])]
    stage.outcomes = asked, REFUSED, status(429, **{"retry-after": "4"}), REFUSED
    stage.run()
    assert [round(at) for at, _ in stage.asked] == [0, 0, 5, 10]
    assert ends(stage) == [("laptop-5-1", "stopped", 13)]


def test_a_successor_that_breaks_leaves_the_connection_that_there_is(tmp_path):
    stage = Stage(tmp_path)
    asked = [text(b'{"s":"a_b","id":1}'), stage.link.replace, *frames(2, until=5, every=1.0, then=[stage.stop.set])]
    stage.outcomes = asked, [close(1001)]
    stage.run()
    assert ends(stage)[-1] == ("laptop-5-1", "stopped", 4)
