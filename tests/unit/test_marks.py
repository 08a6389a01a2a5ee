"""What a spool remembers outlives its segments, never runs ahead of them, and goes on from any crash."""

import json
import os

import pytest

from ingest.continuity import Hole
from ingest.journal import Journal
from ingest.marks import NAME, Marks
from ingest.plan import Plan
from ingest.settings import Rotate
from ingest.spool import Place, Spool, prepare
from tests.support.exchanges import exchange
from tests.support.fakes import FakeTime

PLACE = Place("trades", "test", "spot")


def plan(**pairs):
    value = exchange()
    return Plan(value, value.feeds["trade"], pairs or {"a_b": "A-B"}, ())


@pytest.fixture
def folder(tmp_path):
    os.close(prepare(tmp_path))
    return tmp_path


def marks(folder, *plans):
    return Marks(folder, plans or (plan(),))


def far(found, stream="a_b"):
    return next(known for one in found.continuities for name, known in one.feeds.items() if name == stream)


def append(folder, *ids, torn=b""):
    """An open segment with these frames, as a killed collector leaves it."""
    spool = Spool(folder, "laptop", Rotate(), 10**9, FakeTime().clock)
    one = plan()
    journal = Journal(one, "laptop-5-1", marks(folder).continuities[0].feeds)
    taken = journal.take([(number, json.dumps({"s": "a_b", "id": number, "at": number * 10}).encode()) for number in ids])
    for channel, recv_ns, lines in taken.parts:
        spool.append(Place(channel, "test", "spot"), recv_ns, b"".join(lines) + torn)


def test_a_spool_without_marks_knows_nothing(folder):
    assert far(marks(folder)).last_id is None


def test_marks_are_what_was_saved(folder):
    one = marks(folder)
    known = far(one)
    known.last_id, known.last_ms, known.last_recv_ns, known.holes = 7, 70, 700, [Hole("ids", 3, 4, 2, 5, is_told=True)]
    one.save(one.snapshot())
    two = far(marks(folder))
    assert (two.last_id, two.last_ms, two.last_recv_ns, two.holes) == (7, 70, 700, known.holes)
    assert two.is_torn


def test_what_stands_in_open_segments_is_read_again(folder):
    append(folder, 1, 2, 5)
    append(folder, 6, torn=b'{"v":1,"venue":"test","mar')
    one = marks(folder)
    one.replay(now=9.0)
    known = far(one)
    assert (known.last_id, known.last_ms, known.last_recv_ns) == (6, 60, 6)
    assert known.holes == [Hole("ids", 3, 4, 2, 5, 20, 50, since=9.0)]


def test_reading_again_what_the_marks_tell_of_changes_nothing(folder):
    append(folder, 1, 2, 5)
    for _ in range(2):
        one = marks(folder)
        one.replay(now=0.0)
        one.save(one.snapshot())
    assert [(hole.low, hole.high) for hole in far(marks(folder)).holes] == [(3, 4)]


def test_a_feed_that_the_configuration_has_dropped_is_remembered(folder):
    one = marks(folder)
    far(one).last_id = 7
    one.save(one.snapshot())
    other = marks(folder, plan(c_d="C-D"))
    other.save(other.snapshot())
    assert far(marks(folder)).last_id == 7


@pytest.mark.parametrize("text", [b"", b'{"v":1,"fee', b"[]", b'{"v":1}', b"\xff"])
def test_marks_that_cannot_be_read_are_set_aside(folder, text, caplog):
    (folder / NAME).write_bytes(text)
    assert far(marks(folder)).last_id is None
    assert (folder / "marks.unreadable").read_bytes() == text
    assert "event=marks_unreadable" in caplog.text


def test_one_odd_mark_is_no_reason_to_forget_the_others(folder):
    one = marks(folder, plan(a_b="A-B", c_d="C-D"))
    far(one).last_id = far(one, "c_d").last_id = 7
    feeds = one.snapshot()
    feeds["test/spot/trade/c_d"] = {"last_id": 7}
    one.save(feeds)
    two = marks(folder, plan(a_b="A-B", c_d="C-D"))
    assert (far(two).last_id, far(two, "c_d").last_id) == (7, None)


def test_a_disk_that_refuses_stops_nothing(folder, caplog):
    one = marks(folder)
    (folder / f"{NAME}.part").mkdir()
    one.save(one.snapshot())
    assert "event=marks_not_saved" in caplog.text


def test_when_a_market_was_last_heard_of(folder):
    one = marks(folder, plan(a_b="A-B", c_d="C-D"))
    assert one.heard("test", "spot") is None
    far(one).last_recv_ns, far(one, "c_d").last_recv_ns = 5, 9
    assert (one.heard("test", "spot"), one.heard("test", "other")) == (9, None)
