"""The whole collector in one process: real sockets and threads, a lake on files."""

import gzip
import hashlib
import json
import os
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from ingest.alert_settings import AlertSettings
from ingest.alerts.desk import Alerts
from ingest.alerts.policy import limits
from ingest.clock import SYSTEM, Clock, iso
from ingest.collector.feed import connect
from ingest.collector.link import World
from ingest.collector.run import Collector, Times, Wanted
from ingest.exchanges.exchange import Instruments, Request, Rest
from ingest.landing import Files
from ingest.plan import plans
from ingest.rest.polls import Poll
from ingest.settings import Endpoint, FeedSettings, Ingest, Limits, Metrics, Rotate, SettingsError, Size, Spool
from ingest.spool.spool import SpoolError, prepare
from tests.support.exchange_server import sends, venue
from tests.support.exchanges import find
from tests.support.fakes import nobody


def nothing_traded(exchange):
    raise AssertionError(exchange.name)


class Run:
    """A collector on a folder; ends as soon as a condition holds."""

    def __init__(self, folder, *addresses, pairs=("A-B",), max_bytes=10**9) -> None:
        feeds = (FeedSettings("test", "spot", "trade", pairs),)
        spool = Spool(folder / "spool", Size(max_bytes), 10)
        self.ingest = Ingest("laptop", spool, Rotate(60, 64), feeds, {"test": {"spot": Endpoint(addresses)}})
        self.files = Files(folder / "lake")
        self.connect = connect
        self.store = self.files
        self.grace = 15.0
        self.alerts = Alerts((), limits(AlertSettings()), "laptop")
        self.get = nobody
        self.clock = SYSTEM
        self.wanted = None  # what the configuration says

    def until(self, is_enough, seconds=20.0):
        stop = threading.Event()
        world = World(self.clock, self.connect, self.get, lambda: 0.0, stop)
        collector = Collector(
            self.ingest,
            self.wanted or Wanted(plans(self.ingest, find, nothing_traded)),
            self.store,
            world,
            alerts=self.alerts,
            times=Times(grace=self.grace, watch=0.01),
        )
        return collector.run(lambda now: stop.set() if is_enough(now) else None, seconds)

    def lines(self, channel="trades"):
        """All lines of a channel, in the order of the objects' names."""
        keys = self.files.keys(f"landing/channel={channel}/")
        return [json.loads(text) for key in keys for text in gzip.decompress(self.files.get(key)[0]).splitlines()]

    def events(self):
        return [
            (line["raw"]["event"], line["raw"]["outcome"], line["stream"])
            for line in self.lines("events")
            if "event" in line["raw"]
        ]


def frame(number, stream="a_b"):
    return json.dumps({"s": stream, "id": number})


def test_what_a_venue_sends_is_landed_when_the_collector_stops(tmp_path):
    with venue(sends('{"ack":"a_b"}', frame(1), frame(2))) as there:
        run = Run(tmp_path, there.address)
        end = run.until(lambda now: now.trades == 2)
    assert [(line["seq"], line["pair"], line["raw"]) for line in run.lines()] == [
        (0, "A-B", {"s": "a_b", "id": 1}),
        (1, "A-B", {"s": "a_b", "id": 2}),
    ]
    assert run.events() == [
        ("start", None, None),
        ("connect", "ok", None),
        ("subscribed", None, "a_b"),
        ("disconnect", "stopped", "a_b"),
        ("stop", None, None),
    ]
    assert there.received == ['{"subscribe": "a_b"}']
    assert (end.frames, end.trades, end.reconnects, end.objects, end.waiting, end.lost, end.is_good) == (3, 2, 0, 2, 0, 0, True)
    assert list((tmp_path / "spool/collect/sealed").iterdir()) == []


def test_metrics_that_cannot_be_served_end_a_run_before_any_venue_is_asked(tmp_path):
    """As where two collectors of a machine have the same address: started again and again, they would use up the venue's patience."""
    with venue(sends(frame(1))) as there, socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        run = Run(tmp_path, there.address)
        run.ingest = replace(run.ingest, metrics=Metrics(address))
        says = (
            f"^ingest.metrics.address is '{address}': Address already in use; each collector of a machine needs one of its own$"
        )
        with pytest.raises(OSError, match=says):
            run.until(lambda now: now.frames > 0)
    assert there.received == []
    assert run.events() == []


