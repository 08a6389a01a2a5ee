"""Whoever reads in SQL is told of the months that are published, once for each time that they are others."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.settings import Catalog, Lake, settings
from jobs.compact import JOB, RULE, Run
from jobs.readers import records
from jobs.readers.glue import Glue, glue
from jobs.readers.names import HISTORY, delta_name, joined
from jobs.runtime import history
from jobs.runtime.changes import Taken
from jobs.runtime.lake import place
from jobs.tables import TRADES
from jobs.transforms.published import Month
from tests.support.aws import ENVIRONMENT, asked_of_athena, aws
from tests.support.written import Written

ON_S3 = Lake("s3://bucket/lake", region="us-east-1")
JANUARY = Month("binance", "spot", "trade", "BTC-USDT", 2024, 1)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Glue]:
    """A catalog that knows of history."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with aws() as cloud:
        found = glue(ON_S3, Catalog("follow", "s3://bucket/athena", cloud))
        found.open()
        for dataset in HISTORY:
            found.put(records.history(dataset, ON_S3.path))
        yield found


def test_views_are_made_anew_when_what_is_published_is_another_version_than_was_told(
    spark: SparkSession, lake: Path, there: Glue
):
    """The lake is a folder here, which the catalog takes for one on S3."""
    cloud = there.client.meta.endpoint_url
    where, conf = place(Lake(str(lake))), settings({"lake": str(lake), "ingest": {"collector": "test"}})
    conf = replace(conf, lake=ON_S3, jobs=replace(conf.jobs, catalog=Catalog("follow", "s3://bucket/athena", cloud)))
    Written(spark, lake, TRADES)
    taken = Taken(where.store, JOB)

    def told(version: int, *months: Month) -> tuple[int, int]:
        """How often the views were asked for in all, and how many partitions there are."""
        register: Any = SimpleNamespace(version=version, months=lambda: {TRADES.name: months}, check=lambda: None)
        Run(spark, where, conf, register, datetime(2026, 6, 1, tzinfo=UTC))._follow(taken)
        return len(asked_of_athena(cloud, "follow")) // len(joined()), len(there.partitions(TRADES.name))

    assert [told(3, JANUARY), told(3, JANUARY)] == [(1, 1), (2, 1)]  # nothing was kept: a run that was cut short tells again
    taken.save(RULE, {}, {"told": 3})
    assert told(3) == (2, 1)
    assert told(4) == (3, 0)
    taken.save(RULE, {})
    assert told(4, JANUARY) == (4, 1)
    views = asked_of_athena(cloud, "follow")[-len(joined()) :]
    assert [delta_name(table) in view for table, view in zip(history.TABLES.values(), views, strict=True)] == [True, False, False]
