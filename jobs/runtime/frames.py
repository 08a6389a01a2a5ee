"""Between the driver and Spark: small frames in, bounded sets of keys out. The only collects of the jobs are here."""

from collections.abc import Iterable, Sequence
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession


def frame(spark: SparkSession, rows: Iterable[Sequence[Any]], schema: str) -> DataFrame:
    """Rows that the driver knows, as a frame; no Python is needed on the executors."""
    return spark.createDataFrame([tuple(row) for row in rows], schema, verifySchema=False)


def keys(rows: DataFrame) -> list[Row]:
    """A set of keys, marks or counts: bounded by feeds, minutes and holes, never by trades."""
    return rows.collect()
