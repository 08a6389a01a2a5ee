"""The tables that tell of history: which months are published, what became of each file, which rows are not believed."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import Row, SparkSession, Window
from pyspark.sql import functions as F

from ingest.landing import Store
from jobs.history.files import Month
from jobs.history.minutes import Put, Trades, Wanted, feed_of, minutes_of
from jobs.runtime.frames import frame, keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease
from jobs.runtime.live import Foreign, Live
from jobs.tables.loads import LOADS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.published import PUBLISHED
from jobs.tables.rejects import REJECTS
from jobs.tables.table import Table
from jobs.tables.trades import TRADES
from jobs.transforms.ranges import Mark, Range

if TYPE_CHECKING:
    from jobs.history.load import Loaded, Seen

LISTED = "control/loads.json"  # what `backfill` need not fetch again
TABLES = (LOADS, PUBLISHED, REJECTS)
Sums = Mapping[str, str]  # of files, by key
Values = tuple[Any, ...]
log = logging.getLogger(__name__)


@dataclass
class Register:
    """The tables, under the job's lease."""

    spark: SparkSession
    tables: Mapping[str, Live]
    now: datetime

    def sources(self) -> Mapping[Month, Sums]:
        """The files that each month of history was published from."""
        rows = keys(self._read(PUBLISHED).select(*PUBLISHED.key, "sources"))
        return {_month(row): {one["object"]: one["sha256"] for one in row["sources"]} for row in rows}

    def trades(self) -> list[Trades]:
        """The months of trades that have any, with the runs of their ids."""
        names = ("object", "sha256", "first_id", "last_id", "sources")
        rows = self._read(PUBLISHED).where((F.col("dataset") == TRADES.name) & F.col("first_id").isNotNull())
        micros = (F.expr(f"transform(runs, run -> unix_micros(run.{name}))").alias(name) for name in ("first_ts", "last_ts"))
        return [_trades(row) for row in keys(rows.select(*PUBLISHED.key, *names, "runs", *micros).orderBy("object"))]

    def minutes(self) -> Mapping[Month, str]:
        """What each month of minutes was made with."""
        rows = self._read(PUBLISHED).where(F.col("dataset") == MINUTE_AGGREGATES.name)
        return {_month(row): row["made_with"] for row in keys(rows.select(*PUBLISHED.key, "made_with"))}

    def objects(self) -> set[str]:
        """The keys of all that is published."""
        return {row["object"] for row in keys(self._read(PUBLISHED).select("object"))}

    def loaded(self, done: Sequence["Loaded"]) -> None:
        """What was found, then what is published: a run that dies between the two finds the same again."""
        rejects = [row for one in done for row in _rejects(one, self.now)]
        self._put(REJECTS, rejects)
        self._put(LOADS, [_load(one, seen, self.now) for one in done for seen in one.files])
        self._put(PUBLISHED, [_of_trades(one, self.now) for one in done if one.verdict == "published"])

    def with_minutes(self, done: Sequence[tuple[Wanted, Put]]) -> None:
        """Months of minutes that are in their place."""
        self._put(PUBLISHED, [_of_minutes(one, put, self.now) for one, put in done])

    def withdraw(self, outgrown: Sequence[tuple[Trades, str]]) -> None:
        """Nobody is told any more that these are there, nor their minutes."""
        loads, published = self.tables[LOADS.name], self.tables[PUBLISHED.name]
        for one, why in outgrown:
            log.warning("event=withdrawn object=%s why=%s", one.object, why)
            files = ", ".join(f"'{name}'" for name in one.files)
            told = f"SET verdict = 'not_published', detail = 'withdrawn: {why}' WHERE object IN ({files}) AND verdict = 'loaded'"
            loads.sql(f"UPDATE delta.`{loads.path}` {told}")
            objects = f"'{one.object}', '{minutes_of(one.month).key}'"
            published.sql(f"DELETE FROM delta.`{published.path}` WHERE object IN ({objects})")  # noqa: S608 - keys that we have made

    def tell(self, store: Store) -> None:
        """For `backfill`: the newest version of each file that history was made of."""
        newest = Window.partitionBy("object").orderBy(F.col("loaded_at").desc())
        rows = self._read(LOADS).where("verdict = 'loaded'").withColumn("place", F.row_number().over(newest)).where("place = 1")
        files = {row["object"]: row["sha256"] for row in keys(rows.select("object", "sha256").orderBy("object"))}
        told = json.dumps({"v": 1, "files": files}).encode()
        there = store.get(LISTED)
        if there is None or there[0] != told:
            store.replace(LISTED, told, there[1] if there else None)

    def _read(self, table: Table) -> Any:  # noqa: ANN401 - a DataFrame; pyspark has two of the name
        return self.tables[table.name].read()

    def _put(self, table: Table, rows: Sequence[Values]) -> None:
        if rows:
            schema = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
            self.tables[table.name].merge(frame(self.spark, rows, schema), "TRUE")


