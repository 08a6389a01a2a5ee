"""A stream that is acknowledged and silent: the venue is asked, and what it says decides."""

import json
import os
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from ingest.collector.gaps import Gaps
from ingest.collector.intake import Intake
from ingest.collector.link import Link, Pace, World
from ingest.continuity import Continuity, Known
from ingest.exchanges.exchange import History, Page, Rest
from ingest.journal import Journal, names
from ingest.plan import Plan
from ingest.settings import Ingest, Limits, Rotate, Silence
from ingest.spool.spool import Spool, SpoolError, prepare
from tests.support.exchanges import exchange
from tests.support.fakes import FakeTime, Stop, nothing
from tests.support.segments import lines as segment_lines


@dataclass
class Answer:
    data: bytes
    status: int = 200
    headers: dict = field(default_factory=dict)


def read(body, low, high):
    return Page(body, low, high, 5000)


class Desk:
    """One connected link whose market's REST knows these ids; streams are asked about after 10 s."""

    def __init__(self, folder, *, rest=True, kinds=("trade",)) -> None:
        os.close(prepare(folder / "spool"))
        self.time, self.there, self.asked, self.status = FakeTime(), [], [], 200
        self.spool = Spool(folder / "spool", "laptop", Rotate(), 10**9, self.time.clock)
        history = History(lambda pair, _low, _high: f"/past?{pair}", read, lambda pair: f"/latest?{pair}", weight=1)
        value = replace(exchange(), rest=Rest(("http://one",), 100, 60, dict.fromkeys(kinds, history)))
        plan = Plan(value, value.feeds["trade"], {"a_b": "A-B"}, ("ws://one",), ("http://one",) if rest else ())
        silence = Silence(at_most=timedelta(seconds=40))
        self.known = Known(is_dense=True)
        self.intake = Intake(plan, Continuity({"a_b": self.known}), self.spool, self.time.clock)
        world = World(self.time.clock, self.refuse, self.get, lambda: 1.0, Stop(self.time, 100))
        self.link = Link(self.intake, world, pace=Pace(100), name=names("laptop-5"))
        settings = Ingest("laptop", silence=silence, limits=Limits(folder / "limits"))
        self.gaps = Gaps(settings, self.spool, world, names("laptop-6"))
        self.gaps.watch(self.link)
        self.journal = Journal(plan, "laptop-5-1", self.intake.continuity.feeds)
        self.intake.counts.is_connected = True
        self.intake.listen()

    def refuse(self, address):
        raise AssertionError(address)

    def get(self, url):
        self.asked.append((self.time.seconds, url))
        if self.status != 200:
            return Answer(b"no", self.status)
        return Answer(json.dumps(self.there).encode())

    def receive(self, number):
        self.intake.keep(self.journal, [(self.time.wall, json.dumps({"s": "a_b", "id": number}).encode())])

    def wait(self, seconds):
        """Look at it each half second, and do what is to be done."""
        for _ in range(int(seconds * 2)):
            self.time.advance(0.5)
            self.gaps.look()
            while self.gaps.repairs["test spot"].step():
                pass

    def events(self):
        names = ("event", "outcome", "before_id", "first_missing_id", "last_missing_id", "detail")
        lines = [json.loads(text) for path in self.spool.seal(nothing, everything=True) for text in segment_lines(path)]
        return [tuple(line["raw"][name] for name in names) for line in lines if line["kind"] == "control"]


def is_replaced(desk):
    return desk.link._mute.is_set()


def test_a_quiet_market_is_asked_about_ever_more_seldom_and_left_alone(tmp_path):
    desk = Desk(tmp_path)
    desk.receive(7)
    desk.there = [6, 7]
    desk.wait(100)
    assert [round(at) for at, _ in desk.asked] == [10, 30, 70]  # twice as long each time, up to at_most
    assert {url for _, url in desk.asked} == {"http://one/latest?A-B"}
    assert desk.events() == []
    assert not is_replaced(desk)


def test_a_stream_that_is_silent_while_the_venue_trades_is_mute_and_what_it_did_not_send_is_missing(tmp_path):
    desk = Desk(tmp_path)
    desk.receive(7)
    desk.there = [8, 9]
    desk.wait(20)
    assert desk.events() == [
        ("mute", "proved", 7, None, None, "silent for 11.0 s; the venue has 9"),
        ("gap", "ids", 7, 8, 9, None),
        ("repair", "repaired", 7, 8, 9, None),
    ]
    assert is_replaced(desk)


def test_a_stream_that_speaks_while_the_venue_is_asked_is_not_mute(tmp_path):
    desk = Desk(tmp_path)
    desk.receive(7)
    desk.there = [8]
    desk.wait(9.5)
    desk.gaps._world.stop.wait = lambda _: desk.receive(8)
    desk.wait(1)
    assert desk.events() == []
    assert not is_replaced(desk)


def test_a_stream_that_never_said_anything_is_mute_once_the_venue_has_gone_on(tmp_path):
    """As on USD-M's former address: connected, acknowledged, and nothing ever comes."""
    desk = Desk(tmp_path)
    desk.there = [41]
    desk.wait(15)
    assert desk.events() == []
    desk.there = [41, 42, 43]
    desk.wait(15)
    assert [told[:5] for told in desk.events()] == [
        ("mute", "proved", 41, None, None),
        ("gap", "ids", 41, 42, 43),
        ("repair", "repaired", 41, 42, 43),
    ]
    assert is_replaced(desk)


