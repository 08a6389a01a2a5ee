"""Frames become landing lines; what belongs to nothing known is kept as such."""

import json

import pytest

from ingest.continuity import Known
from ingest.journal import Journal, event_text
from ingest.plan import Plan
from tests.support.exchanges import exchange

PAIRS = {"a_b": "A-B", "c_d": "C-D"}
BLANK = {
    "event": None,
    "feed": None,
    "stream": None,
    "at": None,
    "before_id": None,
    "after_id": None,
    "first_missing_id": None,
    "last_missing_id": None,
    "before_ts": None,
    "after_ts": None,
    "rows": None,
    "outcome": None,
    "detail": None,
}


def journal(**changes):
    value = exchange()
    for name, change in changes.items():
        object.__setattr__(value, name, change)
    feeds = {stream: Known(is_dense=True) for stream in PAIRS}
    return Journal(Plan(value, value.feeds["trade"], PAIRS, ()), "laptop-5-1", feeds)


def landed(channel, kind, pair, stream, seq, recv_ns, **raw):
    return {
        "v": 1,
        "venue": "test",
        "market": "spot",
        "channel": channel,
        "kind": kind,
        "pair": pair,
        "stream": stream,
        "source": "ws",
        "conn": "laptop-5-1",
        "seq": seq,
        "recv_ns": recv_ns,
        **raw,
    }


def parts(taken):
    return [(channel, at, [json.loads(line) for line in lines]) for channel, at, lines in taken.parts]


def test_every_frame_goes_where_it_belongs_and_is_counted_there():
    found = journal().take(
        [
            (10, b'{"ack":"a_b"}'),
            (11, b'{"s":"a_b","id":1}'),
            (12, b'{"s":"c_d","id":7}'),
            (13, b"garbage"),
            (14, b'{"s":"x_y","id":3}'),
            (15, b"[1]"),
            (16, b'{"beat":1}'),
            (17, b"\xff"),
            (18, b'{"s":"a_b","id":2}'),
        ]
    )
    assert parts(found) == [
        (
            "trades",
            11,
            [
                landed("trades", "trade", "A-B", "a_b", 0, 11, raw={"s": "a_b", "id": 1}),
                landed("trades", "trade", "C-D", "c_d", 1, 12, raw={"s": "c_d", "id": 7}),
                landed("trades", "trade", "A-B", "a_b", 2, 18, raw={"s": "a_b", "id": 2}),
            ],
        ),
        (
            "events",
            10,
            [
                landed("events", "control", "A-B", "a_b", 0, 10, raw={"ack": "a_b"}),
                landed("events", "unknown", None, None, 1, 13, raw_text="garbage"),
                landed("events", "unknown", None, None, 2, 14, raw={"s": "x_y", "id": 3}),
                landed("events", "unknown", None, None, 3, 15, raw=[1]),
                landed("events", "control", None, None, 4, 16, raw={"beat": 1}),
                landed("events", "unknown", None, None, 5, 17, raw_b64="/w=="),
            ],
        ),
    ]
    assert found.refused is None


def test_counting_goes_on_from_batch_to_batch():
    one = journal()
    one.take([(1, b'{"s":"a_b","id":1}'), (2, b"x")])
    assert [(channel, lines[0]["seq"]) for channel, _, lines in parts(one.take([(3, b'{"s":"a_b","id":2}'), (4, b"y")]))] == [
        ("trades", 1),
        ("events", 1),
    ]


def test_a_refusal_is_kept_and_told():
    found = journal().take([(1, b'{"error":"no such stream"}'), (2, b'{"error":"later"}')])
    assert found.refused == "no such stream"
    assert [line["kind"] for line in parts(found)[0][2]] == ["control", "control"]


def test_a_recogniser_that_fails_loses_nothing(caplog):
    def recognise(_):
        raise ValueError("bug")

    found = journal(recognise=recognise).take([(1, b'{"s":"a_b"}')])
    assert parts(found) == [("events", 1, [landed("events", "unknown", None, None, 0, 1, raw={"s": "a_b"})])]
    assert "event=recogniser_failed exchange='test spot'" in caplog.text


def test_a_farewell_tells_how_far_each_stream_had_come():
    one = journal()
    one.take([(1, b'{"s":"a_b","id":8,"at":1731000000123}'), (2, b'{"s":"a_b","id":9,"at":1731000000456}')])
    at = 1_731_000_001_000_000_000
    told = {
        **BLANK,
        "event": "disconnect",
        "feed": "trade",
        "at": "2024-11-07T17:20:01.000000Z",
        "outcome": "closed",
        "detail": "1001",
    }
    assert [json.loads(line) for line in one.farewells(at, "closed", "1001")] == [
        landed(
            "events",
            "control",
            "A-B",
            "a_b",
            0,
            at,
            raw={**told, "stream": "a_b", "before_id": 9, "before_ts": "2024-11-07T17:20:00.456000Z", "rows": 2},
        ),
        landed("events", "control", "C-D", "c_d", 1, at, raw={**told, "stream": "c_d", "rows": 0}),
    ]


def test_a_time_that_is_none_is_left_out():
    one = journal()
    one.take([(1, b'{"s":"a_b","id":8,"at":99999999999999999}')])
    assert json.loads(one.farewells(5, "closed", None)[0])["raw"]["before_ts"] is None


def test_an_event_has_always_all_its_fields_and_no_others():
    assert json.loads(event_text("start", 0)) == {**BLANK, "event": "start", "at": "1970-01-01T00:00:00.000000Z"}
    with pytest.raises(TypeError, match="an event has no fields \\['outcom'\\]"):
        event_text("start", 0, outcom="ok")
