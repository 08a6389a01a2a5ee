"""Jobs over a lake whose old objects lie in Glacier: they name what is to be restored and do nothing; then they do their work."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from ingest import landing
from ingest.landing import Bucket
from ingest.settings import Lake
from jobs import compact, rebuild, stream
from jobs.runtime import archive
from setup import lifecycle
from tests.support.aws import aws
from tests.support.dumps import sidecar, zipped
from tests.support.history import agg_csv
from tests.support.lines import Collector, landed
from tests.support.seaweedfs import REGION, S3, known_to
from tests.support.tables import rows_of

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("signals"), pytest.mark.timeout(1800)]
FILE = "inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-{:02}.zip"
DAY = 86_400_000


@pytest.fixture
def store(spark: SparkSession, tmp_path: Path) -> Iterator[tuple[Bucket, list[str]]]:
    """A lake in a bucket that knows Glacier; what a job is told."""
    with aws() as endpoint, known_to(spark, S3(endpoint), endpoint):
        lake = Lake("s3://old/lake", endpoint, REGION, path_style=True)
        found = landing.store(lake)
        assert isinstance(found, Bucket)
        found.client.create_bucket(Bucket="old")
        told = {"path": lake.path, "endpoint": endpoint, "region": REGION, "path_style": True}
        conf = tmp_path / "conf.yaml"
        conf.write_text(yaml.safe_dump({"lake": told, "ingest": {"collector": "test"}}))
        yield found, ["--conf", str(conf)]


def freeze(store: Bucket, key: str) -> None:
    """As a rule of the bucket does it, months later."""
    place = {"Bucket": store.bucket, "Key": store.prefix + key}
    store.client.copy_object(Bucket=store.bucket, Key=store.prefix + key, CopySource=place, StorageClass="GLACIER")  # type: ignore[arg-type]  # a dict of both


def test_rebuild_and_compact_name_what_lies_in_glacier_and_stop(
    spark: SparkSession, store: tuple[Bucket, list[str]], capsys: pytest.CaptureFixture[str]
):
    bucket, conf = store
    one = Collector("one")
    objects = dict([landed([one.aggregate(1)]), landed([one.aggregate(2, "10:00:01")])])
    for key, data in objects.items():
        bucket.create(key, data)
    assert stream.main([*conf, "--once"]) == 0
    trades = "s3://old/lake/tables/trades"
    assert ids(spark, trades) == [1, 2]
    archive.seal(bucket, list(objects), stopping=lambda: False)
    (part,) = (key for key in bucket.keys("archive/") if key.endswith(".gz"))
    freeze(bucket, part)
    _put(bucket, 1)
    assert compact.main(conf) == 0
    _put(bucket, 2)
    freeze(bucket, FILE.format(1))
    for job, arguments, key in ((rebuild, ["--table", "trades"], part), (compact, [], FILE.format(1))):
        there = {name: found for name in bucket.keys("tables/") if (found := bucket.get(name))}
        capsys.readouterr()
        assert job.main([*conf, *arguments]) == 1
        told = re.search(
            rf"1 objects that are needed lie in Glacier, \d+ bytes: {key}\. Nothing was done.*--restore (\S+)`",
            capsys.readouterr().err,
        )
        assert told is not None
        assert {name: bucket.get(name) for name in bucket.keys("tables/")} == there
        assert lifecycle.main([*conf, "--restore", told[1]]) == 0
        assert job.main([*conf, *arguments]) == 0
    assert ids(spark, trades) == [1, 2]
    ((month,),) = [
        [row for row in rows_of(spark.read.format("delta").load("s3://old/lake/tables/published")) if row["dataset"] == "trades"]
    ]
    assert (month["rows"], len(month["sources"])) == (4, 2)
    for number in (1, 2):
        tags = bucket.client.get_object_tagging(Bucket="old", Key=f"lake/{FILE.format(number)}")["TagSet"]
        assert tags == [{"Key": "ticklake", "Value": "replaced"}]


def ids(spark: SparkSession, trades: str) -> list[int]:
    return sorted(row["trade_id"] for row in rows_of(spark.read.format("delta").load(trades)))


def _put(bucket: Bucket, day: int) -> None:
    text = agg_csv((10 * day + n, "61000.5", "0.25", 1704067200000 + (day - 1) * DAY + n, n % 2 == 0) for n in range(2))
    key = FILE.format(day)
    data = zipped(key.rpartition("/")[2].replace(".zip", ".csv"), text)
    bucket.create(key, data)
    bucket.create(f"{key}.CHECKSUM", sidecar(key.rpartition("/")[2], data))
