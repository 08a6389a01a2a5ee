"""Holes are filled page by page from what a venue's REST tells; how each ends is an event."""

import json
import os
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from ingest.collector.repairs import AGAIN_SECONDS, Audit, Doubt, Repairs, Snapshot, Task
from ingest.continuity import Hole
from ingest.exchanges import find_exchange
from ingest.exchanges.exchange import Depth, Feed, History, Page, Request, Rest
from ingest.plan import Plan
from ingest.rest.client import Body, RestError
from ingest.settings import Rotate
from ingest.spool.spool import Spool, SpoolError, prepare
from tests.support.exchanges import exchange
from tests.support.fakes import FakeTime, Stop, nothing
from tests.support.segments import lines as segment_lines

AT_MS = 1_731_000_000_000 - 60_000  # a minute before the fake clock
HOLE = Hole("ids", 11, 14, 10, 15, AT_MS, AT_MS + 1000, is_told=True)


def ask(pair, low, high):
    return f"/trades?pair={pair}&low={low}&high={high}"


def read(body, low, _high):
    ids = [item["id"] for item in body]
    return Page(ids, low, max(ids, default=low - 1))


class Desk:
    """Repairs of one market, whose REST gives these answers."""

    def __init__(self, folder, *answers, rest=True, waits=100, **history) -> None:
        os.close(prepare(folder))
        self.time = FakeTime()
        self.stop = Stop(self.time, waits)
        self.spool = Spool(folder, "laptop", Rotate(), 10**9, self.time.clock)
        self.answers, self.asked, self.closed = list(answers), [], []
        histories = {"trade": History(ask, read, lambda pair: f"/latest?pair={pair}", weight=3, **history)}
        value = replace(exchange(), rest=Rest(("http://one",), 100, 60, histories))
        self.plan = Plan(value, value.feeds["trade"], {"a_b": "A-B"}, (), ("http://one",))
        self.repairs = Repairs(self if rest else None, self.spool, self.time.clock, self.stop, "laptop-5-9")

    can_ask = True

    def ask(self, path, weight, _tries=None):
        assert weight == 3
        self.asked.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Body(self.time.clock.wall_ns(), answer, {})

    def repair(self, *holes):
        """Until nothing is due any more; lines of trades, events."""
        for hole in holes:
            self.repairs.add(Task(self.plan, "a_b", hole, lambda hole=hole: self.closed.append(hole)))
        while self.repairs.step():
            pass
        lines = {"trades": [], "events": [], "books": []}
        for path in self.spool.seal(nothing, everything=True):
            for text in segment_lines(path):
                line = json.loads(text)
                lines[line["channel"]].append(line)
        return lines

    def ends(self, *holes):
        """Outcome and rows of each repair."""
        return [(line["raw"]["outcome"], line["raw"]["rows"]) for line in self.repair(*holes)["events"]]


def body(*ids):
    return json.dumps([{"id": number} for number in ids]).encode()


def test_what_is_missing_lands_as_the_venue_told_it_and_its_end_is_an_event(tmp_path):
    desk = Desk(tmp_path, b'[ {"id":11}, {"id":12} ]', body(13, 14))
    lines = desk.repair(HOLE)
    shared = {"v": 1, "venue": "test", "market": "spot", "pair": "A-B", "source": "rest", "conn": "laptop-5-9"}
    at = {"recv_ns": 1_731_000_000_000_000_000}
    assert lines["trades"] == [
        {
            **shared,
            **at,
            "channel": "trades",
            "kind": "trade",
            "stream": "/trades?pair=A-B&low=11&high=14",
            "seq": 0,
            "raw": [{"id": 11}, {"id": 12}],
        },
        {
            **shared,
            **at,
            "channel": "trades",
            "kind": "trade",
            "stream": "/trades?pair=A-B&low=13&high=14",
            "seq": 1,
            "raw": [{"id": 13}, {"id": 14}],
        },
    ]
    raw = {
        "event": "repair",
        "feed": "trade",
        "stream": "a_b",
        "at": "2024-11-07T17:20:00.000000Z",
        "before_id": 10,
        "after_id": 15,
        "first_missing_id": 11,
        "last_missing_id": 14,
        "before_ts": "2024-11-07T17:19:00.000000Z",
        "after_ts": "2024-11-07T17:19:01.000000Z",
        "rows": 4,
        "outcome": "repaired",
        "detail": None,
    }
    assert lines["events"] == [
        {**shared, **at, "channel": "events", "kind": "control", "stream": "a_b", "seq": 0, "raw": raw},
    ]
    assert desk.closed == [HOLE]


