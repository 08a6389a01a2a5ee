"""One screen: what is wrong first, then each connection and stream, the spool, and what has landed."""

import os
from dataclasses import replace

from ingest.cli import main
from ingest.clock import SYSTEM
from ingest.spool.spool import prepare
from ingest.watch.status import is_locked, read, screen
from ingest.watch.watch import write
from tests.support.vitals import FEED, LINK, MARKET, SPOOL, VITALS


def test_a_healthy_collector():
    assert list(screen(VITALS, is_running=True, age=0.4, gaps=None)) == [
        "collector laptop (process 42): running",
        "  seen 0 s ago, up 60 min, since 2024-11-07 16:20:00 UTC",
        "",
        "nothing is wrong",
        "",
        "connections             streams      state  frames  reconnects  lag ms p50  p99",
        "binance spot agg_trade        1  connected   1,000           0           5   20",
        "",
        "stream                             heard  asked after  last id  holes",
        "binance spot agg_trade BTC-USDT  0 s ago         10 s       17      0",
        "",
        "spool     0.0 MB of 0.0 GB, 0 segments wait",
        "landed    3 objects, 0.2 MB of text, 0 failed tries",
        "          landing/a",
        "          landing/b",
        "REST      binance spot: 0 holes repaired, 0 left, 0 wait, 0 polls, weight 40 of 6000",
        "gaps      0 found in this run; the lake's ledger is not there",
    ]


def test_a_sick_one_says_so_first_and_the_worst_of_it_at_the_top():
    sick = replace(
        VITALS,
        feeds=(replace(FEED, is_mute=True, heard_seconds=None, last_id=None, holes=2),),
        links=(replace(LINK, is_connected=False, since_seconds=400.0, connections=5, lag_ms=()),),
        spool=replace(SPOOL, waiting=3, oldest_seconds=7300.0),
        markets=(replace(MARKET, repaired=1, left=2, waiting=3, polls=4),),
    )
    lines = list(screen(sick, is_running=False, age=7200.0, gaps=12))
    assert lines[0] == "collector laptop (process 42): NOT RUNNING; this is how it was last seen"
    assert lines[3:7] == [
        "WRONG: 3",
        "  critical mute binance spot agg_trade BTC-USDT: silent for 0 s while the venue trades",
        "  critical stall binance spot agg_trade: not connected for 400 s",
        "  warning gap binance spot agg_trade BTC-USDT: 2 holes that are not repaired yet",
    ]
    assert "binance spot agg_trade        1  gone 400 s   1,000           4" in lines
    assert "binance spot agg_trade BTC-USDT   MUTE         10 s               2" in lines
    assert "spool     0.0 MB of 0.0 GB, 3 segments wait, the oldest for 2 h" in lines
    assert lines[-1] == "gaps      0 found in this run; the lake's ledger has 12 open"


def test_one_that_runs_and_says_nothing_is_wrong_whatever_it_said_before():
    lines = list(screen(VITALS, is_running=True, age=10.0, gaps=None))
    assert lines[3:5] == ["WRONG: 1", "  critical status: it has written no status for 10 s: it hangs, or its disk takes no more"]
    assert "nothing is wrong" in list(screen(VITALS, is_running=True, age=9.9, gaps=None))


def test_only_one_that_does_not_run_or_hangs_is_not_alive(tmp_path, capsys):
    """Sick with a hole, so that status itself is not content; the lake's own list has one that nobody can believe."""
    conf, folder = tmp_path / "conf.yaml", tmp_path / "spool" / "collect"
    conf.write_text(f"lake: {tmp_path / 'lake'}\ningest:\n  collector: laptop\n  spool: {{path: {tmp_path / 'spool'}}}\n")
    handle = prepare(folder)
    gaps = tmp_path / "lake" / "control" / "open-gaps.json"
    gaps.parent.mkdir(parents=True)
    gaps.write_text('{"v": 1, "gaps": [{}, {"state": "open"}, {"state": "implausible"}]}')
    now = SYSTEM.wall_ns()
    write(folder / "status.json", replace(VITALS, at_ns=now, feeds=(replace(FEED, holes=1),)))
    assert main(["status", "--conf", str(conf), "--alive"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["status", "--conf", str(conf)]) == 1
    assert capsys.readouterr().out.endswith("the lake's ledger has 2 open\n")
    write(folder / "status.json", replace(VITALS, at_ns=now - 11 * 10**9))
    assert main(["status", "--conf", str(conf), "--alive"]) == 1
    write(folder / "status.json", replace(VITALS, at_ns=SYSTEM.wall_ns()))
    assert [main(["status", "--conf", str(conf), *option]) for option in ([], ["--alive"])] == [0, 0]
    os.close(handle)
    assert [main(["status", "--conf", str(conf), *option]) for option in ([], ["--alive"])] == [1, 1]


def test_what_was_written_is_read(tmp_path):
    write(tmp_path / "status.json", VITALS)
    assert read(tmp_path / "status.json") == VITALS
    (tmp_path / "status.json").write_text("{")
    assert read(tmp_path / "status.json") is None
    assert read(tmp_path / "nothing.json") is None


def test_a_disk_that_refuses_is_told(tmp_path, caplog):
    write(tmp_path / "no" / "status.json", VITALS)
    assert "event=status_not_written" in caplog.text


def test_a_lock_tells_whether_it_runs(tmp_path):
    assert not is_locked(tmp_path / "lock")
    handle = prepare(tmp_path)
    assert is_locked(tmp_path / "lock")
    os.close(handle)
    assert not is_locked(tmp_path / "lock")
