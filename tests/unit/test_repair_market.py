"""The gaps of one market: REST first, then files; each file is read once; each end is told once."""

import errno
import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingest.exchanges import find_exchange
from ingest.repair.cases import case
from ingest.repair.market import AGAIN_SECONDS, SETTLED_SECONDS, Market, World
from ingest.repair.opengaps import OpenGap
from ingest.rest.download import fetch
from ingest.settings import Endpoint, Epoch, Ingest, Limits, Rotate, Spool
from ingest.spool.spool import Spool as Disk
from ingest.spool.spool import prepare
from tests.support.dumps import NAMES, site, zipped
from tests.support.fakes import FakeTime, Stop, nothing
from tests.support.recording import file_calls
from tests.support.segments import lines as segment_lines

BEFORE = datetime(2024, 11, 6, 12, tzinfo=UTC)  # the day before the fake clock's
AFTER = BEFORE + timedelta(seconds=9)
GAP = OpenGap("binance", "usdm", "agg_trade", "BTC-USDT", 10, 15, 11, 14, 4, BEFORE, AFTER)
NAME = "BTCUSDT-aggTrades-2024-11-06.zip"
DAY = f"/data/futures/um/daily/aggTrades/BTCUSDT/{NAME}"
MONTH_NAME = "BTCUSDT-aggTrades-2024-10.zip"
OCTOBER = f"/data/futures/um/monthly/aggTrades/BTCUSDT/{MONTH_NAME}"


class Answer:
    headers: dict = {}  # noqa: RUF012 - nobody writes into it

    def __init__(self, status, data) -> None:
        self.status, self.data = status, data


class Desk:
    """A market whose REST gives these answers (a status or ids), and whose files are a site's."""

    def __init__(self, folder, there, *answers, market="usdm", waits=1000, epochs=(), max_bytes=10**9, **endpoint) -> None:
        own = {"rest": ["http://rest"], "dumps": [there.address], **endpoint}
        self.ingest = Ingest(
            "laptop",
            spool=Spool(folder / "spool", max_bytes),
            endpoints={"binance": {market: Endpoint(**own)}},
            limits=Limits(folder / "limits"),
            epochs=epochs,
        )
        self.time = FakeTime()
        self.stop = Stop(self.time, waits)
        self.answers, self.asked = list(answers), []
        repair = self.ingest.spool.path / "repair"
        os.close(prepare(repair))
        self.spool = Disk(repair, "laptop", Rotate(), max_bytes, self.time.clock)
        world = World(self.time.clock, self.get, fetch(), lambda: 1.0, self.stop)
        self.market = Market(find_exchange("binance", market), self.ingest, self.spool, world, "laptop-5-1")

    def get(self, url):
        self.asked.append(url.partition("fromId=")[2])
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            return Answer(answer, b"no")
        return Answer(200, json.dumps([{"a": number, "T": 5} for number in answer]).encode())

    def repair(self, *gaps):
        """One round: lines of trades, and events."""
        self.market.offer([case(self.ingest, find_exchange, gap) for gap in gaps])
        self.market.run(once=True)
        lines = {"trades": [], "events": []}
        for path in self.spool.seal(nothing, everything=True):
            for text in segment_lines(path):
                line = json.loads(text)
                lines[line["channel"]].append(line)
        return lines["trades"], lines["events"]

    def ends(self, *gaps):
        """Source, outcome, rows and detail of what is told."""
        return [
            (line["source"], line["raw"]["outcome"], line["raw"]["rows"], line["raw"]["detail"]) for line in self.repair(*gaps)[1]
        ]


@pytest.fixture
def there():
    with site() as found:
        yield found


def text(first, last, names=NAMES):
    return names + "".join(
        f"{number},1.50,0.010,{number},{number},{1730894400000 + number},true\n" for number in range(first, last)
    )


def sha(data):
    return hashlib.sha256(data).hexdigest()


