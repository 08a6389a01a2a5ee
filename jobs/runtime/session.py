"""The Spark session: built once, refused if its settings would give other numbers."""

import os
import time
from typing import Any

from pyspark.sql import SparkSession

from ingest.settings import Lake

SPARK = "4.1.1"  # Delta 4.2.0 does not work with 4.1.2 and later
DELTA = "4.2.0"
REQUIRED = {
    "spark.sql.decimalOperations.allowPrecisionLoss": ("false", "price * quantity would lose digits in silence"),
    "spark.sql.session.timeZone": ("UTC", "minutes, months and days are UTC's"),
    "spark.sql.caseSensitive": ("true", "Binance's frames have both t and T"),
    "spark.sql.ansi.enabled": ("true", "an overflow would wrap around in silence"),
    "spark.sql.json.enableExactStringParsing": ("false", "two readings of a line would see different numbers"),
    "spark.sql.parquet.outputTimestampType": ("TIMESTAMP_MICROS", "not every reader knows INT96"),
}


class SessionError(Exception):
    """Spark is not as the tables need it."""


def session(lake: Lake, name: str) -> SparkSession:
    """The session of a job. Settings come from conf/ by way of spark-submit.sh; the lake's place from the configuration file."""
    os.environ["TZ"] = "UTC"  # Spark hands Python times in the zone of the process, and without its name
    time.tzset()
    builder = SparkSession.builder.appName(f"ticklake {name}")
    for key, value in s3a(lake).items():
        builder = builder.config(key, value)
    spark: SparkSession = builder.getOrCreate()
    check(spark)
    return spark


def s3a(lake: Lake) -> dict[str, str]:
    """What S3A needs to reach the same place as boto3."""
    if not lake.path.startswith("s3://"):
        return {}
    told = {
        "endpoint": lake.endpoint,
        "endpoint.region": lake.region,
        "path.style.access": "true" if lake.path_style else None,
        "connection.ssl.enabled": "false" if (lake.endpoint or "").startswith("http://") else None,
        "encryption.algorithm": "SSE-KMS" if lake.kms_key else None,
        "encryption.key": lake.kms_key,
    }
    return {f"spark.hadoop.fs.s3a.{key}": value for key, value in told.items() if value is not None}


def check(spark: SparkSession) -> None:
    """Refuse a session under which the tables would come out otherwise."""
    if not (spark.version == SPARK or spark.version.startswith(f"{SPARK}-")):  # EMR adds a suffix of its own
        raise SessionError(f"Spark is {spark.version}; {SPARK} is needed, the pair of Delta {DELTA}: `make setup` installs it")
    delta = _delta_version(spark)
    if not delta.startswith(DELTA):
        raise SessionError(
            f"Delta is {delta or 'not there'}; {DELTA} is needed, the pair of Spark {SPARK}: `make setup` installs it"
        )
    for key, (right, why) in REQUIRED.items():
        value = spark.conf.get(key, None)
        if value is None or value.lower() != right.lower():
            raise SessionError(f"{key} is {value}; it must be {right}, or {why}: start jobs with spark-submit.sh")


def _delta_version(spark: SparkSession) -> str:
    jvm: Any = spark._jvm  # noqa: SLF001 - Delta tells its version to the JVM only
    try:
        return str(getattr(getattr(jvm.io.delta, "package$"), "MODULE$").VERSION())
    except TypeError:
        return ""
