"""The tables that tell of history: which months are published, what became of each file, which rows are not believed."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from ingest.landing import Store
from jobs.history.files import Held, Month
from jobs.history.minutes import Put, Wanted, minutes_of
from jobs.runtime.frames import frame, keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease
from jobs.runtime.live import Foreign, Live
from jobs.tables.loads import LOADS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.published import PUBLISHED
from jobs.tables.rejects import REJECTS
from jobs.tables.table import Table
from jobs.transforms.published import Month as Published
from jobs.transforms.ranges import Mark, Range

if TYPE_CHECKING:
    from jobs.history.load import Loaded, Seen

LISTED = "control/loads.json"  # what `backfill` need not fetch again
TABLES = (LOADS, PUBLISHED, REJECTS)
NULLS = ("item", "first_day", "line")  # of a key: what is not known of a file that cannot be read
IN_ORDER = ("loaded", "as_in_month", "differs_from_month")  # verdicts on files of a month that is published
Sums = Mapping[str, str]  # of files, by key
Values = tuple[Any, ...]
Named = Mapping[str, Any]  # by column; what is not told is NULL
log = logging.getLogger(__name__)


@dataclass
class Register:
    """The tables, under the job's lease."""

    spark: SparkSession
    tables: Mapping[str, Live]
    now: datetime

    @cached_property
    def published(self) -> Sequence[Row]:
        """All of it: it is asked for at each step, and is as small as the months are few."""
        micros = (F.expr(f"transform(runs, run -> unix_micros(run.{name}))").alias(name) for name in ("first_ts", "last_ts"))
        names = (*PUBLISHED.key, "object", "sha256", "rows", "first_id", "last_id", "sources", "runs", "made_with")
        return keys(self._read(PUBLISHED).select(*names, *micros).orderBy("object"))

    def sources(self) -> Mapping[Month, Sums]:
        """The files that each month of history was published from."""
        return {_month(row): {one["object"]: one["sha256"] for one in row["sources"] or ()} for row in self.published}

    def held(self, dataset: str) -> list[Held]:
        """The months of trades or candles that have any, with the runs of their ids or numbers."""
        return [_held(row) for row in self.published if row["dataset"] == dataset and row["rows"]]

    def minutes(self) -> Mapping[Month, str]:
        """What each month of minutes was made with."""
        return {_month(row): row["made_with"] for row in self.published if row["dataset"] == MINUTE_AGGREGATES.name}

    def months(self) -> Mapping[str, Sequence[Published]]:
        """By dataset, as readers are told of them."""
        found: dict[str, list[Published]] = {}
        for row in self.published:
            found.setdefault(row["dataset"], []).append(Published(*(row[name] for name in Published._fields)))
        return found

    @property
    def version(self) -> int:
        """Of what is published."""
        return self.tables[PUBLISHED.name].version

    def check(self) -> None:
        """Is the lease still ours?"""
        self.tables[PUBLISHED.name].lease.check()

    def objects(self) -> set[str]:
        """The keys of all that is published."""
        return {row["object"] for row in self.published}

    def loaded(self, done: Sequence["Loaded"], more: DataFrame | None = None) -> None:
        """What was found, then what is published: a run that dies between the two finds the same again.

        `more`: rows of `rejects`, but for the sha256 of the file and the time.
        """
        rejects = [row for one in done for row in _rejects(one, self.now)]
        self._put(REJECTS, rejects)
        if more is not None:
            sums = {(seen.file.key, seen.sha256) for one in done for seen in one.files}
            of_file = F.broadcast(frame(self.spark, sorted(sums), "object STRING, sha256 STRING"))
            told = more.join(of_file, on="object").withColumn("loaded_at", F.lit(self.now))
            self.tables[REJECTS.name].merge(told.select(*REJECTS.names), "TRUE")
        self._put(LOADS, [_load(one, seen, self.now) for one in done for seen in one.files])
        self._put(PUBLISHED, [_of_files(one, self.now) for one in done if one.verdict == "published"])

    def with_minutes(self, done: Sequence[tuple[Wanted, Put]]) -> None:
        """Months of minutes that are in their place."""
        self._put(PUBLISHED, [_of_minutes(one, put, self.now) for one, put in done])

    def adopted(self) -> list[Row]:
        """What was found of files of other systems."""
        rows = self._read(LOADS).where(F.col("object").startswith("adopted/"))
        return keys(rows.select("object", "sha256", "venue", "market", "pair", "verdict", "detail"))

    def adopt(self, published: Sequence[Named], rejects: Sequence[Named], loads: Sequence[Named]) -> None:
        """What became of some of these: a run that dies before the last of it finds the same again."""
        for table, rows in ((PUBLISHED, published), (REJECTS, rejects), (LOADS, loads)):
            assert all(row.keys() <= {*table.names} for row in rows), table.name
            self._put(table, [tuple(row.get(name) for name in table.names) for row in rows])

    def withdraw(self, outgrown: Sequence[tuple[Held, str]]) -> None:
        """Nobody is told any more that these are there, nor their minutes."""
        loads, published = self.tables[LOADS.name], self.tables[PUBLISHED.name]
        for one, why in outgrown:
            log.warning("event=withdrawn object=%s why=%s", one.object, why)
            files = ", ".join(f"'{name}'" for name in one.files)
            mine = f"object IN ({files}) AND first_day BETWEEN DATE '{one.month.first}' AND DATE '{one.month.last}'"
            told = f"SET verdict = 'not_published', detail = 'withdrawn: {why}' WHERE {mine} AND verdict = 'loaded'"
            loads.sql(f"UPDATE delta.`{loads.path}` {told}")
            objects = f"'{one.object}', '{minutes_of(one.month).key}'"
            published.sql(f"DELETE FROM delta.`{published.path}` WHERE object IN ({objects})")  # noqa: S608 - keys that we have made
            self._forget()

    def tell(self, store: Store) -> None:
        """For `backfill`: the newest version of each file that history was made of."""
        there, version = store.get(LISTED), self.tables[LOADS.name].version
        if there is not None and json.loads(there[0]).get("version") == version:
            return
        newest = Window.partitionBy("object").orderBy(F.col("loaded_at").desc())
        good = self._read(LOADS).where(F.col("verdict").isin(*IN_ORDER))
        rows = good.withColumn("place", F.row_number().over(newest)).where("place = 1")
        files = {row["object"]: row["sha256"] for row in keys(rows.select("object", "sha256").orderBy("object"))}
        told = json.dumps({"v": 1, "version": version, "files": files}).encode()
        store.replace(LISTED, told, there[1] if there else None)

    def _read(self, table: Table) -> DataFrame:
        return self.tables[table.name].read()

    def _put(self, table: Table, rows: Sequence[Values]) -> None:
        if rows:
            schema = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
            self.tables[table.name].merge(frame(self.spark, rows, schema), "TRUE", nulls=NULLS)
            if table is PUBLISHED:
                self._forget()

    def _forget(self) -> None:
        self.__dict__.pop("published", None)


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