def test_a_run_ends_by_itself_after_its_time(tmp_path):
    with venue(sends(frame(1))) as there:
        end = Run(tmp_path, there.address).until(lambda _: False, seconds=0.3)
    assert end.is_good
    assert end.seconds < 5


def test_a_connection_that_ends_is_opened_again_and_the_hole_can_be_seen(tmp_path):
    with venue(sends(frame(1), frame(2), then="close"), sends(frame(5))) as there:
        run = Run(tmp_path, there.address)
        end = run.until(lambda now: now.trades == 3)
    assert [line["raw"]["id"] for line in run.lines()] == [1, 2, 5]
    first, _, second = [line["conn"] for line in run.lines()]
    assert int(first.rpartition("-")[2]) < int(second.rpartition("-")[2])
    assert [line["seq"] for line in run.lines()] == [0, 1, 0]
    assert ("disconnect", "closed", "a_b") in run.events()
    (told,) = [line["raw"] for line in run.lines("events") if line["raw"].get("outcome") == "closed"]
    assert (told["before_id"], told["rows"]) == (2, 2)
    assert end.reconnects == 1


def gaps(run):
    """Event, ids before, missing and after, outcome of each hole, in the order told."""
    names = ("event", "before_id", "first_missing_id", "last_missing_id", "after_id", "rows", "outcome")
    raws = [line["raw"] for line in run.lines("events")]
    return [tuple(raw[name] for name in names) for raw in raws if raw.get("event") in ("gap", "repair")]


def test_a_hole_is_told_and_so_is_its_end(tmp_path):
    with venue(sends(frame(1), frame(2), then="close"), sends(frame(5))) as there:
        run = Run(tmp_path, there.address)
        run.until(lambda now: now.gaps == 1 and now.holes == 0)
    assert gaps(run) == [("gap", 2, 3, 4, 5, None, "ids"), ("repair", 2, 3, 4, 5, 0, "no_rest")]


def test_what_was_missed_between_two_runs_is_a_hole_and_the_start_tells_how_long_it_was(tmp_path):
    with venue(sends(frame(1)), sends(frame(4))) as there:
        run = Run(tmp_path, there.address)
        run.until(lambda now: now.trades == 1)
        (before,) = [line["recv_ns"] for line in run.lines()]
        run.until(lambda now: now.gaps == 1 and now.holes == 0)
    assert gaps(run) == [("gap", 1, 2, 3, 4, None, "ids"), ("repair", 1, 2, 3, 4, 0, "no_rest")]
    starts = [line["raw"]["before_ts"] for line in run.lines("events") if line["raw"].get("event") == "start"]
    assert sorted(starts, key=bool) == [None, iso(before)]


def test_a_connection_that_breaks_without_a_word_is_opened_again(tmp_path):
    with venue(sends(then="break"), sends(frame(5))) as there:
        run = Run(tmp_path, there.address)
        end = run.until(lambda now: now.trades == 1)
    assert [line["raw"]["id"] for line in run.lines()] == [5]
    assert end.is_good


def test_a_refused_subscription_is_an_error_and_is_kept(tmp_path):
    with venue(sends('{"error":"no such stream"}')) as there:
        run = Run(tmp_path, there.address)
        run.until(lambda now: there.connections == 1 and now.connected == 0 and now.frames == 1)
    assert ("disconnect", "refused", "a_b") in run.events()
    assert [line["raw"] for line in run.lines("events") if "error" in line["raw"]] == [{"error": "no such stream"}]
    assert there.connections == 1


def test_a_host_that_says_no_is_not_asked_again_but_the_next_one_is(tmp_path):
    with venue(sends("never"), refusals=(451, 451, 451)) as closed, venue(sends(frame(1))) as there:
        run = Run(tmp_path, closed.address, there.address)
        end = run.until(lambda now: now.trades == 1)
    assert closed.refusals == [451, 451]
    assert end.is_good
    assert ("connect", "failed", None) in run.events()


