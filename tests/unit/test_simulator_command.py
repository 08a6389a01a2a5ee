"""`simulate` as a process: the line that says it is ready, Ctrl+C, the truth it leaves, and what it refuses."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.simulation import client, heard, subscribe

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "ingest", "simulate", "--port", "0")


@contextmanager
def simulate(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    with subprocess.Popen([*COMMAND, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            ready = dict(part.split("=", 1) for part in process.stdout.readline().split()[1:])
            assert ready["address"] == f"ws://127.0.0.1:{ready['port']}"
            yield process, ready["address"]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_simulator_says_goodbye_and_leaves_the_truth(tmp_path: Path, number: signal.Signals):
    truth = tmp_path / "truth.jsonl"
    with simulate("--speed", "50", "--truth", str(truth)) as (process, address):
        with client(address + "/binance/spot/stream", subscribe(["btcusdt@trade"])) as connection:
            found = heard(connection, 50)[1:]
            process.send_signal(number)
            found += heard(connection)
            assert connection.close_code == 1001
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    told = [row["trade_id"] for row in rows if row["sent"]]
    assert told == [json.loads(text)["data"]["t"] for text in found]
    sent = sum(row["sent"] for row in rows)
    frames = int(out.split("frames=")[1].split()[0])
    assert out == f"done frames={frames} trades={len(rows)} sent={sent} dropped_frames=0\n"


def test_the_same_seed_and_start_leave_the_same_truth(tmp_path: Path):
    options = (
        "--start",
        "2024-11-07T17:20:00Z",
        "--span",
        "1m",
        "--speed",
        "max",
        "--drop",
        "binance",
        "spot",
        "BTC-USDT",
        "20",
        "5",
    )
    truths = []
    for name in ("one", "two"):
        with simulate(*options, "--truth", str(tmp_path / name)) as (process, _):
            assert process.wait(20) == 0
        truths.append((tmp_path / name).read_text())
    assert truths[0] == truths[1]
    rows = [json.loads(line) for line in truths[0].splitlines()]
    assert sum(row["dropped"] for row in rows) == 10
    assert {row["sent"] for row in rows} == {False}


def test_the_short_form_of_a_fault_is_that_fault(tmp_path: Path):
    script = tmp_path / "faults.yaml"
    script.write_text("- {fault: drop, venue: binance, market: spot, pair: BTC-USDT, at: 20s, count: 5}")
    market = ("--start", "2024-11-07T17:20:00Z", "--span", "1m", "--speed", "max")
    truths = []
    for options in (("--drop", "binance", "spot", "BTC-USDT", "20", "5"), ("--faults", str(script))):
        with simulate(*market, *options, "--truth", str(tmp_path / "truth")) as (process, _):
            assert process.wait(20) == 0
        truths.append((tmp_path / "truth").read_text())
    assert truths[0] == truths[1]
    assert sum(json.loads(line)["dropped"] for line in truths[0].splitlines()) == 10


def test_the_market_ends_now_when_its_length_is_known(tmp_path: Path):
    truth = tmp_path / "truth.jsonl"
    with simulate("--speed", "60", "--for", "1s", "--truth", str(truth)) as (process, _):
        assert process.wait(20) == 0
        ended = time.time()
    times = [json.loads(line)["ts"] // 1_000_000 for line in truth.read_text().splitlines()]
    assert 50 < max(times) - min(times) <= 61
    assert ended - 20 < max(times) <= ended


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--speed", "fast"], "'fast': a number above 0 such as 20, or max"),
        (["--port", "65536"], "'65536': a port from 0 to 65535"),
        (["--speed", "0"], "'0': a number above 0 such as 20, or max"),
        (["--for", "30"], "'30': a duration such as 30s, 20m or 2h"),
        (["--start", "2024-11-07T17:20:00"], "a time with its zone"),
        (["--for", "30s", "--speed", "max"], "--speed max: how much? --span says it in market time"),
        (["--for", "30s", "--span", "30s"], "not allowed with"),
        (
            ["--drop", "binance", "spot", "FOO-USDT", "1", "1"],
            "drop binance spot FOO-USDT: not here; one of binance spot BTC-USDT",
        ),
        (["--drop", "binance", "spot", "BTC-USDT", "soon", "1"], "--drop AT is 'soon'"),
        (["--faults", "no.yaml"], "No such file or directory: 'no.yaml'"),
        (["--faults", "setup.cfg"], "setup.cfg: not YAML in UTF-8"),
        (["--limits", "0"], "'0': a number above 0 such as 0.5, or off"),
        (["--recording", "no.jsonl"], "--recording: whose is it?"),
        (["--recording", "no.jsonl", "--venue", "binance", "--market", "spot"], "No such file or directory: 'no.jsonl'"),
        (
            ["--recording", "no.jsonl", "--venue", "binance", "--market", "coinm"],
            "binance coinm: refused, its quantities are contracts",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused(options: list[str], why: str):
    done = subprocess.run([*COMMAND, *options], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"simulate: port {port}: ")
    assert "address already in use; --port 0 takes a free one" in done.stderr.lower()


def test_help_has_an_example():
    done = subprocess.run([*COMMAND, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    assert "python -m ingest simulate --speed 20 --for 30s" in done.stdout
