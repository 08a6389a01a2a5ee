"""`backfill` on the command line: what it says, and how it ends."""

import argparse
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest

from ingest.backfill import command
from ingest.backfill.run import Progress
from ingest.backfill.tally import Paged
from ingest.backfill.wanted import Absent
from ingest.cli import main
from tests.support.dumps import site, zipped

CONF = """
lake: {folder}/lake
ingest:
  collector: laptop
  spool: {{path: {folder}/spool}}
  endpoints: {{binance: {{spot: {{dumps: ["{address}"]}}}}}}
"""
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
PATH = "/data/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-31.zip"
RANGE = ("--from", "2024-01-31", "--to", "2024-01-31")


@pytest.fixture
def run(tmp_path):
    """Without the signals of the command line, which belong to the process."""

    def started(*arguments, address="http://127.0.0.1:1"):
        conf = tmp_path / "conf.yaml"
        conf.write_text(CONF.format(folder=tmp_path, address=address))
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        return command.run(parser.parse_args(["--conf", str(conf), *arguments]), threading.Event())

    return started


def test_help_has_examples_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["backfill", "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "python -m ingest backfill --conf conf/local.yaml --dataset aggTrades --pairs BTC-USDT --from 2024-01-01" in shown
    assert "1 failed, or something is not there" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--market", "coinm"), "--venue binance --market coinm: exchange binance coinm: refused, its quantities are contracts"),
        (("--venue", "kraken"), "--venue kraken --market spot: exchange kraken spot: not known; one of binance spot, "),
        (("--venue", "coinbase"), "--dataset aggTrades: coinbase spot tells trades"),
        (
            ("--venue", "bitso", "--dataset", "trades", "--pairs", "BTC-MXN", "--recheck"),
            "--recheck: bitso spot publishes no files that could be replaced",
        ),
        (("--dataset", "bookDepth"), "--dataset bookDepth: binance spot publishes aggTrades, klines, trades"),
        (("--dataset", "klines", "--interval", "7m"), "--interval 7m: one of 1s, 1m, 3m, "),
        (("--pairs", "BTCUSDT"), "--pairs 'BTCUSDT': BASE-QUOTE of A-Z and 0-9, such as BTC-USDT or *-USDT"),
        (("--pairs", "BTC-XYZ"), "--pairs: symbol 'BTCXYZ': ends with no known quote asset"),
        (("--pairs", " , "), "--pairs: at least one, such as BTC-USDT"),
        (("--from", "2024-02-01"), "--from 2024-02-01 --to 2024-01-31: in this order, and none later than "),
        (("--to", "2999-01-01"), f"--to 2999-01-01: in this order, and none later than {YESTERDAY}, which was yesterday"),
    ],
)
def test_what_is_not_asked_properly_is_one_line_and_exit_code_2(run, capsys, arguments, message):
    assert run("--dataset", "aggTrades", "--pairs", "BTC-USDT", *RANGE, *arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert (shown.err.count("\n"), shown.out) == (1, "")


def test_a_summary_and_exit_code_0(run, capsys):
    with site() as venue:
        size = len(venue.publish(PATH, zipped("a.csv", "1,2\n")))
        assert run("--dataset", "aggTrades", "--pairs", "BTC-USDT", *RANGE, address=venue.address) == 0
    shown = capsys.readouterr().out
    found = re.fullmatch(r"backfill: \d+ s, files=1 fetched=1 left=0 bytes=(\d+)\n", shown)
    assert int(found[1]) > size


def test_nothing_published_is_exit_code_1_and_said(run, capsys):
    with site() as venue:
        assert run("--dataset", "aggTrades", "--pairs", "BTC-USDT", *RANGE, address=venue.address) == 1
    assert capsys.readouterr().out.endswith(
        "; BTC-USDT: no file of 2024-01-31 to 2024-01-31, nor any other"
        "; failed: BTC-USDT: nothing is published of 2024-01-31 to 2024-01-31\n"
    )


def test_what_is_shown_of_pages_on_the_way():
    now = Paged(10.0, 8000, 6000, 1, 3, 1990, 12_345_678, 2, doing=["BTC-USD from id 7"])
    assert command._paging(now) == "[######..................] 2,000/8,000 ids, 3 pages, 1 files, BTC-USD from id 7"
    end = Paged(10.0, 8000, 0, 1, 3, 7990, 12_345_678, 2, notes=["BTC-USD: absent"], failures=["x"])
    assert command._paged(end) == (
        "backfill: 10 s, ids=8000 left=0 files=1 there=2 pages=3 trades=7990 text_bytes=12345678; BTC-USD: absent; failed: x"
    )


def test_what_is_shown_on_the_way():
    now = Progress(10.0, 8, 40_000_000, {"fetched": 1, "there": 1}, 12_345_678, [], ["BTCUSDT-aggTrades-2024-01.zip"])
    assert command._progress(now) == (
        "[######..................] 2/8 files, 12.3 of 40 MB, 1.2 MB/s, BTCUSDT-aggTrades-2024-01.zip"
    )
    days = Absent(YESTERDAY, YESTERDAY, "after")
    end = Progress(10.0, 8, 0, {"same": 7, "checksum": 1}, 5, [("A-B", days)], failures=["x"])
    assert command._summary(end) == (
        f"backfill: 10 s, files=8 checksum=1 same=7 left=0 bytes=5; A-B: no file of {YESTERDAY} to {YESTERDAY}, after the last one"
        "; failed: x"
    )
    assert not end.is_good