@pytest.mark.parametrize("status", [418, 451, 403])
def test_where_no_host_may_be_asked_the_run_ends_and_has_failed(tmp_path, status):
    with venue(sends("never"), refusals=(status,) * 9) as there:
        end = Run(tmp_path, there.address).until(lambda _: False)
    assert there.refusals == [status] * 8
    assert not end.is_good
    assert end.failures[0].startswith(f"test spot trade: HTTP {status} instead of a websocket")


def test_every_kind_of_frame_is_kept_byte_by_byte(tmp_path):
    frames = [b'{"s" : "a_b", "id":1.0, "id":2}', b"{\xff", b'{"s":"a_b",\n"id":3}', b"NaN", b'{"s":"z_z"}', b""]
    with venue(sends(*frames)) as there:
        run = Run(tmp_path, there.address)
        run.until(lambda now: now.frames == 6)
    trades = b"".join(gzip.decompress(run.files.get(key)[0]) for key in run.files.keys("landing/channel=trades/"))
    assert b',"raw":{"s" : "a_b", "id":1.0, "id":2}}\n' in trades
    assert [line.get("raw_text") for line in run.lines()] == [None, '{"s":"a_b",\n"id":3}']
    others = [line for line in run.lines("events") if line["kind"] == "unknown"]
    assert [(line.get("raw"), line.get("raw_text"), line.get("raw_b64")) for line in others] == [
        (None, None, "e/8="),
        (None, "NaN", None),
        ({"s": "z_z"}, None, None),
        (None, "", None),
    ]


def test_a_full_spool_closes_the_connections_and_is_said(tmp_path):
    big = json.dumps({"s": "a_b", "id": 1, "x": "y" * 1_100_000})

    class Away(Files):
        def create(self, *_):
            raise OSError("away")

    with venue(sends(big)) as there:
        run = Run(tmp_path, there.address, max_bytes=1_000_000)
        run.store, run.grace = Away(tmp_path / "lake"), 0.1
        run.until(lambda now: now.frames == 1 and now.connected == 0)
    assert there.connections == 1
    run.store = run.files
    with venue(sends(frame(2))) as there:
        run.ingest, run.grace = Run(tmp_path, there.address).ingest, 15.0
        assert run.until(lambda now: now.trades == 1 and now.objects >= 2).is_good
    assert [line["raw"]["id"] for line in run.lines()] == [1, 2]
    assert ("disconnect", "spool", "a_b") in run.events()


def test_a_store_that_is_away_costs_nothing_but_time(tmp_path):
    class Away(Files):
        def create(self, *_):
            raise OSError("away")

    with venue(sends(frame(1))) as there:
        run = Run(tmp_path, there.address)
        run.store, run.grace = Away(tmp_path / "lake"), 1.5  # a third of it for the links, which look five times a second
        end = run.until(lambda now: now.trades == 1)
        assert (end.is_good, end.waiting) == (False, 2)
        run.store, run.grace = run.files, 15.0
        assert run.until(lambda now: now.trades == 1).is_good
    assert [line["raw"]["id"] for line in run.lines()] == [1, 1]


def test_two_collectors_on_one_spool(tmp_path):
    handle = prepare(tmp_path / "spool" / "collect")
    with pytest.raises(SpoolError, match="used by another collector"):
        Run(tmp_path, "ws://127.0.0.1:1").until(lambda _: True)
    os.close(handle)


def test_a_fault_in_one_thread_ends_the_run_as_failed(tmp_path, monkeypatch):
    def broken(_):
        raise SystemError("nobody foresaw this")

    with venue(sends(frame(1))) as there, monkeypatch.context() as patch:
        patch.setattr("ingest.spool.spool.Spool.sync", broken)
        end = Run(tmp_path, there.address).until(lambda _: False)
    assert end.failures == [
        *[f"{thread}: SystemError('nobody foresaw this')" for thread in ("keeper", "drain")],
        "2 segments could not be sealed; the next start tries again",
    ]
    assert not end.is_good


@dataclass
class Answer:
    data: bytes
    status: int = 200
    headers: dict = field(default_factory=dict)