def test_the_bytes_of_the_body_are_kept(tmp_path):
    desk = Desk(tmp_path, b'[ {"id":11,"p":"1.10"},\t{"id":14} ]')
    desk.repairs.add(Task(desk.plan, "a_b", HOLE, lambda: None))
    desk.repairs.step()
    (trades,) = [path for path in desk.spool.seal(nothing, everything=True) if "channel=trades" in path.name]
    assert b',"raw":[ {"id":11,"p":"1.10"},\t{"id":14} ]}' in b"".join(segment_lines(trades))


def test_ids_that_the_venue_has_not_are_told_as_absent(tmp_path):
    assert Desk(tmp_path, body(11, 14)).ends(HOLE) == [("absent", 2)]


def test_a_venue_that_is_a_moment_behind_is_asked_again(tmp_path):
    desk = Desk(tmp_path, body(11, 12), body(), body(13, 14))
    assert desk.ends(HOLE) == [("repaired", 4)]
    assert desk.stop.waits == [1.0]


def test_a_venue_that_never_tells_is_believed_in_the_end(tmp_path):
    desk = Desk(tmp_path, *[body()] * 9)
    (end,) = desk.repair(HOLE)["events"]
    assert (end["raw"]["outcome"], end["raw"]["rows"], end["raw"]["detail"]) == ("left", 0, "nothing for [(11, 14)]")
    assert len(desk.answers) == 4
    assert desk.closed == [HOLE]


def test_ids_that_are_not_dense_are_closed_by_the_overlap(tmp_path):
    suspected = replace(HOLE, sort="suspected")
    assert Desk(tmp_path / "a", body(12, 15)).ends(suspected) == [("repaired", 1)]
    assert Desk(tmp_path / "b", body(15)).ends(suspected) == [("repaired", 0)]


@pytest.mark.parametrize(
    ("hole", "outcome"),
    [
        (replace(HOLE, high=11 + 10_000_000), "implausible"),
        (replace(HOLE, sort="inner", low=11, high=10), "implausible"),
        (replace(HOLE, sort="reset", low=11, high=10), "implausible"),
    ],
)
def test_what_cannot_be_asked_for_is_told_and_left(tmp_path, hole, outcome):
    desk = Desk(tmp_path)
    assert desk.ends(hole) == [(outcome, 0)]
    assert desk.closed == [hole]


def test_what_rest_cannot_give_any_more_is_left_for_the_dumps(tmp_path):
    old = replace(HOLE, before_ms=AT_MS - 48 * 3_600_000)
    desk = Desk(tmp_path, body(11, 12, 13, 14), reach=timedelta(hours=48))
    assert desk.ends(old, HOLE) == [("too_old", 0), ("repaired", 4)]


class Books(Desk):
    """A stream of changes of a book, whose whole REST tells."""

    def __init__(self, folder, *answers) -> None:
        super().__init__(folder, *answers)
        feed = Feed("book_diff", "diffs", lambda pair: pair, dense=True)
        rest = replace(
            self.plan.exchange.rest, book=lambda pair, depth: Request(f"/book?{pair}&{depth.depth}", 3), resync=Depth(7)
        )
        self.plan = replace(self.plan, exchange=replace(self.plan.exchange, rest=rest), feed=feed)


def test_changes_of_a_book_that_were_missed_are_answered_with_the_whole_book(tmp_path):
    desk = Books(tmp_path, b'{ "bids":[] }')
    lines = desk.repair(HOLE)
    assert [(line["kind"], line["pair"], line["stream"], line["source"], line["raw"]) for line in lines["books"]] == [
        ("book", "A-B", "/book?A-B&7", "rest", {"bids": []})
    ]
    assert [(line["raw"]["outcome"], line["raw"]["rows"], line["raw"]["detail"]) for line in lines["events"]] == [
        ("resynced", 0, "/book?A-B&7")
    ]


def test_the_book_that_changes_begin_with_is_asked_for_until_it_is_there(tmp_path):
    desk = Books(tmp_path, RestError("HTTP 503"), b"<html>", b'{"bids":[]}')
    desk.repairs.add(Snapshot(desk.plan, "a_b"))
    for count, pause in ((0, 1), (1, 2), (2, 4)):
        assert desk.asked.count("/book?A-B&7") == count
        books = desk.repair()["books"]
        desk.time.advance(AGAIN_SECONDS * pause)
    assert [line["raw"] for line in books] == [{"bids": []}]