def test_a_stream_that_says_nothing_at_first_is_asked_about_at_once_so_that_what_it_loses_is_missed(tmp_path):
    """Its first two frames are garbled by whatever lies between."""
    desk = Desk(tmp_path)
    desk.there = [41]
    desk.wait(1.5)
    assert [round(at) for at, _ in desk.asked] == [1]
    desk.there = [40, 41, 42, 43]
    desk.intake.keep(desk.journal, [(desk.time.wall, b'{"s": "a_b", "id"'), (desk.time.wall, b'"id": 43}')])
    desk.receive(44)
    desk.wait(2)
    assert [told[:5] for told in desk.events()] == [("gap", "ids", None, 40, 43), ("repair", "repaired", None, 40, 43)]


def test_a_stream_that_is_heard_at_once_is_not_asked_about(tmp_path):
    desk = Desk(tmp_path)
    desk.wait(0.5)
    desk.receive(7)
    desk.wait(5)
    assert desk.asked == []


def test_nor_is_one_that_speaks_and_tells_no_ids(tmp_path):
    desk = Desk(tmp_path)
    desk.wait(0.5)
    desk.intake.keep(desk.journal, [(desk.time.wall, b'{"s": "a_b"}')])
    desk.wait(5)
    assert desk.asked == []


def test_where_nobody_can_be_asked_a_long_silence_is_enough(tmp_path):
    desk = Desk(tmp_path, rest=False)
    desk.receive(7)
    desk.wait(39)
    assert not is_replaced(desk)
    desk.wait(2)
    assert is_replaced(desk)
    assert desk.events() == [("mute", "suspected", 7, None, None, "silent for 40.0 s")]


def test_a_kind_that_rest_does_not_tell_of_is_judged_by_its_silence_alone(tmp_path):
    desk = Desk(tmp_path, kinds=())
    desk.receive(7)
    desk.wait(41)
    assert desk.asked == []
    assert is_replaced(desk)


def test_a_link_that_is_not_connected_has_no_mute_stream_and_begins_where_the_venue_is(tmp_path):
    desk = Desk(tmp_path)
    desk.intake.counts.is_connected = False
    desk.there = [7]
    desk.wait(15)
    desk.there = [8, 9]
    desk.wait(30)
    assert [event[:5] for event in desk.events()] == [("gap", "ids", 7, 8, 9), ("repair", "repaired", 7, 8, 9)]
    assert not is_replaced(desk)


def test_a_hole_is_told_as_soon_as_the_disk_has_room_for_it(tmp_path, monkeypatch):
    def refuse(*_):
        raise SpoolError("No space left on device")

    desk = Desk(tmp_path)
    desk.receive(7)
    desk.receive(9)
    desk.there = [8]
    with monkeypatch.context() as patch:
        patch.setattr(desk.spool, "append", refuse)
        desk.wait(3)
    assert [hole.is_told for hole in desk.known.holes] == [False]
    desk.wait(1)
    assert desk.events() == [("gap", "ids", 7, 8, 8, None), ("repair", "repaired", 7, 8, 8, None)]
    assert desk.known.holes == []


@pytest.mark.parametrize("status", [403, 418, 503])
def test_a_venue_that_cannot_be_asked_keeps_no_mute_stream_from_another_connection(tmp_path, status):
    """A busy stream falls silent while REST says no: after at_most, as where nobody can be asked at all."""
    desk = Desk(tmp_path)
    desk.receive(7)
    desk.status = status
    desk.wait(100)
    told = [event[:3] for event in desk.events()]
    assert told[0] == ("mute", "suspected", 7)
    assert is_replaced(desk)
    assert len(desk.asked) < 10
    if status == 503:
        return
    assert len(desk.asked) == 1
    desk.status, desk.there = 200, [8, 9]
    desk.wait(700)  # the address is asked again
    assert ("mute", "proved", 7) in [event[:3] for event in desk.events()]


def test_a_busy_stream_is_not_waited_for_as_long_as_a_quiet_one(tmp_path):
    """A frame each tenth of a second, and REST is away: ten seconds are beyond all that is usual."""
    desk = Desk(tmp_path)
    for number in range(100):
        desk.time.advance(0.1)
        desk.receive(number)
    desk.status = 503
    desk.wait(15)
    assert [event[:3] for event in desk.events()] == [("mute", "suspected", 99)]
    assert is_replaced(desk)


def test_while_no_connection_is_to_be_had_what_is_traded_comes_over_rest(tmp_path):
    desk = Desk(tmp_path)
    desk.receive(7)
    desk.intake.counts.is_connected = False
    desk.intake.tear()
    desk.there = [7, 8, 9]
    desk.wait(12)
    desk.there = [10, 11, 12]
    desk.wait(12)  # as soon again: there was something
    assert desk.events() == [
        ("gap", "ids", 7, 8, 9, None),
        ("repair", "repaired", 7, 8, 9, None),
        ("gap", "ids", 9, 10, 12, None),
        ("repair", "repaired", 9, 10, 12, None),
    ]
    assert not is_replaced(desk)
    desk.intake.counts.is_connected = True
    desk.receive(13)
    desk.wait(2)
    assert desk.known.holes == []


def test_a_venue_that_trades_nothing_meanwhile_is_asked_ever_more_seldom(tmp_path):
    desk = Desk(tmp_path)
    desk.receive(7)
    desk.intake.counts.is_connected = False
    desk.there = [7]
    desk.wait(100)
    assert [round(at) for at, _ in desk.asked] == [10, 30, 70]
    assert desk.events() == []
