"""`make demo-gaps`: trades are lost on purpose, missed, found by the tables, fetched back, and the ledger says how."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from setup import bars
from setup.stage import Stage, configuration, play, without_rest

SECONDS = 30
SPEED = 20
FAULTS: Sequence[dict[str, Any]] = (
    {"fault": "drop", "venue": "binance", "market": "spot", "pair": "BTC-USDT", "kind": "agg_trade", "at": "190s", "count": 40},
    {"fault": "drop", "venue": "binance", "market": "usdm", "pair": "BTC-USDT", "at": "300s", "count": 7},
    {"fault": "mute", "stream": "ethusdt@aggTrade", "venue": "binance", "market": "spot", "at": "250s", "for": "150s"},
    {"fault": "drop", "venue": "coinbase", "pair": "BTC-USD", "at": "210s", "count": 12},
)
CANDLES = (
    {"venue": "binance", "market": "spot", "kind": "kline", "width": "1m", "pairs": ["BTC-USDT", "ETH-USDT"]},
    {"venue": "binance", "market": "usdm", "kind": "kline", "width": "1m", "pairs": ["BTC-USDT"]},
)
LOST, FOUND = "collect.yaml", "repair.yaml"
BAD = """
SELECT venue || ' ' || market AS market, pair, strftime(minute AT TIME ZONE 'UTC', '%H:%M') AS minute, trades,
       missing_trades AS missing,
       CASE WHEN missing_trades > 0 THEN 'trades are missing'
            WHEN minute IN (first, last) THEN 'first or last: cut'
            ELSE 'next to a hole' END AS why
FROM (SELECT *, min(minute) OVER feed AS first, max(minute) OVER feed AS last
      FROM read_parquet(?, hive_partitioning = true, hive_types = {'year': INT, 'month': INT})
      WINDOW feed AS (PARTITION BY venue, market, feed, pair))
WHERE NOT is_complete ORDER BY 1, 2, 3
"""
COUNT = """
SELECT count(*) FILTER (WHERE is_complete), count(*) FILTER (WHERE is_complete IS NOT NULL), coalesce(sum(missing_trades), 0)
FROM read_parquet(?, hive_partitioning = true)
"""
LEDGER = """
SELECT venue || ' ' || market AS market, pair, before_id + 1 AS first_id, after_id - 1 AS last_id,
       strftime(before_ts AT TIME ZONE 'UTC', '%H:%M:%S') AS lost_from, strftime(after_ts AT TIME ZONE 'UTC', '%H:%M:%S') AS until,
       detected_by, missing, state, repaired_rows AS repaired
FROM read_parquet(?, hive_partitioning = true, hive_types = {'year': INT, 'month': INT}) ORDER BY 1, 2, 3
"""


VERDICTS = """
SELECT venue || ' ' || market AS market, pair, count(*) AS minutes, verdict
FROM read_parquet(?, hive_partitioning = true, hive_types = {'year': INT, 'month': INT}) GROUP BY 1, 2, 4 ORDER BY 1, 2, 4
"""


def demo(stage: Stage) -> None:
    """A story in seven chapters."""
    local = (stage.home / "conf" / "local.yaml").read_text(encoding="utf-8")
    faults = stage.folder / "faults.yaml"
    faults.write_text(yaml.safe_dump(list(FAULTS), sort_keys=False), encoding="utf-8")
    with stage.market(SPEED, SECONDS + 300, "--faults", str(faults)) as port:  # it is asked again later
        conf = configuration(local, stage.name, port)
        (stage.folder / FOUND).write_text(conf, encoding="utf-8")
        (stage.folder / LOST).write_text(_with_candles(without_rest(conf)), encoding="utf-8")
        tell(
            "1. The market is collected. Some frames are kept back, one stream is silent for two and a half minutes; the collector is"
        )
        tell("   given no REST, so what it misses stays missing.")
        stage.collect(LOST, SECONDS, SPEED)
        tell("2. What landed becomes tables. Minutes say what they miss:")
        stage.submit("stream", "stream", "stream", LOST, "--once")
        show_minutes(stage.folder)
        tell("3. The ledger: each hole is a row, and control/open-gaps.json lists them.")
        stage.submit("gaps", "gaps", "gaps", LOST, good=(0, 3))
        show_ledger(stage.folder)
        tell("4. `python -m ingest repair` fetches them, over REST here. They land as any other trade:")
        repair = [sys.executable, "-m", "ingest", "repair", "--conf", str(stage.folder / FOUND), "--once"]
        stage.step("repair", "repair", repair)
        print("   " + stage.said("repair").splitlines()[-1])
        tell("5. The stream takes them in, and corrects the minutes:")
        stage.submit("stream", "stream-again", "stream", LOST, "--once")
        show_minutes(stage.folder)
        tell("6. The ledger says how each hole was closed:")
        stage.submit("gaps", "gaps-again", "gaps", LOST)
        show_ledger(stage.folder)
        tell("7. And the exchange's own candles of a minute say the same, to the last digit:")
        stage.submit("reconcile", "reconcile", "reconcile", LOST)
        show_verdicts(stage.folder)


def tell(text: str) -> None:
    """A line of the story; what a step says of itself goes to standard error."""
    print(f"\n{text}" if text[0] != " " else text, flush=True)


def show_minutes(folder: Path) -> None:
    """How many are whole, and those that are not."""
    minutes = folder / "lake/tables/minute_aggregates"
    ((whole, told, missing),) = bars.rows(COUNT, minutes)
    print(f"   {whole} of {told} minutes are complete, {missing} trades are missing. The others:")
    print(table(("market", "pair", "minute", "trades", "missing", "why"), bars.rows(BAD, minutes)), flush=True)


def show_ledger(folder: Path) -> None:
    """All of it."""
    names = ("market", "pair", "first id", "last id", "lost from", "until", "found by", "missing", "state", "repaired")
    print(table(names, bars.rows(LEDGER, folder / "lake/tables/gaps")), flush=True)


def show_verdicts(folder: Path) -> None:
    """How many minutes are what the exchange says."""
    names = ("market", "pair", "minutes", "verdict")
    print(table(names, bars.rows(VERDICTS, folder / "lake/tables/reconciliation")), flush=True)


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """As a person reads it."""
    lines = [names, *(["" if value is None else str(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    numbers = {column for column in range(len(names)) if all(line[column].isdecimal() or not line[column] for line in lines[1:])}
    cells = [
        [text.rjust(widths[column]) if column in numbers else text.ljust(widths[column]) for column, text in enumerate(line)]
        for line in lines
    ]
    return "\n".join(("   " + "  ".join(line)).rstrip() for line in cells)


def _with_candles(conf: str) -> str:
    tree = yaml.safe_load(conf)
    tree["ingest"]["feeds"] += CANDLES
    return yaml.safe_dump(tree, sort_keys=False)


if __name__ == "__main__":
    sys.exit(play("demo-gaps", demo))
