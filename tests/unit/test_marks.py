"""What a spool remembers outlives its segments, never runs ahead of them, and goes on from any crash."""

import hashlib
import json
import os
from dataclasses import replace

import pytest

from ingest.continuity import FALL, Hole
from ingest.exchanges.exchange import Seen
from ingest.journal import Journal
from ingest.plan import Plan
from ingest.settings import Rotate
from ingest.spool import records
from ingest.spool.marks import BEFORE, NAME, Marks
from ingest.spool.spool import Place, Spool, prepare
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
        spool.append(Place(channel, "test", "spot"), recv_ns, b"".join(lines))
    path = max((folder / "open").iterdir())
    path.write_bytes(path.read_bytes() + torn)


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


@pytest.mark.parametrize(("conn", "suspected"), [("laptop-5-1", []), ("laptop-4-1", [(8, 11)]), (None, [(8, 11)])])
def test_what_stands_in_open_segments_joins_the_marks_where_it_came_on_the_same_connection(folder, conn, suspected):
    """Killed after a start or a new connection, before marks were written: whether ids that are not dense join is in doubt."""
    sparse = plan()
    sparse = replace(sparse, feed=replace(sparse.feed, dense=False))
    one = marks(folder, sparse)
    far(one).last_id, far(one).conn = 7, conn
    one.save(one.snapshot())
    append(folder, 12, 15)
    two = marks(folder, sparse)
    two.replay(now=0.0)
    assert [(hole.low, hole.high) for hole in far(two).holes] == suspected
    assert (far(two).last_id, far(two).conn, far(two).is_torn) == (15, "laptop-5-1", True)


def test_reading_again_what_the_marks_tell_of_changes_nothing(folder):
    append(folder, 1, 2, 5)
    for _ in range(2):
        one = marks(folder)
        one.replay(now=0.0)
        one.save(one.snapshot())
    assert [(hole.low, hole.high) for hole in far(marks(folder)).holes] == [(3, 4)]


def test_a_long_segment_that_the_marks_tell_of_is_no_venue_that_counts_anew(folder):
    """Marks are written while a segment is open: it begins far below them. What was missing is missing still."""
    far_above = 3 * FALL
    append(folder, 1, 2, far_above - 1, far_above, far_above + 3)
    one = marks(folder)
    holes = [Hole("ids", 5, 6, 4, 7, is_told=True), Hole("ids", far_above - 5, far_above - 1, far_above - 6, far_above)]
    far(one).last_id, far(one).holes = far_above, list(holes)
    one.save(one.snapshot())
    two = marks(folder)
    two.replay(now=0.0)
    assert [(hole.sort, hole.low, hole.high, hole.is_told) for hole in far(two).holes] == [
        ("ids", 5, 6, True),
        ("ids", far_above - 5, far_above - 2, False),
        ("ids", far_above + 1, far_above + 2, False),
    ]
    assert far(two).last_id == far_above + 3


def test_a_feed_that_the_configuration_has_dropped_is_remembered(folder):
    one = marks(folder)
    far(one).last_id = 7
    one.save(one.snapshot())
    other = marks(folder, plan(c_d="C-D"))
    other.save(other.snapshot())
    assert far(marks(folder)).last_id == 7


def written(folder, *ids):
    """Marks that were saved with each of these ids, one after the other."""
    one = marks(folder)
    for number in ids:
        far(one).last_id = number
        one.save(one.snapshot())


@pytest.mark.parametrize("text", [b"", b'{"v":1,"fee', b"[]", b'{"v":1}', b"\xff"])
def test_marks_that_cannot_be_read_give_way_to_those_before(folder, text, caplog):
    written(folder, 7, 9)
    (folder / NAME).write_bytes(text)
    assert far(marks(folder)).last_id == 7
    assert (folder / "marks.unreadable").read_bytes() == text
    assert "event=marks_unreadable" in caplog.text


def test_one_bit_anywhere_in_the_marks_is_noticed(folder):
    """As of an id: one that is too high would hide what is missing."""
    written(folder, 7, 9)
    whole = (folder / NAME).read_bytes()
    before = (folder / BEFORE).read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        (folder / NAME).write_bytes(changed)
        (folder / BEFORE).write_bytes(before)
        known = far(marks(folder))
        assert (known.last_id, known.is_forgotten) in ((7, False), (9, False)), place
        assert known.last_id == 7 or place == len(whole) - 1  # its last byte ends a line, and says nothing


def test_a_crash_between_two_renames_leaves_the_marks_before(folder):
    written(folder, 7, 9)
    (folder / NAME).unlink()
    assert far(marks(folder)).last_id == 7


def test_where_no_marks_can_be_read_the_first_frame_tells_that_something_may_be_missing(folder):
    written(folder, 7, 9)
    for name in (NAME, BEFORE):
        (folder / name).write_bytes(b"x")
    one = marks(folder)
    one.save(one.snapshot())
    two = marks(folder)  # killed before any frame came
    append(folder, 12)
    two.replay(now=9.0)
    assert far(two).holes == [Hole("forgotten", 12, 11, None, 12, None, 120, since=9.0)]
    assert not far(two).is_forgotten


def test_marks_of_another_version_are_none(folder):
    written(folder, 7)
    text = (folder / NAME).read_bytes().split(b"\n")[0].replace(b'"v":1', b'"v":2')
    (folder / NAME).write_bytes(text + b"\n" + hashlib.sha256(text).hexdigest().encode() + b"\n")
    assert far(marks(folder)).is_forgotten


def damage(folder, number):
    """The disk changes the line of that id, in the only open segment."""
    (path,) = (folder / "open").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"id": %d,' % number, b'"id": 9,'))
    assert path.read_bytes() != whole
    return path


def holes(known):
    return [(hole.sort, hole.low, hole.high) for hole in known.holes]


@pytest.mark.parametrize("marked", [0, 3, 6])
@pytest.mark.parametrize(("number", "expected"), [(2, (2, 2)), (4, (4, 4)), (6, (6, 6))])
def test_of_an_open_segment_that_changed_what_is_gone_is_missing(folder, marked, number, expected):
    """Whether the marks had come further than the line, or not."""
    append(folder, 1, 2, 3, 4, 5, 6)
    if marked:
        written(folder, marked)
    damage(folder, number)
    one = marks(folder)
    one.replay(now=9.0)
    last = far(one)
    one.continuities[0].take(last, Seen("trade", "a_b", first_id=7, last_id=7), 7, 9.0)
    assert holes(last) == [("ids", *expected)]


def test_of_a_sealed_segment_that_changed_what_is_gone_is_missing(folder):
    append(folder, 1, 2, 3)
    written(folder, 5)
    found = records.read(damage(folder, 2).read_bytes())
    one = marks(folder)
    assert [(number, stream, hole.low, hole.high) for number, stream, hole in one.missed(PLACE, found, 9.0)] == [(0, "a_b", 2, 2)]
    assert list(one.missed(Place("events", "test", "spot"), found, 9.0)) == []


def test_one_odd_mark_is_no_reason_to_forget_the_others(folder):
    one = marks(folder, plan(a_b="A-B", c_d="C-D"))
    far(one).last_id = far(one, "c_d").last_id = 7
    feeds = one.snapshot()
    feeds["test/spot/trade/c_d"] = {"last_id": 7}
    one.save(feeds)
    two = marks(folder, plan(a_b="A-B", c_d="C-D"))
    assert (far(two).last_id, far(two, "c_d").last_id, far(two, "c_d").is_forgotten) == (7, None, True)


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