def test_what_rest_has_not_got_any_more_lands_row_by_row_and_its_end_is_an_event(tmp_path, there):
    data = there.publish_csv(DAY, text(1, 100))
    desk = Desk(tmp_path, there, [])
    old = replace(GAP, before_ts=BEFORE - timedelta(days=2), after_ts=AFTER - timedelta(days=2))
    data = there.publish_csv(DAY.replace("11-06", "11-04"), text(1, 100))
    trades, events = desk.repair(old)
    at = {"recv_ns": 1_731_000_000_000_000_000}
    shared = {"v": 1, "venue": "binance", "market": "usdm", "pair": "BTC-USDT", "source": "dump"}
    name = NAME.replace("11-06", "11-04")
    assert trades == [
        {
            **shared,
            **at,
            "channel": "trades",
            "kind": "agg_trade",
            "stream": name,
            "conn": f"file-{sha(data)[:12]}",
            "seq": number + 1,  # after the names
            "raw": {
                "a": str(number),
                "p": "1.50",
                "q": "0.010",
                "f": str(number),
                "l": str(number),
                "T": str(1730894400000 + number),
                "m": "true",
            },
        }
        for number in (11, 12, 13, 14)
    ]
    raw = {
        "event": "repair",
        "feed": "agg_trade",
        "stream": "btcusdt@aggTrade",
        "at": "2024-11-07T17:20:00.000000Z",
        "before_id": 10,
        "after_id": 15,
        "first_missing_id": 11,
        "last_missing_id": 14,
        "before_ts": "2024-11-04T12:00:00.000000Z",
        "after_ts": "2024-11-04T12:00:09.000000Z",
        "rows": 4,
        "outcome": "repaired",
        "detail": f"{name} sha256 {sha(data)}",
    }
    assert events == [
        {
            **shared,
            **at,
            "channel": "events",
            "kind": "control",
            "stream": "btcusdt@aggTrade",
            "conn": "laptop-5-1",
            "seq": 0,
            "raw": raw,
        }
    ]
    assert desk.asked == []


def test_what_rest_has_is_not_looked_for_elsewhere(tmp_path, there):
    desk = Desk(tmp_path, there, [11, 12, 13, 14])
    trades, events = desk.repair(GAP)
    assert [(line["source"], [item["a"] for item in line["raw"]]) for line in trades] == [("rest", [11, 12, 13, 14])]
    assert [(line["source"], line["raw"]["outcome"], line["raw"]["rows"]) for line in events] == [("rest", "repaired", 4)]
    assert there.asked == []


@pytest.mark.parametrize(
    ("answers", "landed"),
    [
        (([11, 14],), [12, 13]),
        (([11, 12], *[[]] * 5), [13, 14]),
        ((400,), [11, 12, 13, 14]),
        ((403,), [11, 12, 13, 14]),
    ],
)
def test_what_rest_says_is_absent_or_cannot_say_comes_from_a_file(tmp_path, there, answers, landed):
    data = there.publish_csv(DAY, text(1, 100))
    desk = Desk(tmp_path, there, *answers)
    trades, events = desk.repair(GAP)
    assert [int(line["raw"]["a"]) for line in trades if line["source"] == "dump"] == landed
    assert [(line["source"], line["raw"]["outcome"], line["raw"]["rows"], line["raw"]["detail"]) for line in events] == [
        ("dump", "repaired", 4, f"{NAME} sha256 {sha(data)}")
    ]


def test_a_file_is_read_once_for_all_the_gaps_in_it(tmp_path, there):
    there.publish_csv(DAY, text(1, 100))
    later = replace(GAP, before_id=50, after_id=53, first_missing_id=51, last_missing_id=52)
    desk = Desk(tmp_path, there, 400, 400)
    trades, events = desk.repair(GAP, later)
    assert [int(line["raw"]["a"]) for line in trades] == [11, 12, 13, 14, 51, 52]
    assert [(line["raw"]["before_id"], line["raw"]["outcome"], line["raw"]["rows"]) for line in events] == [
        (10, "repaired", 4),
        (50, "repaired", 2),
    ]
    assert there.paths == [f"{DAY}.CHECKSUM", DAY]
    assert desk.market.files == 1


def test_a_file_that_is_not_there_is_asked_for_once_for_all_the_gaps_in_it(tmp_path, there):
    later = replace(GAP, before_id=50, after_id=53, first_missing_id=51, last_missing_id=52)
    assert [end[1] for end in Desk(tmp_path, there, 400, 400).ends(GAP, later)] == ["not_published"] * 2
    assert there.paths == [f"{DAY}.CHECKSUM"]


def test_nothing_of_a_damaged_file_lands_though_it_is_what_was_published(tmp_path, there):
    whole = zipped("A.csv", text(1, 100_000))
    there.publish(DAY, whole[:-9000] + bytes(1000) + whole[-8000:])
    many = replace(GAP, after_id=5001, last_missing_id=5000)
    trades, events = Desk(tmp_path, there, 400).repair(many)
    assert (trades, [line["raw"]["outcome"] for line in events]) == ([], ["unreadable"])


