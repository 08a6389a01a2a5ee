"""Ticks of another collector through the whole lake: files, landing zone, stream, tables. And the same on S3."""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession

from ingest import landing
from ingest.settings import Lake
from ingest.simulator.wire import Trade
from jobs import adopt, compact, stream
from tests.support.adoption import SAMPLES
from tests.support.dumps import traded, zipped
from tests.support.seaweedfs import REGION, known_to, seaweedfs
from tests.support.stories import interpret
from tests.support.tables import rows_of

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("signals"), pytest.mark.timeout(1800)]
START = datetime(2021, 5, 8, 10, tzinfo=UTC)
SPOT, USDM = ("binance", "spot", "trade", "BTC-USDT"), ("binance", "usdm", "agg_trade", "ETH-USDT")


def quoted(trades: Iterable[Trade]) -> str:
    rows = ((t, t.event_ts // 1000, t.ts // 1000, "true" if t.taker_side == "sell" else "false") for t in trades)
    return "".join(f'"trade",{E},"BTCUSDT",{t.trade_id},"{t.price}","{t.quantity}",7,8,{T},{m}\n' for t, E, T, m in rows)


def unquoted(trades: Iterable[Trade], event: str, symbol: str) -> str:
    rows = ((t, t.event_ts // 1000, t.first_id or 7, t.last_id or 8, t.ts // 1000, t.taker_side == "sell") for t in trades)
    return "".join(
        f"{event},{E},{symbol},{t.trade_id},{t.price},{t.quantity},{f},{last},{T},{m}\n" for t, E, f, last, T, m in rows
    )


def milliseconds(trade: Trade) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=trade.ts // 1000)


def told(trades: Sequence[Trade]) -> list[tuple[Any, ...]]:
    return [(t.trade_id, Decimal(t.price), Decimal(t.quantity), t.taker_side, milliseconds(t)) for t in trades]


def minutes(trades: Sequence[Trade]) -> list[Mapping[str, Any]]:
    """Each minute of its trades, in plain Decimal."""
    found = []
    for minute, group in groupby(trades, key=lambda t: milliseconds(t).replace(second=0, microsecond=0)):
        here = sorted(group, key=lambda t: t.trade_id)
        prices = [Decimal(t.price) for t in here]
        with localcontext(prec=60):
            sums = {
                side: [
                    sum(Decimal(t.quantity) for t in here if t.taker_side == side),
                    sum(Decimal(t.price) * Decimal(t.quantity) for t in here if t.taker_side == side),
                ]
                for side in ("buy", "sell")
            }
        row = {
            "minute": minute,
            "open": prices[0],
            "high": max(prices),
            "low": min(prices),
            "close": prices[-1],
            "ticks": len(here),
        }
        row |= {f"{side}_volume": sums[side][0] for side in sums} | {f"{side}_quote_volume": sums[side][1] for side in sums}
        found.append(row | {"first_id": here[0].trade_id, "last_id": here[-1].trade_id, "missing_trades": 0})
    return found


def conf(folder: Path, lake: Lake) -> str:
    folder.mkdir(exist_ok=True)
    told = {"path": lake.path, "endpoint": lake.endpoint, "region": lake.region, "path_style": lake.path_style}
    file = folder / "conf.yaml"
    file.write_text(
        yaml.safe_dump({"lake": {key: value for key, value in told.items() if value}, "ingest": {"collector": "old"}})
    )
    return str(file)


def test_ticks_of_both_layouts_end_in_the_very_trades_and_minutes(spark: SparkSession, tmp_path: Path):
    """Rotated files, one in a zip and one in a gzip, that overlap by a hundred rows; futures beside them."""
    interpret(spark)
    spot, usdm = traded(SPOT, START, 12), traded(USDM, START, 12)
    half = len(spot) // 2
    old = tmp_path / "old"
    old.mkdir()
    (old / "BTCUSDT_1.csv.zip").write_bytes(zipped("BTCUSDT_1.csv", quoted(spot[: half + 50])))
    (old / "BTCUSDT_2.csv.gz").write_bytes(gzip.compress(unquoted(spot[half - 50 :], "trade", "BTCUSDT").encode()))
    (old / "ETHUSDT.csv").write_text(unquoted(usdm, "aggTrade", "ETHUSDT"))
    file, root = conf(tmp_path / "conf", Lake(str(tmp_path / "lake"))), tmp_path / "lake"
    assert adopt.main(["--conf", file, "--into", "landing", str(old / "BTCUSDT_1.csv.zip"), str(old / "BTCUSDT_2.csv.gz")]) == 0
    assert adopt.main(["--conf", file, "--into", "landing", "--market", "usdm", str(old / "ETHUSDT.csv")]) == 0
    assert stream.main(["--conf", file, "--once"]) == 0

    names = ("trade_id", "price", "quantity", "taker_side", "ts")
    for (_, market, feed, pair), trades in ((SPOT, spot), (USDM, usdm)):
        mine = f"market = '{market}' AND feed = '{feed}' AND pair = '{pair}'"
        rows = spark.read.format("delta").load(f"{root}/tables/trades").where(mine).select(*names).orderBy("trade_id")
        assert len(trades) > 500
        assert [tuple(row.values()) for row in rows_of(rows)] == told(trades)
        expected = minutes(trades)
        found = spark.read.format("delta").load(f"{root}/tables/minute_aggregates").where(mine)
        assert rows_of(found.select(*expected[0]).orderBy("minute")) == expected
    assert rows_of(spark.read.format("delta").load(f"{root}/tables/quarantine")) == []

    # again, by another name: nothing is new for the stream
    (old / "BTCUSDT_1.csv.zip").rename(old / "again.csv.zip")
    before = sorted(path for path in (root / "landing").rglob("*.gz"))
    assert adopt.main(["--conf", file, "--into", "landing", str(old / "again.csv.zip")]) == 0
    assert sorted(path for path in (root / "landing").rglob("*.gz")) == before


def test_ticks_of_a_month_that_is_not_live_end_in_the_very_history(spark: SparkSession, tmp_path: Path):
    """By way of the inbox, and of compact."""
    interpret(spark)
    spot, old = traded(SPOT, START, 12), tmp_path / "old"
    old.mkdir()
    (old / "BTCUSDT_1.csv.zip").write_bytes(zipped("BTCUSDT_1.csv", quoted(spot[:300])))
    (old / "BTCUSDT_2.csv").write_text(unquoted(spot[250:], "trade", "BTCUSDT"))
    file = conf(tmp_path / "conf", Lake(str(tmp_path / "lake")))
    assert adopt.main(["--conf", file, str(old)]) == 0
    assert not list((tmp_path / "lake/landing").rglob("*.gz"))
    assert compact.main(["--conf", file]) == 0
    names = ("trade_id", "price", "quantity", "taker_side", "ts", "source")
    rows = spark.read.parquet(f"{tmp_path}/lake/history/trades").select(*names).orderBy("trade_id")
    assert [tuple(row.values()) for row in rows_of(rows)] == [(*row, "adopted") for row in told(spot)]
    expected = minutes(spot)
    found = spark.read.parquet(f"{tmp_path}/lake/history/minute_aggregates")
    assert rows_of(found.select(*expected[0]).orderBy("minute")) == expected


def test_on_s3_the_same_objects_come_of_it(spark: SparkSession, tmp_path: Path):
    interpret(spark)
    (tmp_path / "weed").mkdir()
    with seaweedfs(tmp_path / "weed") as found, known_to(spark, found, found.endpoint):
        found.client().create_bucket(Bucket="lake")
        on_s3 = Lake("s3://lake/ticks", endpoint=found.endpoint, region=REGION, path_style=True)
        there = {}
        for number, lake in enumerate((Lake(str(tmp_path / "lake")), on_s3)):
            file = conf(tmp_path / str(number), lake)
            ticks, candles = str(SAMPLES / "trades_quoted.csv"), str(SAMPLES / "BTCUSDT_1h.csv")
            for arguments in (
                [candles, ticks, str(SAMPLES / "spreads.csv")],
                ["--into", "landing", "--market", "usdm", str(SAMPLES / "aggregates.csv")],
            ):
                assert adopt.main(["--conf", file, *arguments]) == 0
            assert adopt.main(["--conf", file, candles]) == 0
            store = landing.store(lake)
            keys = sorted(key for key in store.keys("") if not key.startswith(("control/", "tables/")))
            there[number] = {key: content[0] for key in keys if (content := store.get(key)) is not None}
            tables = {}
            for name in ("loads", "published", "rejects"):
                root = lake.path if number else str(tmp_path / "lake")
                rows = rows_of(spark.read.format("delta").load(f"{root}/tables/{name}"))
                tables[name] = sorted(
                    repr({key: value for key, value in row.items() if not key.endswith("ed_at")}) for row in rows
                )
            there[number] |= tables
        assert there[0] == there[1]
        places = {key.partition("/")[0] for key in there[0]}
        assert places == {"adopted", "history", "inbox", "landing", "loads", "published", "rejects"}
