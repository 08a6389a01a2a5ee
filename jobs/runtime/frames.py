"""Between the driver and Spark: small frames in, bounded sets of keys out. The only collects of the jobs are here."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from pyspark.sql import Column, DataFrame, Observation, Row, SparkSession
from pyspark.sql.types import StructType

Task = TypeVar("Task")
Told = TypeVar("Told")


def frame(spark: SparkSession, rows: Iterable[Sequence[Any]], schema: str) -> DataFrame:
    """Rows that the driver knows, as a frame.

    `createDataFrame` would start Python workers on the executors, and a job; a VALUES of JSON texts needs neither: the optimizer
    makes it a local relation.
    """
    columns = StructType.fromDDL(schema)
    assert isinstance(columns, StructType), schema
    names = columns.names
    texts = [json.dumps(dict(zip(names, row, strict=True)), default=_text) for row in rows]
    values = ", ".join(f"({_literal(text)})" for text in texts) or "(NULL)"
    read = f"from_json(text, {_literal(schema)}, map('mode', 'FAILFAST'))"  # else a value of the wrong shape is NULL, in silence
    found = spark.sql(f"SELECT r.* FROM (SELECT {read} AS r FROM VALUES {values} AS t(text))")  # noqa: S608 - escaped
    return found if texts else found.where("FALSE")


def keys(rows: DataFrame) -> list[Row]:
    """A set of keys, marks or counts: bounded by feeds, minutes and holes, never by trades."""
    return rows.collect()


def told_by_workers(spark: SparkSession, work: Callable[[Task], Told], tasks: Sequence[Task]) -> list[Told]:
    """What each task came to, in their order: of one that takes minutes, and tells in a few words what it did."""
    return spark.sparkContext.parallelize(tasks, len(tasks)).map(work).collect() if tasks else []


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _text(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{value!r}: a frame's values are JSON, times or days")


def observed(observation: Observation, frame: DataFrame, counts: Sequence[Column]) -> dict[str, Any]:
    """What was observed of a frame on the way to a commit; counted now where Spark dropped it, as nothing was left to write."""
    java: Any = observation._jo  # noqa: SLF001 - the public way ends in an assertion of the JVM's where nothing was seen
    return observation.get if java.getRow().schema() is not None else keys(frame.agg(*counts))[0].asDict()