def test_the_trades_are_on_the_disk_before_the_word_that_they_are_there(tmp_path, there, monkeypatch):
    there.publish_csv(DAY, text(1, 100))
    desk = Desk(tmp_path, there, 400)
    desk.market.offer([case(desk.ingest, find_exchange, GAP)])
    with file_calls(monkeypatch, tmp_path / "spool/repair") as calls:
        desk.market.run(once=True)
    assert [call for call in calls if call[0] == "fsync"] == [
        ("fsync", "open"),  # the name of the segment of trades; the keeper syncs that of the events later
        ("fsync", "open/trades+binance+usdm+laptop+1.jsonl"),
    ]


@pytest.mark.parametrize("source", ["rest", "dump"])
def test_a_disk_that_refuses_leaves_the_gap_open_until_it_takes_the_word_that_it_is_not(tmp_path, there, monkeypatch, source):
    there.publish_csv(DAY, text(1, 100))
    desk = Desk(tmp_path, there, *([[11, 12, 13, 14]] if source == "rest" else [400]) * 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuses)
        desk.market.offer([case(desk.ingest, find_exchange, GAP)])
        desk.market.run(once=True)
    assert desk.market.ends == {"failed": 1}
    desk.time.advance(AGAIN_SECONDS)
    assert desk.spool.sync()  # as the keeper does
    trades, events = desk.repair(GAP)
    assert {line["source"] for line in trades} == {source}
    assert [(line["raw"]["outcome"], line["raw"]["rows"]) for line in events] == [("repaired", 4)]


def test_trades_that_the_disk_does_not_keep_are_not_said_to_be_there(tmp_path, there, monkeypatch):
    desk = Desk(tmp_path, there, [11, 12, 13, 14])
    desk.market.offer([case(desk.ingest, find_exchange, GAP)])
    with monkeypatch.context() as patch:
        patch.setattr(desk.spool, "sync", lambda: False)
        desk.market.run(once=True)
    assert desk.market.ends == {"failed": 1}
    desk.time.advance(AGAIN_SECONDS)
    trades, events = desk.repair(GAP)
    assert [[item["a"] for item in line["raw"]] for line in trades] == [[11, 12, 13, 14]]
    assert [(line["raw"]["outcome"], line["raw"]["rows"]) for line in events] == [("repaired", 4)]
    assert (desk.market.rows, len(desk.asked)) == (4, 1)


def refuses(_handle):
    raise OSError(errno.EIO, "Input/output error")


def test_a_gap_of_several_days_is_filled_from_each_of_their_files(tmp_path, there):
    fifth = there.publish_csv(DAY.replace("11-06", "11-05"), text(1, 13))
    sixth = there.publish_csv(DAY, text(14, 100))
    desk = Desk(tmp_path, there)
    trades, events = desk.repair(replace(GAP, before_ts=BEFORE - timedelta(days=1)))
    assert [int(line["raw"]["a"]) for line in trades] == [11, 12, 14]
    (told,) = events
    detail = f"{NAME.replace('11-06', '11-05')} sha256 {sha(fifth)}; {NAME} sha256 {sha(sixth)}; REST: too_old, "
    assert (told["raw"]["outcome"], told["raw"]["rows"]) == ("absent", 3)
    assert told["raw"]["detail"] == f"{detail}REST tells no more than the last 2 days, 0:00:00"


def test_a_month_serves_where_a_day_is_not_there(tmp_path, there):
    data = there.publish_csv(OCTOBER, text(1, 100))
    old = replace(GAP, before_ts=BEFORE - timedelta(days=20), after_ts=AFTER - timedelta(days=20))
    assert Desk(tmp_path, there).ends(old) == [("dump", "repaired", 4, f"{MONTH_NAME} sha256 {sha(data)}")]
    assert there.paths == [f"{DAY.replace('11-06', '10-17')}.CHECKSUM", f"{OCTOBER}.CHECKSUM", OCTOBER]


