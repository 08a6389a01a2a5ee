"""The stream on a Spark standalone cluster with two workers, whose executors have nothing of ours but what is sent to them."""

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from ingest.exchanges import EXCHANGES
from ingest.simulator.landed import objects
from ingest.simulator.market import market
from ingest.simulator.wire import Frame
from setup import sparkconf
from tests.support import readings
from tests.support.cluster import Cluster, cluster
from tests.support.history import agg_csv, meant
from tests.support.inbox import OBJECT, Inbox
from tests.support.project import HOME

START = int(datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp()) * 1_000_000
MINUTES = 3
KEY = ("venue", "market", "feed", "pair")
TRADE = (*KEY, "trade_id", "first_id", "last_id", "price", "quantity", "quote_quantity", "taker_side", "ts")
TIMES = ("ts", "minute")
BAR = (*KEY, "minute", "open", "high", "low", "close", "volume", "quote_volume", "ticks")


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterable[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), workers=2) as running:
        yield running


def expected_trades(frames: Iterable[Frame]) -> list[tuple[Any, ...]]:
    """What was sent, read in plain Python."""
    rows = [
        (frame.series, row)
        for frame in frames
        for row in readings.rows(EXCHANGES[frame.series.venue, frame.series.market], frame.series.kind, "ws", frame.text)
    ]
    return sorted((*series[:4], *(getattr(row, name) for name in TRADE[4:])) for series, row in rows)


def expected_bars(trades: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The minutes of those rows."""
    minutes: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for trade in trades:
        minutes[(*trade[:4], trade[-1].replace(second=0, microsecond=0))].append(trade)
    bars = []
    for key, of_minute in minutes.items():
        prices = [trade[7] for trade in of_minute]  # in the order of ids
        sums = [sum(trade[column] for trade in of_minute) for column in (8, 9)]
        bars.append((*key, prices[0], max(prices), min(prices), prices[-1], *sums, len(prices)))
    return sorted(bars)


def table(lake: Path, name: str, columns: Iterable[str]) -> list[tuple[Any, ...]]:
    files = DeltaTable(lake / "tables" / name).file_uris()
    chosen = ", ".join(f"{column} AT TIME ZONE 'UTC'" if column in TIMES else column for column in columns)
    rows = duckdb.execute(f"FROM read_parquet(?, hive_partitioning = true) SELECT {chosen} ORDER BY ALL", [files]).fetchall()
    return [tuple(value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for value in row) for row in rows]


@pytest.mark.long
@pytest.mark.timeout(600)  # five JVMs on two cores
def test_two_workers_make_the_same_tables_out_of_the_zip_alone(workers: Cluster, lake: Path, tmp_path: Path):
    frames = list(market(7, START, START + MINUTES * 60_000_000))
    for key, data in objects(frames):
        (lake / key).parent.mkdir(parents=True, exist_ok=True)
        (lake / key).write_bytes(data)
    conf = tmp_path / "conf.yaml"
    conf.write_text(f"lake: {lake}\ningest: {{collector: simulated}}\n")
    # three JVMs share two cores for a minute: the light compiler is enough for each
    light = [
        f"--conf=spark.{side}.extraJavaOptions=-Duser.timezone=UTC -XX:TieredStopAtLevel=1" for side in ("driver", "executor")
    ]
    command = [HOME / "spark-submit.sh", "stream", "--conf", "conf.yaml", "--once", "--", "--conf=spark.ui.enabled=false", *light]
    environment = {**os.environ, "MASTER": workers.master, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]

    trades = expected_trades(frames)
    assert table(lake, "trades", TRADE) == trades
    assert table(lake, "minute_aggregates", BAR) == expected_bars(trades)
    assert DeltaTable(lake / "tables/quarantine").file_uris() == []

    jars = {path.name for path in sparkconf.JARS.iterdir()}
    assert workers.sent() == jars | {"ticklake-0.1.0.zip"}
    assert len(list(workers.work.glob("worker-*/app-*"))) == 2  # both worked


@pytest.mark.long
@pytest.mark.timeout(900)  # the wrapper packs the archive where there is none: as long again
def test_two_workers_make_history_with_the_python_that_is_sent_to_them(workers: Cluster, lake: Path, tmp_path: Path):
    inbox = Inbox(None, lake)  # type: ignore[arg-type]  # it is not asked to run
    texts = {
        month: agg_csv(
            (n, f"61000.{n % 10}", "0.5", int(datetime(2024, month, 2, tzinfo=UTC).timestamp()) * 1000 + n * 7000, n % 3 == 0)
            for n in range(100, 400)
        )
        for month in (1, 2)
    }
    keys = {month: inbox.put(f"BTCUSDT-aggTrades-2024-{month:02}", text) for month, text in texts.items()}
    conf = tmp_path / "conf.yaml"
    conf.write_text(f"lake: {lake}\ningest: {{collector: simulated}}\n")
    command = [HOME / "spark-submit.sh", "compact", "--conf", "conf.yaml", "--", "--conf=spark.ui.enabled=false"]
    environment = {**os.environ, "MASTER": workers.master, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    for month, text in texts.items():
        told = meant(text, "agg_trade", 8, datetime(2024, month, 1, tzinfo=UTC), datetime(2024, month + 1, 1, tzinfo=UTC)).rows
        names = ("trade_id", "price", "quantity", "quote_quantity", "taker_side")
        expected = [
            (*(row[name] for name in names), int(row["ts"].timestamp() * 1_000_000), keys[month], row["seq"]) for row in told
        ]
        assert inbox.rows(month) == expected
        minutes = str(lake / OBJECT.format(month)).replace("/trades/", "/minute_aggregates/")
        assert duckdb.execute("SELECT sum(ticks), count(DISTINCT minute) FROM read_parquet(?)", [minutes]).fetchall() == [
            (len(told), len({row["ts"].replace(second=0, microsecond=0) for row in told}))
        ]
