"""What is missing between frames: each market's own rule, any order, two connections, a venue that counts anew."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.continuity import FALL, GRACE_SECONDS, LEAP, Continuity, Hole, Known, known, plain
from ingest.exchanges.exchange import Page, Seen

MS = 1_731_000_000_000


def frame(first, last=None, **told):
    """A frame of ids, sent so many ms after midnight as its last id says."""
    last = first if last is None else last
    return Seen("trade", "a", first, last, MS + last % 1000, **told)


class Story:
    """One feed; frames are received at `now`."""

    def __init__(self, told=None, *, is_dense=True) -> None:
        self.continuity = Continuity({"a": known(is_dense, told)})
        self.feed = self.continuity.feeds["a"]
        self.now = 100.0

    def take(self, *frames):
        for seen in frames:
            self.continuity.take(self.feed, seen if isinstance(seen, Seen) else frame(seen), 7, self.now)
        return self

    def hear(self, last):
        self.continuity.hear(self.feed, frame(last), self.now)
        return self

    def told(self, seconds=GRACE_SECONDS):
        self.now += seconds
        found = [(stream, hole, self.continuity.told(stream, hole)) for stream, hole in list(self.continuity.due(self.now))]
        return [replace(hole, since=0.0) for _, hole, _ in found]


def hole(low, high, before_id, after_id, sort="ids", **changes):
    after_ms = None if after_id is None else MS + after_id % 1000
    return replace(Hole(sort, low, high, before_id, after_id, MS + before_id % 1000, after_ms), **changes)


def test_ids_in_a_row_have_no_hole():
    story = Story().take(7, 8, 9, 10)
    assert (story.told(), story.feed.last_id, story.feed.last_ms) == ([], 10, MS + 10)


def test_what_is_missing_is_told_once_and_only_after_a_while():
    story = Story().take(7, 10)
    assert story.told(GRACE_SECONDS - 0.001) == []
    assert story.told(0.001) == [hole(8, 9, 7, 10)]
    assert story.told(60) == []


def test_what_comes_late_is_not_missing():
    assert Story().take(7, 10, 9, 8, 11).told() == []


def test_a_late_frame_leaves_the_rest_of_its_hole():
    assert Story().take(1, 10, frame(4, 6)).told() == [hole(2, 3, 1, 10), hole(7, 9, 1, 10)]


def test_a_frame_that_comes_twice_does_no_harm():
    story = Story().take(7, 8, 7, 8, 9)
    assert (story.told(), story.feed.last_id) == ([], 9)


def test_two_connections_that_overlap_have_no_hole():
    """The new one is ahead of the old one."""
    assert Story().take(7, 8, 11, 9, 12, 10, 11, 13, 12).told() == []


def test_a_venue_that_tells_how_far_it_is_shows_what_was_dropped():
    assert Story().take(7).hear(7).hear(9).hear(9).told() == [hole(8, 9, 7, None, after_ms=MS + 9)]
    assert Story().take(7).hear(8).take(8, 9).told() == []


def test_a_hole_that_shows_piece_by_piece_is_one_hole():
    assert Story().take(7).hear(9).hear(12).take(20).told() == [hole(8, 19, 7, 20)]


def test_trades_inside_aggregates_join_where_the_market_numbers_them_so():
    aggregates = [frame(7, first_trade=70, last_trade=75), frame(8, first_trade=78, last_trade=78)]
    assert Story().take(*aggregates).told() == [hole(8, 7, 7, 8, "inner")]
    futures = [frame(7), frame(8)]
    assert Story().take(*futures).told() == []


def test_ids_that_are_not_dense_are_suspected_only_where_nobody_listened():
    story = Story(is_dense=False).take(70, 77)
    assert story.told() == []
    story.continuity.tear()
    assert story.take(91, 99).told() == [hole(78, 90, 77, 91, "suspected")]


def test_a_torn_feed_that_goes_on_where_it_was_is_not_suspected():
    story = Story(is_dense=False).take(70)
    story.continuity.tear()
    assert story.take(69, 70, 75).told() == []


def test_an_audit_finds_what_was_in_no_frame():
    story = Story(is_dense=False).take(frame(70, 72), 80, 91, 99)
    there = [65, 70, 71, 72, 75, 77, 80, 95, 99, 120]
    story.continuity.audit(story.feed, Page(there, 70, 120), 99, story.now)
    assert story.told(0) == [
        Hole("suspected", 75, 77, 72, 80),
        Hole("suspected", 95, 95, 80, 99),
    ]
    assert (story.feed.audited, list(story.feed.received)) == (99, [])
    story.take(120)
    story.continuity.audit(story.feed, Page([120, 121], 100, 121), 121, story.now)
    assert story.told(0) == [Hole("suspected", 121, 121, 120, None)]


def test_an_audit_leaves_alone_what_somebody_is_after():
    story = Story(is_dense=False).take(70)
    story.continuity.tear()
    story.take(90)
    story.continuity.audit(story.feed, Page([70, 75, 90], 70, 90), 90, story.now)
    assert story.told() == [hole(71, 89, 70, 90, "suspected")]


def test_an_audit_goes_no_further_than_its_page():
    story = Story(is_dense=False).take(70, 80, 90)
    story.continuity.audit(story.feed, Page([70, 75], 70, 75), 90, story.now)
    assert story.told(0) == [Hole("suspected", 75, 75, 70, None)]
    story.continuity.audit(story.feed, Page([80, 85, 90], 76, 90), 90, story.now)
    assert story.told(0) == [Hole("suspected", 85, 85, 80, 90)]


def test_one_mad_id_is_neither_a_hole_nor_the_end_of_watching():
    story = Story().take(7, 8 + LEAP + 1, 8, 10)
    assert story.told() == [hole(9, 9, 8, 10)]


def test_a_leap_that_goes_on_is_a_hole_that_nobody_repairs():
    far = 8 + LEAP + 1
    story = Story().take(7, far, far + 1)
    (found,) = story.told()
    assert (found, found.is_plausible) == (hole(8, far, 7, far + 1), False)
    assert story.take(far + 2, far + 4).told() == [hole(far + 3, far + 3, far + 2, far + 4)]


def test_a_venue_that_counts_anew_is_believed_at_its_second_word():
    high = FALL + 10
    story = Story().take(high, 3)
    assert (story.told(), story.feed.last_id) == ([], high)
    story.take(4, 5, 7)
    assert story.told() == [hole(high + 1, high, high, 4, "reset"), hole(6, 6, 5, 7)]


def test_the_next_process_goes_on_where_this_one_was():
    story = Story().take(7, 10)
    story.told()
    told = plain(story.feed)
    later = Story(told).take(13)
    assert later.feed.holes[0] == Hole("ids", 8, 9, 7, 10, MS + 7, MS + 10, is_told=True)
    assert later.told() == [hole(11, 12, 10, 13)]


def test_a_hole_that_was_dealt_with_goes():
    story = Story().take(1, 10, 12)
    (first, _) = [(stream, story.continuity.told(stream, hole)) for stream, hole in list(story.continuity.due(story.now + 1))]
    story.take(frame(4, 6))  # late: two pieces are left
    story.continuity.close("a", first[1])
    assert [(left.low, left.high) for left in story.feed.holes] == [(11, 11)]


@given(st.data())
def test_holes_are_what_did_not_come(data):
    """Any order, any duplicates: after the first frame, what is told is exactly what is absent below the greatest id."""
    ids = data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=40))
    found = Story().take(min(ids), *ids).told()
    missing = sorted(number for gap in found for number in range(gap.low, gap.high + 1))
    assert missing == sorted(set(range(min(ids), max(ids))) - set(ids))


def test_an_odd_frame_changes_nothing():
    story = Story().take(7)
    before = plain(story.feed)
    assert plain(story.take(Seen("trade", "a")).feed) == before


@pytest.mark.parametrize("is_dense", [True, False])
def test_a_feed_that_nobody_knows_begins_with_nothing(is_dense):
    assert known(is_dense, None) == Known(is_dense)
