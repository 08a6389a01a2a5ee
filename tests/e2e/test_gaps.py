"""Frames that never reached the socket are missed, fetched and landed: what lands is the simulator's truth."""

import json
import signal

import pytest

from tests.support.desk import Desk, by_feed, collected, ended
from tests.support.processes import ingest, simulator, until

STREAMS = {
    ("binance", "spot", "agg_trade", "BTC-USDT"),
    ("binance", "spot", "agg_trade", "ETH-USDT"),
    ("binance", "usdm", "agg_trade", "BTC-USDT"),
    ("coinbase", "spot", "trade", "BTC-USD"),
    ("bitso", "spot", "trade", "BTC-MXN"),
}


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def assert_complete(desk, path):
    """Of each feed, from the first id that landed to the last one, all that the venue has, and nothing else."""
    rows = map(json.loads, path.read_text().splitlines())
    there = by_feed(
        ((row["venue"], row["market"], row["kind"], row["pair"]), (row["trade_id"], row["price"], row["quantity"]))
        for row in rows
    )
    landed = {feed: set(trades) for feed, trades in collected(desk.lines()).items()}
    assert set(landed) == STREAMS
    for feed, trades in landed.items():
        assert trades == {trade for trade in there[feed] if min(trades)[0] <= trade[0] <= max(trades)[0]}, feed


def holes(desk):
    """Event, sort or end, rows, by feed."""
    found = {}
    for line in desk.lines("events"):
        raw = line["raw"]
        if isinstance(raw, dict) and raw.get("event") in ("gap", "repair"):
            found.setdefault((line["venue"], line["market"], raw["stream"]), []).append(
                (raw["event"], raw["outcome"], raw["rows"])
            )
    return found


def test_dropped_frames_are_fetched_within_seconds(desk):
    path = desk.folder / "truth.jsonl"
    drops = [
        ("binance", "spot", "BTC-USDT", 60, 40),
        ("binance", "usdm", "BTC-USDT", 60, 30),
        ("coinbase", "spot", "BTC-USD", 60, 20),
    ]
    options = ["--speed", 20, "--truth", path, "--wait-for", len(STREAMS)]
    with (
        simulator(*options, *(word for drop in drops for word in ("--drop", *drop))) as (venues, port),
        ingest("collect", "--conf", desk.conf(port, has_rest=True)) as collector,
    ):
        until(
            lambda: len(holes(desk)) == len(drops) and all(len(told) == 2 for told in holes(desk).values()), collector, "repairs"
        )
        collector.send_signal(signal.SIGTERM)
        code, summary, _ = ended(collector)
        venues.send_signal(signal.SIGTERM)
        assert venues.wait(20) == 0
    assert_complete(desk, path)
    assert holes(desk) == {
        ("binance", "spot", "btcusdt@aggTrade"): [("gap", "ids", None), ("repair", "repaired", 40)],
        ("binance", "usdm", "btcusdt@aggTrade"): [("gap", "ids", None), ("repair", "repaired", 30)],
        ("coinbase", "spot", "matches:BTC-USD"): [("gap", "ids", None), ("repair", "repaired", 20)],
    }
    assert code == 0
    assert " gaps=3 open_holes=0" in summary


def test_what_a_killed_collector_missed_until_its_next_start_is_fetched(desk):
    path = desk.folder / "truth.jsonl"
    with simulator("--speed", 20, "--truth", path, "--wait-for", len(STREAMS)) as (venues, port):
        conf = desk.conf(port, has_rest=True)
        with ingest("collect", "--conf", conf) as collector:
            until(lambda: set(collected(desk.lines())) == STREAMS, collector, "trades of all feeds")
            collector.kill()
        with ingest("collect", "--conf", conf) as collector:
            until(
                lambda: len(holes(desk)) == len(STREAMS) and all(len(told) == 2 for told in holes(desk).values()),
                collector,
                "repairs",
            )
            collector.send_signal(signal.SIGTERM)
            assert ended(collector)[0] == 0
        venues.send_signal(signal.SIGTERM)
        assert venues.wait(20) == 0
    assert_complete(desk, path)
    assert {told[0][1] for told in holes(desk).values()} == {"ids", "suspected"}
    assert {told[1][1] for told in holes(desk).values()} == {"repaired"}


def test_two_collectors_write_one_lake_without_harm(tmp_path):
    """Each with a spool of its own, as on two machines; one is killed, and the lake has what the other one received."""
    lake, path = tmp_path / "lake", tmp_path / "truth.jsonl"
    one, two = (Desk(tmp_path / name, name, lake) for name in ("one", "two"))
    for desk in (one, two):
        desk.folder.mkdir()
    with simulator("--speed", 20, "--truth", path, "--wait-for", 2 * len(STREAMS)) as (venues, port):
        with (
            ingest("collect", "--conf", one.conf(port)) as first,
            ingest("collect", "--conf", two.conf(port)) as second,
        ):
            until(lambda: set(collected(one.lines())) == STREAMS, first, "trades of all feeds")
            first.kill()
            seen = len(one.objects())
            until(lambda: len(one.objects()) > seen + len(STREAMS), second, "the other one goes on")
            second.send_signal(signal.SIGTERM)
            assert ended(second)[0] == 0
        with ingest("collect", "--conf", one.conf(port), "--for", "1s") as first:
            assert ended(first)[0] == 0  # what the killed one had received lands as well
        venues.send_signal(signal.SIGTERM)
        assert venues.wait(20) == 0
    by_both = {key.rpartition("/")[2].split("-")[1] for key in one.objects()}
    assert by_both == {"one", "two"}
    assert {line["conn"].split("-")[0] for line in one.lines()} == by_both
    numbers = [(line["conn"], line["channel"], line["seq"]) for line in one.lines()]
    assert len(numbers) == len(set(numbers))
    only_second = [line for line in one.lines() if line["conn"].startswith("two")]
    landed = {feed: set(trades) for feed, trades in collected(only_second).items()}
    rows = [json.loads(text) for text in path.read_text().splitlines()]
    for feed, trades in landed.items():
        low, high = min(trades)[0], max(trades)[0]
        there = {
            (row["trade_id"], row["price"], row["quantity"])
            for row in rows
            if (row["venue"], row["market"], row["kind"], row["pair"]) == feed and low <= row["trade_id"] <= high
        }
        assert trades == there, feed
