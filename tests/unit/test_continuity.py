"""What is missing between frames: each market's own rule, any order, two connections, a venue that counts anew."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ingest.continuity import FALL, GRACE_SECONDS, KEPT, LEAP, Continuity, Hole, Known, plain, restore
from ingest.exchanges.exchange import Page, Seen

MS = 1_731_000_000_000


def frame(first, last=None, **told):
    """A frame of ids, sent so many ms after midnight as its last id says."""
    last = first if last is None else last
    return Seen("trade", "a", first, last, MS + last % 1000, **told)


class Story:
    """One feed; frames are received at `now`."""

    def __init__(self, told=None, *, is_dense=True, **rules) -> None:
        self.feed = Known(is_dense, **rules)
        if told is not None:
            restore(self.feed, json.loads(json.dumps(told)))
        self.continuity = Continuity({"a": self.feed})
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
    assert plain(story.take(NO_IDS).feed) == before


def test_frames_that_were_received_before_any_was_kept_are_the_first_hole():
    """As on a full disk: the first three are refused, the fourth one lands."""
    story = Story().hear(100).hear(101).hear(102).take(103)
    assert story.told() == [Hole("ids", 100, 102, None, None, None, MS + 102)]
    assert story.feed.last_id == 103


NO_IDS = Seen("trade", "a")


def test_what_lay_in_frames_that_nobody_could_read_lies_before_the_first_one_that_could_be_read():
    """Two of whichever feed, and one of this feed that had lost its ids: no more than three trades."""
    story = Story()
    story.continuity.blur(2)
    assert story.take(NO_IDS, 103).told() == [Hole("ids", 100, 102, None, 103, None, MS + 103)]
    story.continuity.blur(1)
    assert story.take(NO_IDS, 104).told() == []  # from here on ids tell what is missing


def test_that_hole_begins_before_the_first_word_of_the_venue_for_rest_may_be_ahead():
    story = Story()
    story.continuity.blur(2)
    story.continuity.begin(story.feed, Seen("control", last_id=105, event_ms=MS + 105))
    assert story.take(106).told() == [Hole("ids", 104, 105, None, 106, None, MS + 106)]


def test_frames_that_nobody_could_read_outlive_the_process():
    story = Story()
    story.continuity.blur(2)
    assert Story(plain(story.feed)).take(5).told() == [Hole("ids", 3, 4, None, 5, None, MS + 5)]


def test_where_ids_are_not_dense_nobody_knows_what_frames_held_that_came_before_anything_was_known():
    story = Story(is_dense=False)
    story.continuity.blur(2)
    assert story.take(103).told() == [Hole("forgotten", 103, 102, None, 103, None, MS + 103)]
    later = Story(is_dense=False)
    later.continuity.begin(later.feed, Seen("control", last_id=90))
    later.continuity.blur(2)
    later.take(103).continuity.audit(later.feed, Page(frozenset({90, 95, 99, 103}), 91, 103), 103, later.now)
    assert later.told() == [Hole("suspected", 95, 99, 90, 103)]  # for the venue was asked before


def test_from_the_first_word_of_the_venue_on_something_can_be_missed():
    story = Story()
    story.continuity.hear(story.feed, Seen("control", last_id=5, event_ms=MS + 5), story.now)
    assert story.take(8).told() == [hole(6, 7, 5, 8)]


def test_ids_that_tell_no_order_tell_of_nothing_and_nothing_of_them_is_kept():
    story = Story(is_dense=False, is_ordered=False).take(7, 9)
    story.continuity.tear()
    story.take(30, 20).hear(50)
    assert (story.told(), story.feed.last_id, list(story.feed.received), story.feed.audited) == ([], 30, [], None)


def test_where_nobody_will_ask_nothing_is_kept_for_the_question():
    story = Story(is_dense=False, is_audited=False).take(7, 9)
    story.continuity.tear()
    assert story.take(30).told() == [hole(10, 29, 9, 30, "suspected")]
    assert (list(story.feed.received), story.feed.audited) == ([], None)


def test_a_hole_that_is_closed_takes_no_other_with_it():
    story = Story().take(9).hear(20)
    (first,) = story.told()
    (second,) = story.hear(25).told()
    assert [(one.low, one.high) for one in (first, second)] == [(10, 20), (21, 25)]
    story.continuity.close("a", first)
    assert [(one.low, one.high) for one in story.feed.holes] == [(21, 25)]


def test_a_hole_of_another_sort_stays_as_well():
    story = Story().take(frame(9, first_trade=1, last_trade=10), frame(10, first_trade=12, last_trade=12), 12)
    (inner, ids) = story.told()
    assert ((inner.sort, inner.low), (ids.sort, ids.low)) == (("inner", 10), ("ids", 11))
    ids_too = replace(ids, low=10, is_told=True)
    story.feed.holes[1] = ids_too
    story.continuity.close("a", inner)
    assert story.feed.holes == [ids_too]


def test_a_venue_that_counts_anew_leaves_the_holes_that_there_are():
    story = Story().take(FALL * 3, FALL * 3 + 2)
    old = hole(FALL * 3 + 1, FALL * 3 + 1, FALL * 3, FALL * 3 + 2)
    assert [one.sort for one in story.take(1, 2).told()] == ["ids", "reset"]
    assert replace(story.feed.holes[0], since=0.0) == replace(old, is_told=True)


def test_a_frame_that_is_known_already_is_no_venue_that_counts_anew():
    """As when a start reads a long segment of which the marks tell already; what is missing there is still missing."""
    story = Story().take(FALL * 3, FALL * 3 + 3)
    for number in (1, 2, 3, FALL * 3 + 1):
        story.continuity.again(story.feed, frame(number))
    assert story.told() == [hole(FALL * 3 + 2, FALL * 3 + 2, FALL * 3, FALL * 3 + 3)]
    assert story.feed.last_id == FALL * 3 + 3


def page(*ids, low=0):
    return Page(ids, low, max(ids))


def test_what_was_not_compared_before_a_stop_is_compared_after_it():
    """115 was dropped by the venue; what nobody heard between 130 and 140 is a hole of its own."""
    story = Story(is_dense=False).take(100, 110, 120, 130)
    again = Story(plain(story.feed), is_dense=False).take(140)
    assert again.told() == [hole(131, 139, 130, 140, "suspected")]
    again.continuity.audit(again.feed, page(100, 110, 115, 120, 130, 135, 140), 140, again.now)
    assert again.told() == [Hole("suspected", 115, 115, 110, 120)]


def test_so_many_frames_that_nobody_compared_are_suspected_instead_of_kept():
    story = Story(is_dense=False).take(*range(10, 10 * (KEPT + 2), 10))
    last = 10 * (KEPT + 1)
    assert len(plain(story.feed)["received"] or ()) == 0
    again = Story(plain(story.feed), is_dense=False)
    assert again.told() == [Hole("suspected", 10, last, 9, None)]
    story.feed.received.popleft()
    assert len(plain(story.feed)["received"]) == KEPT


def test_marks_of_a_feed_that_is_dense_or_not_audited_any_more_have_nothing_to_compare():
    told = plain(Story(is_dense=False).take(100, 110).feed)
    for again in (Story(told), Story(told, is_dense=False, is_audited=False)):
        assert (again.feed.audited, list(again.feed.received), again.feed.holes) == (None, [], [])


def test_a_hole_that_was_dealt_with_is_not_found_once_more_by_the_audit():
    story = Story(is_dense=False).take(100)
    story.continuity.tear()
    (torn,) = story.take(120).told()
    story.take(110)  # late, by the other connection
    story.continuity.close("a", torn)
    story.continuity.audit(story.feed, page(100, 105, 110, 115, 120, 125), 130, story.now)
    assert [(one.low, one.high) for one in story.told()] == [(125, 125)]
