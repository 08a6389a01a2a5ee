"""The collector as people run it, against the simulator: every frame that was sent is in the landing zone once, byte by byte."""

import contextlib
import hashlib
import json
import signal
from collections import Counter

import pytest

from ingest.spool import records
from tests.support.desk import Desk, by_feed, collected, ended
from tests.support.processes import ingest, simulator, until

STREAMS = 5
AWAY = '{path: "s3://nowhere/lake", endpoint: "http://127.0.0.1:9", region: us-east-1, path_style: true}'  # nobody listens there
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def assert_nothing_lost_inside(lines):
    """Within each connection, the lines of a channel are numbered without a hole, and each is there once."""
    numbers = {}
    for line in lines:
        numbers.setdefault(line["conn"], []).append(line["seq"])
    assert {conn: sorted(found) for conn, found in numbers.items()} == {
        conn: list(range(len(found))) for conn, found in numbers.items()
    }


def test_every_trade_of_four_venues_lands_once_and_in_order(desk):
    truth = desk.folder / "truth.jsonl"
    options = ("--speed", "max", "--span", "10m", "--wait-for", STREAMS, "--truth", truth)
    with simulator(*options) as (venues, port), ingest("collect", "--conf", desk.conf(port)) as collector:
        assert venues.wait(100) == 0
        collector.send_signal(signal.SIGTERM)
        code, summary, _ = ended(collector)
    sent = [row for row in map(json.loads, truth.read_text().splitlines()) if row["sent"]]
    expected = by_feed(
        ((row["venue"], row["market"], row["kind"], row["pair"]), (row["trade_id"], row["price"], row["quantity"]))
        for row in sent
    )
    assert collected(desk.lines()) == expected
    assert len(expected) == STREAMS
    assert_nothing_lost_inside(desk.lines())
    assert_nothing_lost_inside(desk.lines("events"))
    assert (code, summary.split(", ")[1].split(" ")[1]) == (0, f"trades={len(desk.lines())}")
    assert (desk.in_spool("open"), desk.in_spool("sealed")) == ([], [])


def test_names_are_content_and_content_is_gzip_members(desk):
    options = ("--speed", "max", "--span", "2m", "--wait-for", STREAMS)
    with simulator(*options) as (venues, port), ingest("collect", "--conf", desk.conf(port)) as collector:
        assert venues.wait(100) == 0
        collector.send_signal(signal.SIGINT)
        assert ended(collector)[0] == 0
    for key, text in desk.objects().items():
        first = json.loads(text.split(b"\n", 1)[0])
        folder = f"landing/channel={first['channel']}/venue={first['venue']}/market={first['market']}/dt="
        assert key.startswith(folder)
        assert key.endswith(f"/{first['recv_ns']}-laptop-{hashlib.sha256(text).hexdigest()[:12]}.jsonl.gz")
        assert text.endswith(b"\n")


def test_a_recording_comes_out_byte_by_byte(desk):
    frames = [
        b'{ "stream":"btcusdt@aggTrade" ,\t"data":{"e":"aggTrade","E":1731000000125,"s":"BTCUSDT","a":%d,"p":"6%d.10","q":"0.50",'
        b'"f":1,"l":1,"T":1731000000123,"m":true,"x":1e400,"u":"\xc3\xa9 \\u00e9"}}' % (number, number)
        if number % 7 == 0
        else b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1731000000125,"s":"BTCUSDT","a":%d,"p":"6.10000000",'
        b'"q":"0.50","f":1,"l":1,"T":1731000000123,"m":false,"M":true}}' % number
        for number in range(1000)
    ]
    recording = desk.folder / "recording.txt"
    recording.write_bytes(b"".join(b"%d %b\n" % (1_731_000_000_000_000_000 + n * 1000, frame) for n, frame in enumerate(frames)))
    feeds = "[{venue: binance, market: spot, kind: agg_trade, pairs: [BTC-USDT]}]"
    arguments = ("--recording", recording, "--venue", "binance", "--market", "spot", "--speed", "max")
    with simulator(*arguments) as (venues, port), ingest("collect", "--conf", desk.conf(port, feeds=feeds)) as collector:
        assert venues.wait(100) == 0
        collector.send_signal(signal.SIGTERM)
        assert ended(collector)[0] == 0
    known = [
        line.split(b',"raw":', 1)[1][:-1]
        for text in desk.objects("landing/channel=trades/").values()
        for line in text.splitlines()
    ]
    # 1e400 is no number that a parser of ours can hold: such a frame is kept as text, for quarantine
    odd = [line["raw_text"].encode() for line in desk.lines("events") if line["kind"] == "unknown"]
    assert known == [frame for frame in frames if b"1e400" not in frame]
    assert odd == [frame for frame in frames if b"1e400" in frame]