def test_where_nobody_may_be_asked_the_hole_is_told(tmp_path):
    assert Desk(tmp_path, rest=False).ends(HOLE) == [("no_rest", 0)]


def test_a_failure_is_told_once_and_tried_again_for_ever(tmp_path):
    desk = Desk(tmp_path, *[RestError("HTTP 503")] * 3, b"<html>", b'{"code":-1}', body(11, 12, 13, 14))
    assert desk.ends(HOLE) == [("failed", None)]
    assert (desk.repairs.waiting, desk.repairs.stuck) == (1, 1)
    desk.repairs.add(Task(desk.plan, "a_b", HOLE, lambda: None), seconds=10**6)  # one that nobody has tried yet
    assert (desk.repairs.waiting, desk.repairs.stuck) == (2, 1)
    for seconds in (1, 2, 4, 8):
        desk.time.advance(AGAIN_SECONDS * seconds)
        assert desk.ends() == []
    desk.time.advance(AGAIN_SECONDS * 16)
    assert desk.ends() == [("repaired", 4)]
    assert desk.closed == [HOLE]


def test_a_stop_leaves_the_hole_to_the_next_start(tmp_path):
    desk = Desk(tmp_path, RestError("told to stop"))
    desk.stop.set()
    assert desk.ends(HOLE) == []
    assert desk.closed == []


PAGES = [
    (
        ("binance", "spot", "agg_trade"),
        "/api/v3/aggTrades?symbol=BTCUSDT&fromId=7&limit=3",
        '[{"a":7,"p":"1","q":"1","f":1,"l":1,"T":5,"m":true,"M":true},{"a":9,"p":"1","q":"1","f":3,"l":3,"T":6,"m":true,"M":true}]',
        Page([7, 9], 7, 9, 6),
    ),
    (
        ("binance", "spot", "trade"),
        "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=7&limit=3",
        '[{"id":7,"price":"4.1","qty":"1","quoteQty":"4.1","time":5,"isBuyerMaker":true,"isBestMatch":true}]',
        Page([7], 7, 7, 5),
    ),
    (("binance", "usdm", "agg_trade"), "/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=7&limit=3", "[]", Page([], 7, 6)),
    (
        ("coinbase", "spot", "trade"),
        "/products/BTC-USDT/trades?limit=3&after=10",
        (
            '[{"trade_id":9,"side":"sell","size":"1","price":"1","time":"1970-01-01T00:00:00.006Z"},'
            '{"trade_id":8,"side":"sell","size":"1","price":"1","time":"1970-01-01T00:00:00.005Z"}]'
        ),
        Page([9, 8], 8, 9, 6),
    ),
    (
        ("bitso", "spot", "trade"),
        "/api/v3/trades?book=btc_usdt&sort=asc&limit=100&marker=6",
        (
            '{"success":true,"payload":[{"book":"btc_usdt","created_at":"1970-01-01T00:00:06.000+00:00","amount":"1",'
            '"maker_side":"buy","price":"1","tid":12}]}'
        ),
        Page([12], 7, 12, 6000),
    ),
]


@pytest.mark.parametrize(("feed", "path", "text", "page"), PAGES, ids=[" ".join(feed) for feed, *_ in PAGES])
def test_each_venue_is_asked_and_read_as_it_documents(feed, path, text, page):
    venue, market, kind = feed
    history = find_exchange(venue, market).rest.histories[kind]
    assert history.ask("BTC-USDT", 7, 9) == path
    assert history.read(orjson.loads(text), 7, 9) == page


@pytest.mark.parametrize("feed", [feed for feed, *_ in PAGES], ids=" ".join)
@pytest.mark.parametrize(
    "text", ['{"code":-1121,"msg":"Invalid symbol."}', '{"success":false,"error":{}}', "[1]", "null", "[{}]"]
)
def test_what_is_no_page_is_refused(feed, text):
    venue, market, kind = feed
    with pytest.raises((TypeError, KeyError)):
        find_exchange(venue, market).rest.histories[kind].read(orjson.loads(text), 7, 9)


