"""Jobs of the stream's family over a lake of a test, as the command line runs them, in this process."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingest.settings import Settings, settings
from jobs import stream, upkeep
from jobs.runtime import lake as lakes
from jobs.tables import LIVE
from tests.support.oracle import Oracle
from tests.support.tables import PLACE, assert_minutes, assert_rows, rows_of


def configured(lake: Path) -> Settings:
    return settings({"lake": str(lake), "ingest": {"collector": "test"}})


def once(lake: Path) -> Mapping[str, Any]:
    """The stream, until it has taken all that is there."""
    told = configured(lake)
    return stream.run(told, lakes.place(told.lake), argparse.Namespace(once=True))


def kept_up(lake: Path) -> Mapping[str, Any]:
    """The upkeep, to its end."""
    told = configured(lake)
    return upkeep.run(told, lakes.place(told.lake), argparse.Namespace())


def assert_lake(spark: SparkSession, lake: Path | str, oracle: Oracle) -> None:
    """All tables, whole rows; of damaged objects only what could be believed is in the oracle."""
    read = {
        name: spark.read.format("delta").load(f"{lake}/tables/{name}") for name in ("trades", "quarantine", "minute_aggregates")
    }
    assert_rows(rows_of(read["trades"]), oracle.trades, LIVE["trades"].key)
    quarantined = read["quarantine"].where("reason != 'object_corrupt'").drop("detail")
    assert_rows(rows_of(quarantined), oracle.quarantine, PLACE)
    assert_minutes(read["minute_aggregates"], oracle.minutes(), at=None)