def test_a_configuration_that_fits_the_market_no_more_ends_nothing(tmp_path, caplog):
    with venue(sends(frame(1))) as there:
        run = Run(tmp_path, there.address)
        run.ingest = replace(run.ingest, limits=Limits(tmp_path / "limits"))
        run.get = lambda _: Answer(b"[]")
        (plan,) = plans(run.ingest, find, nothing_traded)
        rest = Rest(("http://one",), 100, 60, {}, instruments=Instruments(Request("/all", 1), lambda body: body))
        exchange = replace(plan.exchange, rest=rest)
        asked = Poll(exchange, rest.hosts, "instruments", None, timedelta(days=1), lambda _: rest.instruments.request)

        def replan(_exchange, _body):
            raise SettingsError("fits none of the 0 pairs")

        run.wanted = Wanted([plan], (asked,), replan)
        end = run.until(lambda now: now.trades == 1 and now.polls == 1 and "event=not_replanned" in caplog.text)
    assert (end.is_good, end.trades) == (True, 1)
    assert "event=not_replanned exchange='test spot' detail='fits none of the 0 pairs'" in caplog.text


def test_what_a_market_begins_to_trade_is_collected_from_then_on(tmp_path):
    """A pattern of pairs; the venue's list of instruments has one more than at the start."""
    with venue(sends(frame(1)), sends(frame(7, "c_d"))) as there:
        run = Run(tmp_path, there.address)
        run.ingest = replace(run.ingest, limits=Limits(tmp_path / "limits"))
        run.get = lambda url: Answer(json.dumps([url]).encode())
        (plan,) = plans(run.ingest, find, nothing_traded)
        rest = Rest(("http://one",), 100, 60, {}, instruments=Instruments(Request("/all", 1), lambda body: body))
        exchange = replace(plan.exchange, rest=rest)
        asked = Poll(exchange, rest.hosts, "instruments", None, timedelta(days=1), lambda _: rest.instruments.request)
        learned = []

        def replan(exchange, body):
            learned.append((exchange.name, body))
            return [replace(plan, pairs={**plan.pairs, "c_d": "C-D"})]

        run.wanted = Wanted([plan], (asked,), replan)
        end = run.until(lambda now: now.trades == 2)
    assert learned == [("test spot", b'["http://one/all"]')]
    assert {(line["pair"], line["raw"]["id"], line["conn"].split("-")[1]) for line in run.lines()} == {
        ("A-B", 1, run_of(run)),
        ("C-D", 7, run_of(run)),
    }
    assert [line["raw"] for line in run.lines("events") if line["kind"] == "instruments"] == [["http://one/all"]]
    assert (end.polls, end.connections, end.is_good) == (1, 2, True)


def run_of(run):
    return run.lines()[0]["conn"].split("-")[1]


def test_names_are_made_of_content(tmp_path):
    with venue(sends(*[frame(n) for n in range(50)])) as there:
        run = Run(tmp_path, there.address)
        run.until(lambda now: now.trades == 50)
    for key in run.files.keys("landing/"):
        text = gzip.decompress(run.files.get(key)[0])
        first = json.loads(text.splitlines()[0])
        name = key.rsplit("/", 1)[1]
        assert name == f"{first['recv_ns']}-laptop-{hashlib.sha256(text).hexdigest()[:12]}.jsonl.gz"
        assert key.startswith(f"landing/channel={first['channel']}/venue=test/market=spot/dt=20")


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_by_an_hour_seals_and_misses_nothing(tmp_path, hours):
    """The wall clock dates what is received; ages, silences and time-outs are measured by the other one."""
    jump = 0

    def jumped(now):
        nonlocal jump
        jump = hours * 3_600_000_000_000 if now.trades >= 1 else 0
        return now.trades == 4 and now.objects >= 1

    with venue(sends(frame(1), frame(2), then="close"), sends(frame(3), frame(4))) as there:
        run = Run(tmp_path, there.address)
        run.ingest = replace(run.ingest, rotate=Rotate(1, 64))
        run.clock = Clock(lambda: time.time_ns() + jump, time.monotonic)
        end = run.until(jumped)
    assert end.is_good
    assert (end.gaps, end.reconnects, end.seconds < 10) == (0, 1, True)
    assert sorted(line["raw"]["id"] for line in run.lines()) == [1, 2, 3, 4]
    assert {outcome for event, outcome, _ in run.events() if event in ("gap", "mute", "disconnect")} == {"closed", "stopped"}
