"""Answers land when they are due; candles go on where they were, page by page."""

import json
import os
from dataclasses import replace
from datetime import timedelta

from ingest.exchanges.exchange import Candles, Request
from ingest.rest.client import Body, RestError
from ingest.rest.poller import Poller
from ingest.rest.polls import Poll
from ingest.settings import Rotate
from ingest.spool.marks import Marks
from ingest.spool.spool import Spool, prepare
from tests.support.exchanges import exchange
from tests.support.fakes import FakeTime, Stop, nothing
from tests.support.segments import lines as segment_lines

EVERY = timedelta(seconds=10)


def last(body):
    if not isinstance(body, list):
        raise TypeError(body)
    return max(body, default=None)


CANDLES = Candles(("1m",), lambda *_: Request("", 2), last, page=3)
BOOK = Poll(exchange(), ("http://one",), "book", "A-B", EVERY, lambda _: Request("/book?pair=A-B", 5))
KLINE = Poll(
    exchange(), ("http://one",), "kline", "A-B", EVERY, lambda since: Request(f"/kline?since={since}", 2), CANDLES, 100, "1m"
)
INSTRUMENTS = Poll(exchange(), ("http://one",), "instruments", None, EVERY, lambda _: Request("/info", 1))


class Desk:
    """A poller whose questions get these answers."""

    def __init__(self, folder, *polls, answers=()) -> None:
        os.close(prepare(folder))
        self.folder, self.time = folder, FakeTime()
        self.stop = Stop(self.time, 10**6)
        self.answers, self.asked = list(answers), []
        self.spool = Spool(folder, "laptop", Rotate(), 10**9, self.time.clock)
        self.marks = Marks(folder, ())
        self.poller = Poller(polls, self, self.spool, self.time.clock, self.marks, conn="laptop-5-3", learn=self.learn)

    def learn(self, exchange, body):
        self.learned = (exchange.name, body)

    def ask(self, path, weight):
        self.asked.append((round(self.time.seconds, 3), path, weight))
        answer = self.answers.pop(0) if self.answers else b"{}"
        if isinstance(answer, Exception):
            raise answer
        return Body(self.time.wall, answer, {})

    def run(self, seconds):
        end = self.time.seconds + seconds
        while self.time.seconds < end:
            self.poller.step(self.stop)
            self.time.advance(0.5)

    def lines(self):
        paths = self.spool.seal(nothing, everything=True)
        return [json.loads(text) for path in paths for text in segment_lines(path)]


def test_an_answer_lands_as_it_came(tmp_path):
    desk = Desk(tmp_path, BOOK, INSTRUMENTS, answers=[b'{ "bids":[["1.10","2"]] }', b"not json"])
    desk.run(2)
    shared = {"v": 1, "venue": "test", "market": "spot", "source": "rest", "conn": "laptop-5-3", "seq": 0}
    by_channel = {line["channel"]: line for line in desk.lines()}
    assert by_channel == {
        "books": {
            **shared,
            "channel": "books",
            "kind": "book",
            "pair": "A-B",
            "stream": "/book?pair=A-B",
            "recv_ns": 1_731_000_000_000_000_000,
            "raw": {"bids": [["1.10", "2"]]},
        },
        "events": {
            **shared,
            "channel": "events",
            "kind": "instruments",
            "pair": None,
            "stream": "/info",
            "recv_ns": 1_731_000_001_000_000_000,
            "raw_text": "not json",
        },
    }
    assert desk.learned == ("test spot", b"not json")


def test_polls_are_asked_at_the_start_and_then_at_the_clocks_multiples(tmp_path):
    desk = Desk(tmp_path, BOOK, replace(BOOK, pair="C-D", offset=EVERY / 2))
    desk.time.advance(3)  # the clock on the wall shows 3 s past a multiple of ten
    desk.poller = Poller(
        (BOOK, replace(BOOK, offset=EVERY / 2)), desk, desk.spool, desk.time.clock, desk.marks, conn="c", learn=desk.learn
    )
    desk.run(25)
    assert [at for at, *_ in desk.asked] == [3, 4, 5, 10, 15, 20, 25]


def test_candles_are_asked_from_the_newest_one_on_and_page_by_page(tmp_path):
    pages = [b"[100,160,220]", b"[220,280,340]", b"[340]", b"[340,400]", b"[]", RestError("HTTP 503"), b"[400,460]"]
    desk = Desk(tmp_path, KLINE, answers=pages)
    desk.run(41)
    assert [path for _, path, _ in desk.asked] == [
        "/kline?since=100",
        "/kline?since=220",
        "/kline?since=340",
        "/kline?since=340",
        "/kline?since=400",
        "/kline?since=400",
        "/kline?since=400",
    ]
    assert [at for at, *_ in desk.asked] == [0, 0.5, 1, 10, 20, 30, 40]
    desk.marks.save(desk.marks.snapshot())
    assert Marks(tmp_path, ()).noted(KLINE.name) == 460


def test_a_page_that_holds_one_candle_for_ever_is_not_asked_for_ever(tmp_path):
    desk = Desk(tmp_path, KLINE, answers=[b"[100,100,100]"] * 9)
    desk.run(9)
    assert len(desk.asked) == 1


def test_what_fails_is_counted_and_asked_at_its_next_turn(tmp_path, caplog):
    desk = Desk(tmp_path, BOOK, KLINE, answers=[RestError("HTTP 503"), b'{"code":-1}'])
    desk.run(5)
    assert (desk.poller.counts.asked, desk.poller.counts.failed) == (2, 2)
    assert desk.poller.failing == {"test/spot/book/A-B", "test/spot/kline/A-B/1m"}
    assert "event=poll_failed poll=test/spot/book/A-B error='HTTP 503'" in caplog.text
    assert "event=poll_unreadable poll=test/spot/kline/A-B/1m" in caplog.text
    assert [line["raw"] for line in desk.lines()] == [{"code": -1}]
    desk.run(EVERY.total_seconds())
    assert desk.poller.failing == {"test/spot/kline/A-B/1m"}  # the book was answered


def test_a_full_spool_is_asked_nothing_for(tmp_path, monkeypatch):
    desk = Desk(tmp_path, BOOK, answers=[b"{}"])
    monkeypatch.setattr(Spool, "is_full", True)
    desk.run(1)
    assert (desk.asked, desk.poller.counts.failed, desk.poller.failing) == ([], 1, {"test/spot/book/A-B"})
    monkeypatch.setattr(Spool, "is_full", False)
    desk.run(EVERY.total_seconds())
    assert (len(desk.asked), desk.poller.failing) == (1, frozenset())


def test_a_turn_that_comes_too_late_is_left_out_and_told(tmp_path, caplog):
    desk = Desk(tmp_path, BOOK)
    desk.run(1)
    desk.time.advance(25)
    desk.run(1)
    assert [at for at, *_ in desk.asked] == [0, 26]
    assert desk.poller.counts.late == 1
    assert "event=poll_late poll=test/spot/book/A-B seconds=16" in caplog.text
