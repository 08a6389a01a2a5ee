"""`make demo-gaps`, as a stranger runs it: what was lost on purpose is missed, found, fetched back, and nothing else."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.project import copy_of_project

Key = tuple[str, str]  # venue and market, pair
CANDLES = (("binance spot", "BTC-USDT"), ("binance spot", "ETH-USDT"), ("binance usdm", "BTC-USDT"))
ROW = re.compile(r"^   (\w+ \w+)  +([A-Z]+-[A-Z]+) +(\d+) +(\d+)  [\d:]{8}  +[\d:]{8}  +\w+ +(\d+)  (\w+) +(\d+)$")
SUM = re.compile(r"^   (\d+) of (\d+) minutes are complete, (\d+) trades are missing\.")
VERDICT = re.compile(r"^   (\w+ \w+)  +([A-Z]+-[A-Z]+) +(\d+)  (\w+)$")
CUT = re.compile(r" 0  first or last: cut$")


def lost(truth: Path, ledger: dict[Key, tuple[int, ...]]) -> dict[Key, list[int]]:
    """The ids that nobody was sent, between the first and the last one that somebody was; of the feeds in the ledger."""
    found: dict[Key, dict[int, bool]] = defaultdict(dict)
    for line in truth.read_text().splitlines():
        trade = json.loads(line)
        if trade["kind"] in ("agg_trade", "trade"):
            found[f"{trade['venue']} {trade['market']}", trade["pair"]][trade["trade_id"]] = trade["sent"]
    ends = {key: [id_ for id_, is_sent in ids.items() if is_sent] for key, ids in found.items()}
    return {
        key: sorted(id_ for id_, is_sent in ids.items() if not is_sent and min(ends[key]) < id_ < max(ends[key]))
        for key, ids in found.items()
        if key in ledger
    }


@pytest.mark.timeout(900)  # half a minute of it by the clock, and four times Spark
def test_each_hole_is_found_filled_and_told_how(tmp_path: Path):
    project = copy_of_project(tmp_path / "project")
    done = subprocess.run([sys.executable, "-m", "setup.demo_gaps"], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    before, after = [[int(number) for number in found.groups()] for line in lines if (found := SUM.match(line))]
    rows = [found.groups() for line in lines if (found := ROW.match(line))]
    opened, closed = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    ledger = {row[:2]: tuple(map(int, row[2:5])) for row in opened}
    assert len(opened) == len(ledger) == 4
    missing = lost(project / "demo-gaps/truth.jsonl", ledger)
    assert ledger == {key: (ids[0], ids[-1], len(ids)) for key, ids in missing.items()}
    assert {row[5] for row in opened} == {"open"}
    assert [(*row[:4], "0", "repaired_rest", row[4]) for row in opened] == closed
    assert before[2] == sum(map(len, missing.values()))
    assert before[0] < before[1]
    cut = [line for line in lines if CUT.search(line)]
    assert after[2] == 0
    assert after[1] - after[0] == len(cut) // 2 == 2 * len(ledger)  # only where what was collected begins and ends
    verdicts = {(*found.groups()[:2], found[4]): int(found[3]) for line in lines if (found := VERDICT.match(line))}
    equal = {key: verdicts.pop((*key, "equal_uncounted" if "usdm" in key[0] else "equal")) for key in CANDLES}
    assert min(equal.values()) >= 7  # half a minute at twenty times the clock, less a slow start
    assert set(verdicts) <= {
        (*key, name) for key in CANDLES for name in ("missing_trades", "no_candle", "open", "straddle", "unclear")
    }
    assert sum(verdicts.values()) <= 3 * len(CANDLES)  # what is cut
