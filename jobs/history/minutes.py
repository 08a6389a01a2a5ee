"""The minutes of months of history: the stream's own values of what their trades come to, its flags by the runs of all ids of a feed.

What the trades of a minute come to is added up by Arrow in the workers: Spark takes ten times as long for the same sums.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from ingest import landing
from ingest.exchanges import EXCHANGES
from ingest.settings import Lake
from jobs.history.files import OF_MONTH, Held, Month
from jobs.runtime.frames import frame, keys
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.transforms import feeds, spans
from jobs.transforms.feeds import Feed
from jobs.transforms.minutes import SUMS, valued
from jobs.transforms.ranges import Range, Ranges

if TYPE_CHECKING:
    import pyarrow as pa

OBJECTS = "venue STRING, market STRING, feed STRING, pair STRING, object STRING"
FLAGS = "venue STRING, market STRING, feed STRING, pair STRING, minute TIMESTAMP, missing BIGINT"
MONTHS = "venue STRING, market STRING, feed STRING, pair STRING, year INT, month INT, is_dense BOOLEAN, is_newest BOOLEAN"
PUT = (
    "venue STRING, market STRING, feed STRING, pair STRING, year BIGINT, month BIGINT, "
    "sha256 STRING, bytes BIGINT, rows BIGINT, missing BIGINT"
)


@dataclass(frozen=True)
class Wanted:
    """The minutes of a month of trades, and what their flags are to say. None: ids are not dense."""

    trades: Held
    flags: Mapping[int, int] | None  # minute -> ids missing below its trades, where a run begins or ends
    is_newest: bool  # has the feed no later trade?

    @property
    def month(self) -> Month:
        return minutes_of(self.trades.month)

    @property
    def made_with(self) -> str:
        """Changes with the object, and with what its neighbours have to say of its flags."""
        told = [self.trades.sha256, self.is_newest, None if self.flags is None else sorted(self.flags.items())]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(frozen=True)
class Put:
    """An object of minutes that is in its place."""

    month: Month
    sha256: str
    bytes: int
    rows: int
    missing: int | None


def minutes_of(month: Month) -> Month:
    """Of a month of trades."""
    return Month(MINUTE_AGGREGATES.name, month.venue, month.market, month.feed, month.pair, month.year, month.month)


def wanted(published: Iterable[Held], live: Mapping[Feed, Sequence[Range]]) -> list[Wanted]:
    """All minutes that are to be there. `live`: of the months that are in the live table alone."""
    found = []
    by_feed: dict[Feed, list[Held]] = {}
    for one in published:
        by_feed.setdefault(one.month.series, []).append(one)
    for feed, months in by_feed.items():
        known, beside = Ranges(), live.get(feed, ())
        for run in (*(run for one in months for run in one.runs or ()), *beside):
            known.add(run)
        flags = known.flags() if feeds.dense(EXCHANGES).get((feed.venue, feed.market, feed.kind)) else None
        newest = max(one.month for one in months)
        later = max((run.last.ts for run in beside if run.last), default=0)
        for one in months:
            low, high = spans.month(one.month.year, one.month.month)
            mine = None if flags is None else {minute: gap for minute, gap in flags.items() if low <= minute <= high}
            is_newest = one.month == newest and later < (high + 1) * 60_000_000
            found.append(Wanted(one, mine, is_newest))
    return found


def rows(spark: SparkSession, lake: Lake, months: Sequence[Wanted], now: datetime) -> DataFrame:
    """The rows of `minute_aggregates` of these months' trades."""
    objects = frame(spark, [(*one.month.series, one.trades.object) for one in months], OBJECTS).repartition(len(months))
    sums = objects.mapInArrow(_adder(lake), ", ".join(f"{name} {kind}" for name, kind in SUMS.items()))
    told = frame(
        spark,
        [(*one.month.series, spans.time_of(minute), missing) for one in months for minute, missing in (one.flags or {}).items()],
        FLAGS,
    )
    known = frame(spark, [(*one.month.values, one.flags is not None, one.is_newest) for one in months], MONTHS)
    made = valued(sums, EXCHANGES).join(F.broadcast(told), on=["venue", "market", "feed", "pair", "minute"], how="left")
    dated = made.withColumns({"year": F.year("minute"), "month": F.month("minute")})
    joined = dated.join(F.broadcast(known), on=list(OF_MONTH))
    last = F.max("minute").over(Window.partitionBy(*OF_MONTH))
    values: Mapping[str, Column] = {
        "missing_trades": F.when(F.col("is_dense"), F.coalesce("missing", F.lit(0))),
        "is_complete": F.when(F.col("is_dense"), F.col("missing").isNull()),
        "revision": F.when(F.col("is_newest") & (F.col("minute") == last), 0).otherwise(1).cast("BIGINT"),
        "updated_at": F.lit(now),
    }
    return joined.select(*(values.get(name, F.col(name)).alias(name) for name in MINUTE_AGGREGATES.names))


def _adder(lake: Lake) -> Callable[[Iterable["pa.RecordBatch"]], Iterable["pa.RecordBatch"]]:
    def work(objects: Iterable["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa  # noqa: PLC0415 - not every driver has it

        from jobs.history.sums import sums  # noqa: PLC0415 - see above

        pa.set_cpu_count(1)  # Spark has as many workers as cores
        for *series, name in (row.values() for batch in objects for row in batch.to_pylist()):
            with TemporaryDirectory() as folder:
                for table in sums(landing.store(lake).local(name, Path(folder))):
                    for number, value in enumerate(series):
                        table = table.add_column(number, list(SUMS)[number], pa.repeat(pa.scalar(value), len(table)))  # noqa: PLW2901 - grows
                    yield from table.to_batches()

    return work


def put(made: DataFrame, lake: Lake) -> list[Put]:
    """Each month as one object, by a worker."""
    told = made.groupBy(*OF_MONTH).applyInArrow(_putter(lake), PUT)
    return [
        Put(
            Month(MINUTE_AGGREGATES.name, *(row[name] for name in OF_MONTH)),
            row["sha256"],
            row["bytes"],
            row["rows"],
            row["missing"],
        )
        for row in keys(told)
    ]


def _putter(lake: Lake) -> Callable[["pa.Table"], "pa.Table"]:
    def work(month: "pa.Table") -> "pa.Table":
        import pyarrow as pa  # noqa: PLC0415 - not every driver has it
        import pyarrow.compute as pc  # noqa: PLC0415 - see above
        import pyarrow.parquet as pq  # noqa: PLC0415 - see above

        from jobs.history.columns import schema, writing  # noqa: PLC0415 - see above

        key = {name: month.column(name)[0].as_py() for name in OF_MONTH}
        shape = schema(MINUTE_AGGREGATES)
        into = month.select(shape.names).cast(shape).sort_by("minute")
        with TemporaryDirectory() as folder:
            path = Path(folder) / "minutes.parquet"
            pq.write_table(into, path, **writing(shape))
            data = path.read_bytes()
            landing.store(lake).put(Month(MINUTE_AGGREGATES.name, *key.values()).key, path)
        missing = pa.array([pc.sum(into.column("missing_trades")).as_py()], pa.int64())  # a null has no type
        told = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "rows": len(into)}
        return pa.Table.from_pylist([{**key, **told}]).append_column("missing", missing)

    return work
