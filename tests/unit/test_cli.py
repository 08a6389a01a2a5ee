"""The command line: what it says, and how it ends."""

import os
import signal
import threading

import pytest

from ingest.cli import Signals, main
from ingest.collector import command
from ingest.collector.view import Progress
from ingest.spool.spool import prepare
from tests.support.exchange_server import sends, venue

CONF = """
lake: {folder}/lake
ingest:
  collector: laptop
  spool: {{path: {folder}/spool}}
  feeds: [{{venue: {venue}, market: {market}, kind: {kind}, pairs: [{pair}]}}]
  endpoints: {{binance: {{spot: {{websocket: ["{address}"]}}}}}}
"""
GOOD = {"venue": "binance", "market": "spot", "kind": "trade", "pair": "BTC-USDT", "address": "ws://127.0.0.1:9"}


@pytest.fixture
def conf(tmp_path):
    def write(**changes):
        path = tmp_path / "conf.yaml"
        path.write_text(CONF.format(folder=tmp_path, **{**GOOD, **changes}))
        return str(path)

    return write


@pytest.fixture(autouse=True)
def signals_as_they_were():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("command", [[], ["collect"], ["simulate"], ["alerts"]])
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "example:" in shown
    assert f"python -m ingest {command[0] if command else 'collect'} --" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["colect"], "invalid choice: 'colect'"),
        (["collect"], "the following arguments are required: --conf"),
        (["collect", "--conf", "x", "--for", "60"], "--for: '60': a duration such as 60s, 10m or 2h"),
        (["collect", "--conf", "x", "--fro", "60s"], "unrecognized arguments: --fro 60s"),
    ],
)
def test_what_was_not_asked_properly_is_said_with_exit_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"venue": "kraken"}, "collect: ingest.feeds[0]: exchange kraken spot: not known; one of binance spot, "),
        ({"market": "coinm"}, "collect: ingest.feeds[0]: exchange binance coinm: refused, its quantities are contracts"),
        ({"kind": "depth"}, "collect: ingest.feeds[0].kind is 'depth': binance spot offers agg_trade, trade"),
        ({"pair": "BTCUSDT"}, "conf.yaml: ingest.feeds[0].pairs is 'BTCUSDT': a pair as BASE-QUOTE, such as BTC-USDT"),
        ({"pair": "BTC-NOPE"}, "collect: ingest.feeds[0].pairs is 'BTC-NOPE': "),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_2(conf, changes, message, capsys):
    assert main(["collect", "--conf", conf(**changes)]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert (shown.err.count("\n"), shown.out) == (1, "")


def test_a_configuration_that_is_not_there(capsys):
    assert main(["collect", "--conf", "nowhere.yaml"]) == 2
    assert capsys.readouterr().err.startswith("collect: nowhere.yaml: cannot be read (No such file or directory); --conf wants")


def test_a_spool_in_use_is_one_line_and_exit_code_1(conf, tmp_path, capsys):
    handle = prepare(tmp_path / "spool" / "collect")
    assert main(["collect", "--conf", conf()]) == 1
    os.close(handle)
    assert "used by another collector" in capsys.readouterr().err


def test_the_last_line_is_a_summary(conf, capsys):
    assert main(["collect", "--conf", conf(), "--for", "0s"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("collect: ")
    assert " frames=0 trades=0 objects=1 " in shown
    assert shown.count("\n") == 1


def test_a_run_that_gave_up_is_a_failure_and_says_why(conf, capsys):
    with venue(sends(), refusals=(451,)) as there:
        assert main(["collect", "--conf", conf(address=there.address)]) == 1
    assert capsys.readouterr().out.endswith("; failed: binance spot trade: HTTP 451 instead of a websocket\n")


def progress(**changes):
    values = {"seconds": 12.3, "frames": 1234567, "trades": 5, "connected": 1, "connections": 2, "reconnects": 3, "objects": 4}
    values |= {
        "landed_bytes": 50,
        "spool_bytes": 2_500_000,
        "waiting": 0,
        "lost": 0,
        "polls": 0,
        "gaps": 0,
        "holes": 0,
        "failures": [],
    }
    return Progress(**{**values, **changes})


def test_the_progress_is_one_line():
    assert command._progress(progress()) == (
        "12 s: 1/2 connections, 1,234,567 frames, 4 objects landed, 2.5 MB in the spool, 0 gaps, 0 open"
    )


@pytest.mark.parametrize(
    ("changes", "is_good"),
    [({}, True), ({"waiting": 1}, False), ({"lost": 1}, False), ({"failures": ["venue: HTTP 451"]}, False)],
)
def test_what_did_not_land_is_no_success(changes, is_good):
    assert progress(**changes).is_good == is_good


def test_the_summary_names_what_failed():
    shown = command._summary(progress(failures=["binance spot trade: HTTP 451"], waiting=2))
    assert shown == (
        "collect: 12 s, frames=1234567 trades=5 objects=4 text_bytes=50 reconnects=3 waiting_segments=2 "
        "lost_lines=0 polls=0 gaps=0 open_holes=0; "
        "failed: binance spot trade: HTTP 451"
    )


def test_the_second_signal_ends_the_process(monkeypatch):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    stop = threading.Event()
    signals = Signals(stop)
    signals(signal.SIGINT, None)
    assert (stop.is_set(), codes) == (True, [])
    signals(signal.SIGTERM, None)
    assert codes == [1]