def test_a_wrong_file_is_told_not_used_tried_again_and_then_the_month_serves(tmp_path, there):
    old = replace(GAP, before_ts=BEFORE - timedelta(days=20), after_ts=AFTER - timedelta(days=20))
    path, name = DAY.replace("11-06", "10-17"), NAME.replace("11-06", "10-17")
    there.publish_csv(path, text(1, 100))
    wrong = f"{'0' * 64}  {name}".encode()
    there.there[f"{path}.CHECKSUM"] = wrong
    data = there.publish_csv(OCTOBER, text(1, 100))
    desk = Desk(tmp_path, there)
    mismatch = f"{name} has the sha256 {sha(there.there[path])}, and {name}.CHECKSUM says {'0' * 64}"
    trades, events = desk.repair(old)
    assert [(line["source"], line["raw"]["outcome"], line["raw"]["rows"], line["raw"]["detail"]) for line in events] == [
        ("dump", "checksum", 0, mismatch),
        ("dump", "repaired", 4, f"{MONTH_NAME} sha256 {sha(data)}"),
    ]
    assert {line["stream"] for line in trades} == {MONTH_NAME}
    assert there.paths == [f"{path}.CHECKSUM", path, f"{path}.CHECKSUM", path, f"{OCTOBER}.CHECKSUM", OCTOBER]


def test_a_file_that_was_replaced_while_it_came_is_right_the_second_time(tmp_path, there):
    there.publish_csv(DAY, text(1, 12))
    there.faults[DAY] = [lambda site: site.publish_csv(DAY, text(1, 100))]
    desk = Desk(tmp_path, there, 400)
    found = desk.ends(GAP)
    assert [end[:3] for end in found] == [("dump", "checksum", 0), ("dump", "repaired", 4)]
    assert found[1][3] == f"{NAME} sha256 {sha(there.there[DAY])}"


def test_what_is_no_csv_is_told_and_its_file_named(tmp_path, there):
    data = there.publish(DAY, b"<html>")
    desk = Desk(tmp_path, there, 400)
    words = f"{NAME}: no zip that can be read: File is not a zip file (sha256 {sha(data)})"
    assert [end[1:] for end in desk.ends(GAP)] == [("unreadable", 0, f"{words}; {UNTIL}{REST_NO}")]
    assert list((tmp_path / "spool/repair/files/binance-usdm").iterdir()) == []


def test_a_day_that_is_not_over_is_not_asked_for_and_is_when_it_is(tmp_path, there):
    today = replace(GAP, before_ts=BEFORE + timedelta(days=1), after_ts=AFTER + timedelta(days=1))
    path, name = DAY.replace("11-06", "11-07"), NAME.replace("11-06", "11-07")
    desk = Desk(tmp_path, there, 400, 400)
    waiting = f"{name} is not published before 2024-11-08T00:00Z; BTCUSDT-aggTrades-2024-11.zip is not published before 2024-12-01T00:00Z"
    assert desk.ends(today) == [("dump", "not_published", 0, waiting + REST_NO)]
    assert there.asked == []
    desk.time.advance(6 * 3600)
    assert desk.ends(today) == []
    data = there.publish_csv(path, text(1, 100))
    desk.time.advance(3600)
    assert desk.ends(today) == [("dump", "repaired", 4, f"{name} sha256 {sha(data)}")]


def test_a_file_that_is_late_is_asked_for_again_ever_more_seldom_and_told_of_once(tmp_path, there):
    desk = Desk(tmp_path, there, *[400] * 9)
    assert [end[1] for end in desk.ends(GAP)] == ["not_published"]
    for tries in (1, 2, 4):
        desk.time.advance(AGAIN_SECONDS * tries - 1)
        before = len(there.asked)
        assert desk.ends(GAP) == []
        assert len(there.asked) == before
        desk.time.advance(1)
        assert desk.ends(GAP) == []
        assert len(there.asked) == before + 1
    there.publish_csv(DAY, text(1, 100))
    desk.time.advance(AGAIN_SECONDS * 8)
    assert [end[1] for end in desk.ends(GAP)] == ["repaired"]


def test_a_gap_that_was_filled_is_tried_again_when_the_lake_still_has_it_much_later(tmp_path, there):
    desk = Desk(tmp_path, there, [11, 12, 13, 14], [11, 12, 13, 14], [15])
    assert desk.ends(GAP)[0][1] == "repaired"
    desk.time.advance(SETTLED_SECONDS - 1)
    assert desk.ends(GAP) == []
    desk.time.advance(1)
    assert [line["source"] for line in desk.repair(GAP)[0]] == ["rest"]
    grown = replace(GAP, after_id=16, first_missing_id=15, last_missing_id=15)
    assert desk.ends(GAP, grown) == [("rest", "repaired", 1, None)]
    assert desk.market.rows == 9


