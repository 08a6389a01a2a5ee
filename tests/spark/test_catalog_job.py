"""The job: what the lake has is what Glue and Athena are told, and whoever asks is shown the same."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from pyspark.sql import SparkSession

from ingest.landing import Files
from ingest.settings import settings
from jobs import catalog
from jobs.readers.athena import Athena
from jobs.readers.views import union
from jobs.runtime.lake import Place
from jobs.tables.instruments import INSTRUMENTS
from jobs.tables.published import PUBLISHED
from jobs.tables.trades import TRADES
from jobs.transforms.published import Month
from tests.support.aws import ENVIRONMENT, asked_of_athena, aws
from tests.support.project import HOME
from tests.support.warehouse import row_of
from tests.support.written import Written

MAY = Month("binance", "spot", "agg_trade", "BTC-USDT", 2026, 5)
JUNE, JULY = MAY._replace(month=6), MAY._replace(month=7)
MONTHS = "s3://bucket/lake/history/trades/pair=BTC-USDT/year=2026/month="
VIEWS_MADE = 10  # of all that are shipped those that read trades, minutes, candles or instruments
VIEWS = HOME / "conf/views"


class Lake:
    """A lake of three tables in a folder, which the configuration says is in S3; an empty Glue and Athena."""

    def __init__(self, spark: SparkSession, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.published = Written(spark, folder, PUBLISHED)
        self.published.append([row_of("trades", MAY), row_of("trades", JUNE)])
        for table in (TRADES, INSTRUMENTS):
            Written(spark, folder, table)
        self.glue = boto3.client("glue", region_name="us-east-1", endpoint_url=address)

    def run(self, **chosen: Any) -> Mapping[str, Any]:  # noqa: ANN401 - options
        lake = {"path": "s3://bucket/lake", "region": "us-east-1"}
        jobs = {"catalog": {"database": "ticks", "athena_output": "s3://bucket/athena", "endpoint": self.address}}
        told = settings({"lake": lake, "ingest": {"collector": "test"}, "jobs": jobs})
        options = argparse.Namespace(**{"dry_run": False, "ddl": None, "views": VIEWS} | chosen)
        return catalog.run(told, Place(str(self.folder), Files(self.folder)), options)

    def places(self) -> list[str]:
        found = self.glue.get_partitions(DatabaseName="ticks", TableName="trades_history")["Partitions"]
        return sorted(one["StorageDescriptor"]["Location"] for one in found)

    def statements(self) -> list[str]:
        """What Athena was asked, in its order."""
        return asked_of_athena(self.address, "ticks")

    def databases(self) -> set[str]:
        return {one["Name"] for one in self.glue.get_databases()["DatabaseList"]}


@pytest.fixture
def there(spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with aws() as address:
        yield Lake(spark, lake, address)


def test_glue_and_athena_are_told_what_there_is(there: Lake):
    shown = json.loads(there.run(dry_run=True)["printed"])
    assert "ticks" not in there.databases()
    first = dict(there.run())
    left = first.pop("views_left_out")
    assert first == {"tables": 8, "changed": 8, "partitions_added": 2, "partitions_dropped": 0, "views": VIEWS_MADE}
    assert "spreads" in left
    assert {one["Name"] for one in there.glue.get_tables(DatabaseName="ticks")["TableList"]} == {
        *("trades_live", "instruments", "published", "trades_history", "minute_aggregates_history", "klines_history"),
        *("imported_minutes", "imported_spreads"),
    }
    months = [f"{MONTHS}{month}/" for month in (5, 6)]
    assert there.places() == months
    statements = there.statements()[-VIEWS_MADE:]  # one moto serves all tests of a process
    assert statements[0] == f'CREATE OR REPLACE VIEW "ticks"."trades" AS\n{union("trades", [MAY, JUNE]).sql}'
    assert [one["statement"] for one in shown["views"]] == statements
    assert [one["name"] for one in shown["views"][:3]] == ["trades", "minute_aggregates", "klines"]
    assert [one["StorageDescriptor"]["Location"] for one in shown["partitions"]] == months
    assert {one["Name"] for one in shown["tables"]} == {
        one["Name"] for one in there.glue.get_tables(DatabaseName="ticks")["TableList"]
    }


def test_a_partition_is_there_before_a_view_reads_it_and_until_none_does(there: Lake, monkeypatch: pytest.MonkeyPatch):
    there.run()
    there.published.delete("month = 5", [("trades", *MAY)])
    there.published.append([row_of("trades", JULY)])
    seen: list[list[str]] = []

    class Watched(Athena):
        def run(self, name: str, statement: str) -> None:
            seen.append(there.places())
            super().run(name, statement)

    monkeypatch.setattr(catalog, "Athena", Watched)
    before = len(there.statements())
    told = there.run()
    assert [told[name] for name in ("changed", "partitions_added", "partitions_dropped")] == [0, 1, 1]
    assert seen == [[f"{MONTHS}{month}/" for month in (5, 6, 7)]] * VIEWS_MADE
    assert there.places() == [f"{MONTHS}{month}/" for month in (6, 7)]
    assert there.statements()[before] == f'CREATE OR REPLACE VIEW "ticks"."trades" AS\n{union("trades", [JUNE, JULY]).sql}'


def test_statements_are_all_that_is_printed_and_nothing_is_changed(
    there: Lake, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    conf = tmp_path / "conf.yaml"
    conf.write_text(yaml.safe_dump({"lake": str(there.folder), "ingest": {"collector": "test"}}))
    options = ["--conf", str(conf), "--run", "one", "--views", str(VIEWS)]
    assert catalog.main([*options, "--ddl", "athena"]) == 0
    told = capsys.readouterr()
    place = there.folder.as_uri()
    assert told.out.startswith("CREATE DATABASE IF NOT EXISTS `ticklake`;\n")
    assert told.out.endswith(";\n")
    assert f"LOCATION '{place}/history/trades/pair=BTC-USDT/year=2026/month=5/'" in told.out
    assert told.err.splitlines()[-1] == f"catalog: 8 tables, {VIEWS_MADE} views"
    record = json.loads((there.folder / "control/runs/catalog/one.json").read_text())
    assert (record["code"], "printed" in record) == (0, False)
    assert catalog.main(options) == 2
    assert "Glue's tables lie in S3; s3://bucket/prefix would be right" in capsys.readouterr().err
    assert catalog.main([*options[:-1], str(tmp_path / "none"), "--dry-run"]) == 2
    assert "ticklake" not in there.databases()