def register(spark: SparkSession, where: Place, lease: Lease, now: datetime) -> Register:
    """Open the tables. Whoever else has written them: what is published is compared with the inbox anyway."""
    tables = {table.name: Live(spark, where.store, lease, table, where.table(table.name)) for table in TABLES}
    for live in tables.values():
        try:
            live.open()
        except Foreign as found:
            log.error("event=foreign_commit detail=%s", found)  # noqa: TRY400 - no trace: it is not this program that went wrong
            live.open(accept=True)
    return Register(spark, tables, now)


def _trades(row: Row) -> Trades:
    runs = None
    if row["runs"] is not None:
        runs = tuple(
            Range(run["low"], run["high"], _mark(run["first_id"], first), _mark(run["last_id"], last))
            for run, first, last in zip(row["runs"], row["first_ts"], row["last_ts"], strict=True)
        )
    files = tuple(one["object"] for one in row["sources"])
    return Trades(_month(row), row["object"], row["sha256"], row["first_id"], row["last_id"], files, runs)


def _mark(id_: int | None, at: int | None) -> Mark | None:
    return None if id_ is None or at is None else Mark(id_, at)


def _rejects(one: "Loaded", now: datetime) -> Iterator[Values]:
    sums = {seen.file.key: seen.sha256 for seen in one.files}
    for key, reject in one.found.rejects:
        yield (key, sums[key], reject.line, *feed_of(one.month), reject.trade_id, reject.reason, reject.raw, now)


def _load(one: "Loaded", seen: "Seen", now: datetime) -> Values:
    verdict = "not_published" if seen.verdict == "loaded" and one.verdict != "published" else seen.verdict
    file, told = seen.file, seen.told
    was_read = one.found.rows or one.verdict == "published"
    counts = (told.rows, told.first_id, told.last_id, told.rejects) if was_read else (None, None, None, None)
    detail = seen.detail or one.detail
    feed = feed_of(one.month)
    return (file.key, seen.sha256, one.month.dataset, *feed, file.first, file.last, seen.bytes, *counts, verdict, detail, now)


def _of_trades(one: "Loaded", now: datetime) -> Values:
    found = one.found
    missing = sum(high - low + 1 for low, high in found.holes)
    made = [{"object": seen.file.key, "sha256": seen.sha256} for seen in one.files]
    ends = (found.rows, found.first_id, found.last_id, missing, found.duplicates)
    return (*_key(one.month), one.month.key, one.sha256, one.bytes, *ends, made, [_run(run) for run in found.runs.all], None, now)


def _run(run: Range) -> Mapping[str, Any]:
    marks = {
        f"{name}_{part}": value
        for name, mark in (("first", run.first), ("last", run.last))
        for part, value in (("id", mark and mark.id), ("ts", mark and _text(mark.ts)))
    }
    return {"low": run.low, "high": run.high, **marks}


def _text(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros // 1_000_000, UTC):%Y-%m-%dT%H:%M:%S}.{micros % 1_000_000:06}Z"


def _of_minutes(one: Wanted, put: Put, now: datetime) -> Values:
    trades = one.trades
    ends = (put.rows, trades.first_id, trades.last_id, put.missing, 0)
    made = [{"object": trades.object, "sha256": trades.sha256}]
    return (*_key(one.month), one.month.key, put.sha256, put.bytes, *ends, made, None, one.made_with, now)


def _key(month: Month) -> Values:
    return (month.dataset, *feed_of(month), month.year, month.month)


def _month(row: Row) -> Month:
    return Month(*(row[name] for name in PUBLISHED.key))