def _held(row: Row) -> Held:
    runs = None
    if row["runs"] is not None:
        runs = tuple(
            Range(run["low"], run["high"], _mark(run["first_id"], first), _mark(run["last_id"], last))
            for run, first, last in zip(row["runs"], row["first_ts"], row["last_ts"], strict=True)
        )
    files = tuple(one["object"] for one in row["sources"])
    return Held(_month(row), row["object"], row["sha256"], row["first_id"], row["last_id"], files, runs)


def _mark(id_: int | None, at: int | None) -> Mark | None:
    return None if id_ is None or at is None else Mark(id_, at)


def _rejects(one: "Loaded", now: datetime) -> Iterator[Values]:
    sums = {seen.file.key: seen.sha256 for seen in one.files}
    for key, reject in one.found.rejects:
        yield (key, sums[key], reject.line, 0, *one.month.series, reject.trade_id, reject.reason, reject.raw, now)


def _load(one: "Loaded", seen: "Seen", now: datetime) -> Values:
    is_in_order = seen.verdict not in ("checksum", "unreadable")
    verdict = "not_published" if is_in_order and one.verdict != "published" else seen.verdict
    file, told = seen.file, seen.told
    was_read = one.found.rows or one.verdict == "published"
    counts = (told.rows, told.first_id, told.last_id, told.rejects) if was_read else (None, None, None, None)
    detail = seen.detail or one.detail
    return (
        file.key,
        seen.sha256,
        one.month.dataset,
        *one.month.series,
        file.first,
        file.last,
        seen.bytes,
        *counts,
        verdict,
        detail,
        now,
    )


def _of_files(one: "Loaded", now: datetime) -> Values:
    found = one.found
    missing = sum(high - low + 1 for low, high in found.holes) if found.is_dense else None
    runs = [_run(run) for run in found.runs.all] if found.is_dense else None
    made = [{"object": seen.file.key, "sha256": seen.sha256} for seen in one.files if seen.verdict == "loaded"]
    ids = (found.first_id, found.last_id)  # Nones of candles
    ends = (found.rows, *ids, missing, found.duplicates)
    return (one.month.dataset, *one.month.values, one.month.key, one.sha256, one.bytes, *ends, made, runs, None, now)


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
    return (one.month.dataset, *one.month.values, one.month.key, put.sha256, put.bytes, *ends, made, None, one.made_with, now)


def _month(row: Row) -> Month:
    return Month(*(row[name] for name in PUBLISHED.key))