def test_rest_is_not_asked_twice_for_what_it_has_not_got(tmp_path, there):
    desk = Desk(tmp_path, there, [11, 14])
    assert [end[1:3] for end in desk.ends(GAP)] == [("not_published", 2)]
    there.publish_csv(DAY, text(1, 100))
    desk.time.advance(AGAIN_SECONDS)
    trades, events = desk.repair(GAP)
    assert [int(line["raw"]["a"]) for line in trades] == [12, 13]
    assert [line["raw"]["rows"] for line in events] == [4]
    assert desk.market.rows == 4


@pytest.mark.parametrize("gap", [replace(GAP, last_missing_id=10**8), replace(GAP, last_missing_id=5)])
def test_what_cannot_be_believed_is_told_and_nobody_is_asked(tmp_path, there, gap):
    desk = Desk(tmp_path, there)
    assert desk.ends(gap) == [("rest", "implausible", 0, "too many ids to be believed, or none")]
    assert (desk.asked, there.asked) == ([], [])


def test_a_venue_whose_websocket_is_ones_own_is_not_asked_at_its_own_addresses(tmp_path, there):
    desk = Desk(tmp_path, there, websocket=["ws://one"], rest=[], dumps=[])
    assert desk.ends(GAP) == [("rest", "no_rest", 0, "this venue's REST is not asked for it")]


def test_without_any_time_no_file_is_looked_for(tmp_path, there):
    desk = Desk(tmp_path, there, 400)
    assert [end[:2] for end in desk.ends(replace(GAP, before_ts=None, after_ts=None))] == [("rest", "failed")]
    assert there.asked == []


@pytest.mark.parametrize("unit", [1, 1000])
def test_ids_that_were_given_twice_are_told_apart_by_their_times(tmp_path, there, unit):
    """In milliseconds, or in microseconds, as files of spot have them since 2025."""
    rows = [(number, (1730894400000 + number) * unit) for number in range(1, 100)]
    again = [(number, (1730894500000 + number) * unit) for number in range(1, 40)]
    there.publish_csv(DAY, NAMES + "".join(f"{number},1,1,{number},{number},{at},true\n" for number, at in rows + again))
    since = datetime(2024, 11, 6, 12, 1, tzinfo=UTC)
    epoch = Epoch("binance", "usdm", "agg_trade", "BTC-USDT", 2, since)
    desk = Desk(tmp_path, there, 400, epochs=[epoch])
    second = replace(GAP, feed="agg_trade.2", before_ts=since, after_ts=since)
    trades, events = desk.repair(GAP, second)
    assert [(int(line["raw"]["a"]), line["seq"]) for line in trades] == [
        (number, number + 1 + shift) for shift in (0, 99) for number in (11, 12, 13, 14)
    ]
    assert [(line["raw"]["feed"], line["raw"]["outcome"]) for line in events] == [
        ("agg_trade", "repaired"),
        ("agg_trade.2", "repaired"),
    ]
    assert len(desk.asked) == 1  # the first ids are nobody's any more over REST


def test_a_spool_that_is_full_is_waited_for(tmp_path, there):
    there.publish_csv(DAY, text(1, 100))
    desk = Desk(tmp_path, there, 400, waits=3, max_bytes=1000)
    (tmp_path / "spool/repair/open/x").write_bytes(b"")
    desk.spool.bytes = 2000
    assert desk.repair(GAP) == ([], [])
    assert desk.stop.waits == [5.0, 5.0, 5.0]


def test_a_stop_leaves_what_was_not_tried_to_the_end(tmp_path, there):
    there.publish_csv(DAY, text(1, 100))
    desk = Desk(tmp_path, there, 400)
    there.faults[DAY] = [lambda _: desk.stop.set()]
    assert desk.repair(GAP) == ([], [])
    assert desk.market.tried == {}


REST_NO = "; REST: failed, /fapi/v1/aggTrades?symbol=BTCUSDT&fromId=11&limit=4: HTTP 400 no"
UNTIL = "BTCUSDT-aggTrades-2024-11.zip is not published before 2024-12-01T00:00Z"


def test_a_gap_that_the_lake_has_closed_counts_no_more(tmp_path, there):
    desk = Desk(tmp_path, there, [11, 12, 13, 14])
    desk.repair(GAP)
    assert desk.market.ends == {"repaired": 1}
    desk.market.offer([])
    assert desk.market.ends == {}