def test_a_killed_collector_is_finished_by_the_next_start(desk):
    """Killed with segments sealed but not landed (the lake is away), and one open."""
    with simulator("--speed", "20") as (venues, port):
        with ingest("collect", "--conf", desk.conf(port, lake=AWAY), environment=KEYS) as collector:
            until(lambda: len(desk.in_spool("sealed")) > 8 and len(desk.in_spool("open")) > 2, collector, "segments in the spool")
            collector.kill()
        assert not desk.objects()
        venues.kill()
    kept = [records.read(path.read_bytes()) for part in ("sealed", "open") for path in desk.in_spool(part)]
    with ingest("collect", "--conf", desk.conf(port), "--for", "1s") as collector:
        assert ended(collector)[0] == 0
    found = Counter(line for text in desk.objects().values() for line in text.splitlines())
    assert max(found.values()) == 1
    assert {line.rstrip(b"\n") for text in kept for line in text.whole} <= found.keys()
    assert_nothing_lost_inside(desk.lines())
    assert (desk.in_spool("open"), desk.in_spool("sealed")) == ([], [])


def test_a_collector_killed_again_and_again_loses_nothing_that_it_wrote(desk):
    with simulator("--speed", "20") as (_, port):
        for _ in range(4):
            seen = set(desk.objects())
            with ingest("collect", "--conf", desk.conf(port)) as collector:
                until(
                    lambda seen=seen: set(desk.objects()) - seen and len(desk.in_spool("open")) > 2,
                    collector,
                    "objects and a spool",
                )
                collector.kill()
        with ingest("collect", "--conf", desk.conf(port), "--for", "1s") as collector:
            assert ended(collector)[0] == 0
    assert_nothing_lost_inside(desk.lines())
    assert len({line["conn"].split("-")[1] for line in desk.lines("events")}) == 5


def test_the_collector_comes_back_when_the_venue_does(desk):
    with contextlib.ExitStack() as stack:
        with simulator("--speed", "20") as (_, port):
            collector = stack.enter_context(ingest("collect", "--conf", desk.conf(port)))
            until(lambda: len(collected(desk.lines())) == STREAMS, collector, "trades of all feeds")
        before = {line["conn"] for line in desk.lines()}
        with simulator("--speed", "20", port=port):
            until(
                lambda: len(collected(line for line in desk.lines() if line["conn"] not in before)) == STREAMS,
                collector,
                "trades again",
            )
            collector.send_signal(signal.SIGTERM)
            code, summary, _ = ended(collector)
    assert code == 0
    assert " reconnects=4 " in summary
    assert_nothing_lost_inside(desk.lines())
    told = [line["raw"] for line in desk.lines("events") if line["raw"].get("event") == "disconnect"]
    assert {(raw["stream"], raw["outcome"]) for raw in told if raw["rows"]} >= {
        ("btcusdt@aggTrade", "closed"),
        ("matches:BTC-USD", "closed"),
        ("trades:btc_mxn", "closed"),
    }


def test_a_second_collector_is_refused(desk):
    with simulator() as (_, port), ingest("collect", "--conf", desk.conf(port)) as first:
        until(lambda: bool(desk.in_spool("open")), first, "a spool")
        with ingest("collect", "--conf", desk.conf(port)) as second:
            code, output, errors = ended(second)
    assert (code, output) == (1, "")
    assert errors == (
        f"collect: spool {desk.spool}: used by another collector (process {first.pid}); "
        "give this one an ingest.spool.path of its own\n"
    )


def test_a_second_signal_ends_the_drain_at_once_and_the_spool_stays(desk):
    with (
        simulator("--speed", "20") as (_, port),
        ingest("collect", "--conf", desk.conf(port, lake=AWAY), environment=KEYS) as collector,
    ):
        until(lambda: len(desk.in_spool("open")) > 2, collector, "a spool")
        collector.send_signal(signal.SIGTERM)
        until(lambda: b'"event":"stop"' in b"".join(path.read_bytes() for path in desk.in_spool("sealed")), collector, "a drain")
        collector.send_signal(signal.SIGTERM)
        assert ended(collector, seconds=5)[0] == 1
    assert desk.in_spool("sealed")