def test_an_end_that_cannot_be_written_down_is_none_yet(tmp_path, monkeypatch):
    """A hole that is dealt with, and nobody is told, would stay open in every ledger."""
    desk = Desk(tmp_path, body(11, 12, 13, 14), body(11, 12, 13, 14))
    real = desk.spool.append

    def refuse(place, *rest):
        if place.channel == "events":
            raise SpoolError("No space left on device")
        real(place, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(desk.spool, "append", refuse)
        desk.repairs.add(Task(desk.plan, "a_b", HOLE, lambda: desk.closed.append(HOLE)))
        desk.repairs.step()
    assert (desk.closed, desk.repairs.waiting) == ([], 1)
    desk.time.advance(5)
    assert desk.ends() == [("repaired", 4)]
    assert desk.closed == [HOLE]


def test_nothing_is_fetched_into_a_full_spool(tmp_path, monkeypatch):
    desk = Desk(tmp_path, body(11, 12, 13, 14))
    monkeypatch.setattr(type(desk.spool), "is_full", True)
    desk.repairs.add(Task(desk.plan, "a_b", HOLE, lambda: None))
    monkeypatch.setattr(desk.repairs._news, "wait", lambda _: desk.stop.set())
    desk.repairs.run()
    assert (desk.asked, desk.repairs.waiting) == ([], 1)


def look(desk, name, told, **changes):
    """An audit or a doubt of a stream, and what comes of it."""
    if name == "audit":
        return Audit(desk.plan, "a_b", lambda: (1, 9), lambda until, page: told.append((name, until, page.ids)), **changes)
    return Doubt(desk.plan, "a_b", lambda seen: told.append((name, seen.last_id)), lambda: told.append((name, "unanswered")))


def test_holes_come_first_and_what_is_only_looked_at_waits_once(tmp_path):
    """As after an hour without REST: audits and doubts of each stream would stand in front of a hole by the hundred."""
    desk, told = Desk(tmp_path, body(11, 12, 13, 14), body(14), body(*range(1, 10))), []
    for _ in range(3):
        desk.repairs.add(look(desk, "audit", told))
        desk.repairs.add(look(desk, "doubt", told))
    desk.time.advance(5)
    assert desk.ends(HOLE) == [("repaired", 4)]
    assert desk.asked == ["/trades?pair=A-B&low=11&high=14", "/latest?pair=A-B", "/trades?pair=A-B&low=1&high=9"]
    assert told == [("doubt", 14), ("audit", 9, list(range(1, 10)))]


def test_what_is_not_due_yet_keeps_nothing_waiting(tmp_path):
    desk, told = Desk(tmp_path, body(14), body(11, 12, 13, 14)), []
    desk.repairs.add(look(desk, "doubt", told))
    desk.repairs.add(Task(desk.plan, "a_b", HOLE, lambda: None), seconds=5)
    assert (desk.ends(), told) == ([], [("doubt", 14)])


def test_who_doubts_is_told_that_nobody_answers(tmp_path):
    desk, told = Desk(tmp_path, RestError("HTTP 503"), b"<html>"), []
    for _ in range(2):
        desk.repairs.add(look(desk, "doubt", told))
        desk.repairs.step()
    assert told == [("doubt", "unanswered")] * 2


def test_a_stop_is_no_venue_that_does_not_answer(tmp_path):
    desk, told = Desk(tmp_path, RestError("told to stop")), []
    desk.repairs.add(look(desk, "doubt", told))
    desk.stop.set()
    desk.repairs.step()
    assert (desk.asked, told) == (["/latest?pair=A-B"], [])


def test_an_audit_that_has_nothing_to_ask_any_more_asks_nothing(tmp_path):
    desk = Desk(tmp_path)
    desk.repairs.add(Audit(desk.plan, "a_b", lambda: None, lambda *_: None))
    assert (desk.repairs.step(), desk.asked) == (True, [])


def test_a_spool_that_fills_during_a_repair_takes_no_further_page(tmp_path, monkeypatch):
    desk = Desk(tmp_path, body(11, 12), body(13, 14))
    real = desk.ask

    def ask(path, weight, tries=None):
        monkeypatch.setattr(Spool, "is_full", True)
        return real(path, weight, tries)

    desk.ask = ask
    assert desk.ends(HOLE) == [("failed", None)]
    assert len(desk.asked) == 1
    monkeypatch.setattr(Spool, "is_full", False)
    desk.time.advance(AGAIN_SECONDS)
    desk.ask, desk.answers = real, [body(11, 12, 13, 14)]
    assert desk.ends() == [("repaired", 4)]
