"""A session under which the tables would come out otherwise is refused, by the setting's name."""

import re
import time
from datetime import datetime

import pytest
from pyspark.sql import SparkSession

from ingest.settings import Lake
from jobs.runtime import session
from jobs.runtime.session import REQUIRED, SessionError, check, s3a

OTHER = {"false": "true", "true": "false", "UTC": "America/Mexico_City", "TIMESTAMP_MICROS": "INT96"}


def test_the_settings_of_the_project_are_right(spark: SparkSession):
    check(spark)


@pytest.mark.parametrize("key", REQUIRED)
def test_a_wrong_setting_is_refused_by_name(spark: SparkSession, key: str):
    right, why = REQUIRED[key]
    spark.conf.set(key, OTHER[right])
    with pytest.raises(SessionError, match=re.escape(f"{key} is {OTHER[right]}; it must be {right}, or {why}")):
        check(spark)


def test_another_spark_is_refused(spark: SparkSession, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "SPARK", "4.1.2")
    with pytest.raises(SessionError, match=r"Spark is 4\.1\.1; 4\.1\.2 is needed, .* `make setup` installs it"):
        check(spark)


def test_another_delta_is_refused(spark: SparkSession, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "DELTA", "4.3.0")
    with pytest.raises(SessionError, match=r"Delta is 4\.2\.0; 4\.3\.0 is needed, the pair of Spark 4\.1\.1"):
        check(spark)


def test_times_come_back_as_utc_whatever_zone_the_process_was_started_in(spark: SparkSession, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "America/Mexico_City")
    time.tzset()
    try:
        one = spark.sql("SELECT TIMESTAMP '2026-01-01 00:00:00+00:00' AS at")
        assert one.collect()[0]["at"] == datetime(2025, 12, 31, 18)  # noqa: DTZ001 - as Spark gives it: nobody could tell
        session.session(Lake("./lake"), "test")
        assert one.collect()[0]["at"] == datetime(2026, 1, 1)  # noqa: DTZ001 - see above
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()


def test_s3a_is_told_what_boto3_is_told():
    lake = Lake("s3://bucket/lake", endpoint="http://127.0.0.1:8333", region="us-east-1", path_style=True, kms_key="key")
    assert s3a(lake) == {
        "spark.hadoop.fs.s3a.endpoint": "http://127.0.0.1:8333",
        "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.encryption.algorithm": "SSE-KMS",
        "spark.hadoop.fs.s3a.encryption.key": "key",
    }
    assert s3a(Lake("s3://bucket")) == {}
    assert s3a(Lake("./lake")) == {}
