"""Small frames of the driver's."""

from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession

from jobs.runtime.frames import frame, keys

SCHEMA = "pair STRING, top BIGINT, at TIMESTAMP, spans ARRAY<STRUCT<low: BIGINT, high: BIGINT>>"


def test_rows_come_out_as_they_went_in_without_a_job(spark: SparkSession):
    odd = 'it\'s a \\ "pair"\nof two'
    rows = [(odd, 2**62, datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC), [{"low": 1, "high": 2}]), ("B-C", None, None, [])]
    made = frame(spark, rows, SCHEMA)
    found = [tuple(row) for row in keys(made.selectExpr("pair", "top", "unix_micros(at)", "spans"))]
    assert found == [(odd, 2**62, 1777636800123456, [(1, 2)]), ("B-C", None, None, [])]
    plan = made._jdf.queryExecution().optimizedPlan().toString()
    assert plan.startswith("LocalRelation")
    assert keys(frame(spark, [], SCHEMA)) == []


def test_a_value_of_the_wrong_shape_is_an_error_and_never_null(spark: SparkSession):
    with pytest.raises(Exception, match=r"MALFORMED|CANNOT_PARSE|FAILFAST"):
        keys(frame(spark, [("A-B", 1, None, [(1, 2)])], SCHEMA))
