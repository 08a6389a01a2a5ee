"""The minutes of months of history: the stream's own values of what their trades come to, its flags by the runs of all ids of a feed.

What the trades of a minute come to is added up by Arrow in the workers: Spark takes five times as long for the same sums.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession
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
TASKS = 4  # a core: each costs a seventh of a second before it begins (Python reads the folders of its zips again)
PUT = (
    "venue STRING, market STRING, feed STRING, pair STRING, year BIGINT, month BIGINT, "
    "sha256 STRING, bytes BIGINT, rows BIGINT, missing BIGINT"
)

Work = Callable[[Iterable["pa.RecordBatch"]], Iterable["pa.RecordBatch"]]  # of a worker


@dataclass(frozen=True)
class Flags:
    """What is said of a month's minutes besides their values."""

    # minute -> ids missing below its trades, where a run begins or ends. None: ids are not dense
    missing: Mapping[int, int] | None
    is_newest: bool  # has the feed no later trade?


@dataclass(frozen=True)
class Wanted:
    """The minutes of a month of trades, and what their flags are to say."""

    trades: Held
    flags: Flags

    @property
    def month(self) -> Month:
        return minutes_of(self.trades.month)

    @property
    def made_with(self) -> str:
        """Changes with the object, and with what its neighbours have to say of its flags."""
        missing = self.flags.missing
        told = [self.trades.sha256, self.flags.is_newest, None if missing is None else sorted(missing.items())]
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
            found.append(Wanted(one, Flags(mine, is_newest)))
    return found


def put(spark: SparkSession, lake: Lake, months: Sequence[Wanted], now: datetime) -> list[Put]:
    """Each month as one object, by a worker: in one pass, for what is added up stays in order."""
    objects = frame(spark, [(*one.month.series, one.trades.object) for one in months], OBJECTS)
    tasks = min(len(months), TASKS * spark.sparkContext.defaultParallelism)
    sums = objects.repartition(tasks).mapInArrow(_adder(lake), ", ".join(f"{name} {kind}" for name, kind in SUMS.items()))
    dated = valued(sums, EXCHANGES).withColumns({"year": F.year("minute"), "month": F.month("minute")})
    told = dated.mapInArrow(_putter(lake, {one.month: one for one in months}, now), PUT)
    return [Put(_month(row), row["sha256"], row["bytes"], row["rows"], row["missing"]) for row in keys(told)]


def _adder(lake: Lake) -> Work:
    def work(objects: Iterable["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa  # noqa: PLC0415 - not every driver has it

        from jobs.history.sums import sums  # noqa: PLC0415 - see above

        pa.set_cpu_count(1)  # Spark has as many workers as cores
        for *series, name in (row.values() for batch in objects for row in batch.to_pylist()):
            with TemporaryDirectory() as folder:
                for table in sums(landing.store(lake).local(name, Path(folder))):
                    named = [pa.repeat(pa.scalar(value), len(table)) for value in series]
                    yield from pa.table([*named, *table.columns], [*SUMS]).to_batches()
        pa.default_memory_pool().release_unused()  # the worker waits for more, beside others

    return work


def _putter(lake: Lake, months: Mapping[Month, Wanted], now: datetime) -> Work:
    def work(values: Iterable["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa  # noqa: PLC0415 - not every driver has it
        import pyarrow.compute as pc  # noqa: PLC0415 - see above
        import pyarrow.parquet as pq  # noqa: PLC0415 - see above

        from jobs.history.columns import writing  # noqa: PLC0415 - see above
        from jobs.history.flags import flagged  # noqa: PLC0415 - see above
        from jobs.history.load import sha256_of  # noqa: PLC0415 - see above
        from jobs.history.month import cut  # noqa: PLC0415 - see above

        store = landing.store(lake)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "minutes.parquet"
            for key, tables in cut(values, OF_MONTH):
                named = dict(zip(OF_MONTH, key, strict=True))
                month = _month(named)
                rows = flagged(pa.concat_tables(tables), months[month].flags, now)
                pq.write_table(rows, path, **writing(rows.schema))
                store.put(month.key, path)
                missing = pa.array([pc.sum(rows.column("missing_trades")).as_py()], pa.int64())  # a null has no type
                told = {"sha256": sha256_of(path), "bytes": path.stat().st_size, "rows": len(rows)}
                yield from pa.Table.from_pylist([{**named, **told}]).append_column("missing", missing).to_batches()

    return work


def _month(row: Any) -> Month:  # noqa: ANN401 - a row of a query, or of a table
    return Month(MINUTE_AGGREGATES.name, *(row[name] for name in OF_MONTH))
