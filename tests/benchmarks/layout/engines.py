"""The engines that are asked, each with both layouts before it."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import boto3

from jobs.readers import records
from jobs.readers.glue import Glue
from tests.benchmarks.layout.data import Lakes
from tests.benchmarks.layout.reading import Ask, Reading, plain
from tests.benchmarks.submit import CORES
from tests.benchmarks.worker import Worker
from tests.support.aws import aws
from tests.support.seaweedfs import ACCESS_KEY, REGION, SECRET_KEY, seaweedfs
from tests.support.trino import Trino, trino
from tests.support.warehouse import upload

DATASET = "trades"
BUCKET = "lake"


@contextmanager
def duck(lakes: Lakes) -> Iterator[Ask]:
    """DuckDB reads the files where they lie. AssertionError: the layouts do not have the same rows."""
    folders = {layout: str(lake) for layout, lake in lakes.folders.items()}
    with Worker("layout.duck", str(CORES), json.dumps(folders)) as worker:
        worker.ask("compare")
        yield lambda layout, sql: Reading(*worker.ask("ask", layout=layout, sql=sql))


@contextmanager
def athena(lakes: Lakes, folder: Path) -> Iterator[Ask]:
    """Trino reads what Glue names, of an S3. Each layout is a database with a record of one shape."""
    for name in ("s3", "trino"):
        (folder / name).mkdir()
    with seaweedfs(folder / "s3") as s3, aws() as address:
        s3.client().create_bucket(Bucket=BUCKET)
        for layout, lake in lakes.folders.items():
            upload(lake / "history", s3, BUCKET, f"{layout}/history")
            _catalog(layout, lakes, address)
        with trino(folder / "trino", s3, address, next(iter(lakes.folders))) as engine:
            yield lambda layout, sql: _asked(replace(engine, database=layout), sql)


def _catalog(layout: str, lakes: Lakes, address: str) -> None:
    client = boto3.client(
        "glue", endpoint_url=address, region_name=REGION, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )
    glue = Glue(client, layout, f"s3://{BUCKET}/{layout}")
    glue.open()
    glue.put(records.history(DATASET, glue.lake))
    glue.add_partitions(DATASET, lakes.months)


def _asked(engine: Trino, sql: str) -> Reading:
    with closing(engine.connection()) as connection:
        cursor = connection.cursor()
        began = time.monotonic()
        rows = cursor.execute(sql).fetchall()
        passed = time.monotonic() - began
        return Reading(passed, cursor.stats["physicalInputBytes"], plain(rows))
