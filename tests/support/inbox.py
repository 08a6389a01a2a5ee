"""A lake with files in its inbox, and the job that makes history of them."""

import argparse
import hashlib
import os
from pathlib import Path
from typing import Any

import duckdb
from pyspark.sql import SparkSession

from ingest.settings import Settings, settings
from jobs import compact
from jobs.runtime.lake import place
from tests.support.dumps import zipped

BELOW = "inbox/binance/spot"
OBJECT = "history/trades/pair=BTC-USDT/year=2024/month={}/binance-spot-agg_trade.parquet"
CAME = 1_706_000_000
NOTHING = {"published": 0, "rows": 0, "rejected": 0, "minutes": 0, "withdrawn": 0, "refused": 0, "refusals": []}  # has been done
Rows = list[dict[str, Any]]


class Inbox:
    """A lake with files in its inbox."""

    def __init__(self, spark: SparkSession, lake: Path) -> None:
        self.spark = spark
        self.lake = lake
        self.settings: Settings = settings({"lake": str(lake), "ingest": {"collector": "test"}})

    def put(self, name: str, text: str, *, told: str | None = None) -> str:
        """A file with its checksum; the key."""
        symbol, what, when = name.split("-", 2)
        period = "monthly" if len(when) == len("2024-01") else "daily"
        key = f"{BELOW}/{period}/{what if what == 'aggTrades' else 'klines'}/{symbol}/{name}.zip"
        path = self.lake / key
        path.parent.mkdir(parents=True, exist_ok=True)
        data = zipped(f"{name}.csv", text)
        path.write_bytes(data)
        os.utime(path, (CAME, CAME))
        Path(f"{path}.CHECKSUM").write_text(f"{told or hashlib.sha256(data).hexdigest()}  {path.name}\n")
        return key

    def sha256(self, key: str) -> str:
        return hashlib.sha256((self.lake / key).read_bytes()).hexdigest()

    def run(self) -> dict[str, Any]:
        return dict(compact.run(self.settings, place(self.settings.lake), argparse.Namespace()))

    def table(self, name: str, *order: str) -> Rows:
        return [
            row.asDict(recursive=True)
            for row in self.spark.read.format("delta").load(f"{self.lake}/tables/{name}").orderBy(*order).collect()
        ]

    def told(self, months: int, **done: Any) -> dict[str, Any]:  # noqa: ANN401 - what a summary holds
        """What a run says that has done this and nothing else."""
        return {"months": months, **NOTHING, **done}

    def version(self, name: str) -> int:
        return len(list((self.lake / f"tables/{name}/_delta_log").glob("*.json")))

    def rows(self, month: int) -> list[tuple[Any, ...]]:
        with duckdb.connect() as connection:
            told = connection.read_parquet(str(self.lake / OBJECT.format(month)))
            return told.select("trade_id, price, quantity, quote_quantity, taker_side, epoch_us(ts), object, seq").fetchall()
