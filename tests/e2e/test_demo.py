"""`make demo`, as a stranger runs it: what it shows is what the simulator says it sent."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import copy_of_project

SERIES = re.compile(r"^([A-Z]+-[A-Z]+)  (\w+) (\w+), (\w+)$")
Key = tuple[str, ...]  # venue, market, feed, pair


def shown(printed: str) -> dict[Key, dict[str, tuple[list[Decimal], str]]]:
    """The tables that it prints: series -> minute -> open, high, low, close, volume, trades; and what it says of them."""
    found: dict[Key, dict[str, tuple[list[Decimal], str]]] = {}
    series: Key = ()
    for line in printed.splitlines():
        if begins := SERIES.match(line):
            pair, venue, market, feed = begins.groups()
            series = (venue, market, feed, pair)
            found[series] = {}
        elif re.match(r"^  \d\d:\d\d ", line):
            numbers, _, words = line.partition("%")
            clock, *values = numbers.replace(",", "").split()
            found[series][clock] = ([Decimal(value) for value in values[:6]], " ".join(words.split()))
    return found


def sent(truth: Path) -> dict[Key, dict[str, list[dict[str, Any]]]]:
    """What the simulator tells: series -> minute -> trades, in the order of their ids."""
    found: dict[Key, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for line in truth.read_text().splitlines():
        trade = json.loads(line)
        clock = f"{datetime.fromtimestamp(trade['ts'] / 1_000_000, UTC):%H:%M}"
        found[trade["venue"], trade["market"], trade["kind"], trade["pair"]][clock].append(trade)
    return found


def bar(series: Key, trades: list[dict[str, Any]]) -> list[Decimal]:
    """The minute of some trades."""
    prices = [Decimal(trade["price"]) for trade in sorted(trades, key=lambda trade: trade["trade_id"])]
    in_one = [trade["last_id"] - trade["first_id"] + 1 if series[:2] == ("binance", "spot") else 1 for trade in trades]
    volume = sum((Decimal(trade["quantity"]) for trade in trades), Decimal(0))
    return [prices[0], max(prices), min(prices), prices[-1], volume, Decimal(sum(in_one))]


@pytest.mark.timeout(600)  # half a minute of it by the clock, and Spark
def test_the_demo_shows_what_was_sent_and_the_hole_that_was_planted(tmp_path: Path):
    project = copy_of_project(tmp_path / "a project")
    done = subprocess.run([sys.executable, "-m", "setup.demo"], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tables = shown(done.stdout)
    truth = sent(project / "demo/truth.jsonl")

    hollow = ("binance", "spot", "agg_trade", "BTC-USDT")
    dense = {
        hollow,
        ("binance", "spot", "agg_trade", "ETH-USDT"),
        ("binance", "usdm", "agg_trade", "BTC-USDT"),
        ("coinbase", "spot", "trade", "BTC-USD"),
    }
    assert set(tables) == dense | {("bitso", "spot", "trade", "BTC-MXN")}
    (hole,) = {clock for clock, trades in truth[hollow].items() if any(trade["dropped"] for trade in trades)}
    for series, minutes in tables.items():
        assert len(minutes) >= 7  # half a minute at twenty times the clock, less a slow start
        words = {clock: word for clock, (_, word) in minutes.items()}
        first, *inner, last = minutes
        expected = dict.fromkeys(inner, "0 yes" if series in dense else "unknown")
        if series == hollow:
            expected[hole] = "40 no: 40 missing"
        assert {clock: words[clock] for clock in inner} == expected
        assert {words[first], words[last]} == ({"0 cut: first or last"} if series in dense else {"unknown"})
        whole = [clock for clock in inner if (series, clock) != (hollow, hole)]
        assert {clock: minutes[clock][0] for clock in whole} == {clock: bar(series, truth[series][clock]) for clock in whole}
    assert "The hole in BTC-USDT of binance spot was planted: the simulator kept 40 messages back." in done.stdout
