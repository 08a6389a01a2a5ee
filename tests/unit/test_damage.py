"""Trades whose lines a disk has changed: told by what stands around them, rather too many than too few."""

import json
from dataclasses import replace

import pytest

from ingest.continuity import Hole
from ingest.envelope import Origin, head, line
from ingest.plan import Plan
from ingest.spool.damage import missed
from ingest.spool.records import Damage, Records
from tests.support.exchanges import exchange


def plan(*, dense=True, pairs=("a_b",)):
    value = exchange()
    return Plan(
        value, replace(value.feeds["trade"], dense=dense), {stream: stream.replace("_", "-").upper() for stream in pairs}, ()
    )


def row(number, stream="a_b", source="ws"):
    origin = Origin("test", "spot", "trades", "trade", stream.replace("_", "-").upper(), stream, source, "laptop-5-1")
    raw = json.dumps({"s": stream, "id": number, "at": number * 10}).encode()
    return line(head(origin), number, number, raw, is_json=True)


def holes(rows, damaged, *, known=None, **options):
    """Of which damage is told as (sort, low, high, before, after), by stream."""
    one = plan(**options)
    given = known if isinstance(known, dict) else dict.fromkeys(one.pairs, known)
    found = missed(one, Records([row(*text) if isinstance(text, tuple) else row(text) for text in rows], damaged), given, 5.0)
    return [(stream, hole.sort, hole.low, hole.high, hole.before_id, hole.after_id) for stream, hole in found]


def at(after, size=50):
    return Damage(0, after, b"x" * size)


def test_between_two_frames_the_ids_between_them_are_missing():
    assert holes([1, 2, 4], [at(2)], known=4) == [("a_b", "ids", 3, 3, 2, 4)]
    (told,) = missed(plan(), Records([row(2), row(4)], [at(1)]), {"a_b": 4}, 5.0)
    assert told == ("a_b", Hole("ids", 3, 3, 2, 4, 20, 40, since=5.0))


def test_where_the_ids_join_nothing_of_the_feed_is_missing():
    assert holes([1, 2, 3], [at(1)], known=3) == []
    assert holes([1, (7, "c_d"), 2, (9, "c_d")], [at(2)], known={"a_b": 2, "c_d": 9}, pairs=("a_b", "c_d")) == [
        ("c_d", "ids", 8, 8, 7, 9)
    ]


@pytest.mark.parametrize(
    ("size", "known", "expected"),
    [
        (50, 9, [("a_b", "ids", 3, 3, 2, None)]),
        (250, 9, [("a_b", "ids", 3, 5, 2, None)]),
        (250, 4, [("a_b", "ids", 3, 4, 2, None)]),
        (250, 2, []),  # the next frame shows what is missing
    ],
)
def test_at_the_end_as_many_ids_as_there_can_have_been_up_to_where_the_feed_had_come(size, known, expected):
    assert holes([1, 2], [at(2, size)], known=known) == expected


@pytest.mark.parametrize(
    ("size", "first", "known", "expected"),
    [
        (50, 7, 9, [("a_b", "ids", 6, 6, None, 7)]),
        (250, 7, 9, [("a_b", "ids", 4, 6, None, 7)]),
        (250, 2, 9, [("a_b", "ids", 1, 1, None, 2)]),
        (250, 7, 5, [("a_b", "ids", 4, 5, None, 7)]),  # from there on the frame itself shows it
        (250, 7, None, [("a_b", "ids", 4, 6, None, 7)]),
    ],
)
def test_at_the_beginning_as_many_ids_as_there_can_have_been(size, first, known, expected):
    assert holes([first], [at(0, size)], known=known) == expected


def test_ids_that_are_not_dense_are_suspected_as_far_as_frames_tell():
    assert holes([10, 20], [at(1)], known=20, dense=False) == [("a_b", "suspected", 11, 19, 10, 20)]
    assert holes([10], [at(1)], known=30, dense=False) == [("a_b", "suspected", 11, 30, 10, None)]
    assert holes([10], [at(0)], known=30, dense=False) == [("a_b", "forgotten", 10, 9, None, 10)]


def test_where_no_frame_tells_anything_it_is_said_once():
    assert holes([], [at(0), Damage(70, 0, b"y")], known=9) == [("a_b", "forgotten", 1, 0, None, None)]


def test_answers_of_rest_are_no_frames_of_the_stream():
    assert holes([1, (5, "a_b", "rest"), 3], [at(1)], known=3) == [("a_b", "ids", 2, 2, 1, 3)]


def test_of_the_newest_segment_the_last_ids_are_gone_where_no_frame_is_left():
    cut = [Damage(0, 0, b"", gone=250)]
    assert list(missed(plan(), Records([], cut), {"a_b": 9}, 5.0, is_newest=True)) == [
        ("a_b", Hole("ids", 7, 9, None, None, since=5.0))
    ]


def test_rows_that_were_fetched_are_told_as_forgotten_for_their_pair():
    damage = Damage(0, 2, row(5, source="rest").replace(b'"id"', b'"ie"'))
    assert holes([1, (7, "c_d"), 2, (8, "c_d")], [damage], known={"a_b": 2, "c_d": 8}, pairs=("a_b", "c_d")) == [
        ("a_b", "forgotten", 1, 0, None, None)
    ]
