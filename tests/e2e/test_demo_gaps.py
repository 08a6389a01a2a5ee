"""The story of `make demo-gaps`: what was lost on purpose is missed, found, fetched back, and nothing else."""

import importlib
import json
import logging
import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from setup.demo_gaps import demo
from setup.stage import Stage
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


class InThisProcess(Stage):
    """Its Spark jobs run in the session of the tests: a JVM for each would take a minute more. Their command is tried elsewhere."""

    def submit(self, title: str, name: str, job: str, conf: str, *options: str, good: Collection[int] = (0,)) -> None:
        run = importlib.import_module(f"jobs.{job}").main
        assert run(["--conf", str(self.folder / conf), "--run", name, *options]) in good, title


@pytest.mark.long
@pytest.mark.timeout(600)  # half a minute of it by the clock, and five jobs
def test_each_hole_is_found_filled_and_told_how(
    spark: SparkSession,  # noqa: ARG001 - the jobs find it
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    project = copy_of_project(tmp_path / "project")
    monkeypatch.chdir(project)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)  # the handler that a job installs would stay
    (project / "demo-gaps").mkdir()
    demo(InThisProcess(project / "demo-gaps"))
    lines = capsys.readouterr().out.splitlines()
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
