"""What keeps a lake quick to read and to list: small files joined, files that nobody reads any more removed, closed days sealed."""

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ingest.settings import Upkeep as Settings
from jobs.runtime import archive, sources
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.runtime.live import Live, snapshot
from jobs.tables import TABLES

log = logging.getLogger(__name__)
SMALL = 16_000_000  # bytes; a larger file is not written again
LARGE = 128_000_000  # of what small ones are joined to: a larger one would tell too wide a range of times
CROWD = 20  # small files that a partition may have
TOGETHER = 20  # partitions in a statement: each statement costs a second, and the stream's commits wait for it
SETTINGS = {
    "spark.databricks.delta.optimize.minFileSize": str(SMALL),
    "spark.databricks.delta.optimize.maxFileSize": str(LARGE),
    # its two commits would be somebody else's to us, and tell nobody anything
    "spark.databricks.delta.vacuum.logging.enabled": "false",
    # Delta reads `RETAIN` as nothing but a wish unless told otherwise, and keeps seven days
    "spark.databricks.delta.vacuum.retentionWindowIgnore.enabled": "false",
    # ours to say, and the configuration has a least value of its own
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
}
GROUP = "upkeep"
AFTER_FAILURE = timedelta(minutes=5)
EVERY = timedelta(hours=1)
VACUUM_EVERY = timedelta(days=1)
KEY = "control/progress/upkeep.json"
UNPARSED = ("diffs",)  # channels that no query reads


@dataclass
class Upkeep:
    """One run after the other over the tables and channels of a lake, each within the budget. Its driver holds the stream's lease."""

    spark: SparkSession  # a session of its own: see Live.sql
    where: Place
    settings: Settings
    tables: Callable[[], Sequence[Live]]  # that are open
    checkpoints: Callable[[], Mapping[str, str]]  # of each channel that a query reads
    stopping: Callable[[], bool] = lambda: False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    crowd: int = CROWD
    largest: int = archive.LARGEST
    _until: float = field(default=0.0, init=False)

    def run(self) -> dict[str, int]:
        """As much as there is time for; what is left waits for the next run."""
        for name, value in SETTINGS.items():
            self.spark.conf.set(name, value)
        self._until = self.clock() + self.settings.budget.total_seconds()
        told = {**self._seal(), **self._optimize(), **self._vacuum(), "out_of_time": int(self._is_over())}
        self._remember(ran=self.now())
        log.info("event=upkeep %s", " ".join(f"{name}={value}" for name, value in told.items()))
        return told

    def wait(self) -> timedelta:
        """How long until the next run, whichever driver made the last; a lake's first driver does not begin with it."""
        ran = self._remembered().get("ran")
        if ran is None:
            self._remember(ran=self.now())
            return EVERY
        return max(timedelta(), datetime.fromisoformat(ran) + EVERY - self.now())

    # --- the landing zone

    def _seal(self) -> dict[str, int]:
        total = archive.Done()
        for channel, objects in self._closed():
            done = archive.seal(self.where.store, objects, stopping=self._is_over, largest=self.largest)
            total += done
            if done.parts or done.damaged:
                log.info("event=sealed channel=%s objects=%d parts=%d", channel, done.objects, done.parts)
        return {"sealed_objects": total.objects, "archive_parts": total.parts, "damaged": total.damaged}

    def _closed(self) -> Iterator[tuple[str, list[str]]]:
        """The objects of closed days that nothing but `rebuild` will read again."""
        store, checkpoints = self.where.store, self.checkpoints()
        for channel in (*checkpoints, *UNPARSED):
            closed = {key for key in store.keys(f"landing/channel={channel}/") if self._is_closed(key)}
            if not closed or self._is_over():
                continue
            if channel in checkpoints:
                # the newest batch comes again where its commit is lost
                closed &= set(sources.committed(store, checkpoints[channel], but=1))
            yield channel, sorted(closed)

    def _is_closed(self, key: str) -> bool:
        return archive.is_closed(archive.day_of(key), self.now(), self.settings.seal_after)

    # --- the tables

    def _optimize(self) -> dict[str, int]:
        partitions = 0
        for live in self.tables():
            for month, pairs in self._crowded(live):
                for some in (pairs[at : at + TOGETHER] for at in range(0, len(pairs), TOGETHER)):
                    if self._is_over():
                        return {"optimized_partitions": partitions}
                    live.sql_in(self.spark, f"OPTIMIZE delta.`{live.path}`{_within(live, month, some)}")
                    partitions += len(some)
        return {"optimized_partitions": partitions}

    def _crowded(self, live: Live) -> list[tuple[Mapping[str, str], list[str]]]:
        """Partitions with more small files than they may have: of each month its pairs, the worst first."""
        files = DataFrame(snapshot(self.spark, live.path).allFiles().toDF(), self.spark)
        parts = [F.col("partitionValues")[name].alias(name) for name in live.table.partitioned_by]
        counts = files.where(F.col("size") < SMALL).groupBy(*parts).count().where(F.col("count") > self.crowd)
        found: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for row in keys(counts.orderBy(F.col("count").desc(), *live.table.partitioned_by)):
            month = tuple((name, row[name]) for name in live.table.partitioned_by if name != "pair")
            found.setdefault(month, []).append(row["pair"] if "pair" in live.table.partitioned_by else "")
        return [(dict(month), pairs) for month, pairs in found.items()]

    def _vacuum(self) -> dict[str, int]:
        """Each table once a day, those of other jobs too: it removes what no version needs that is younger than the setting says."""
        done = self._remembered().get("vacuumed", {})
        hours = math.ceil(self.settings.vacuum_after / timedelta(hours=1))
        count = 0
        for name in TABLES:
            last = done.get(name)
            if self._is_over():
                break
            if last is not None and self.now() - datetime.fromisoformat(last) < VACUUM_EVERY:
                continue
            if snapshot(self.spark, self.where.table(name)).version() < 0:
                continue
            self.spark.sql(f"VACUUM delta.`{self.where.table(name)}` RETAIN {hours} HOURS")
            done[name] = self.now().isoformat()
            self._remember(vacuumed=done)
            count += 1
        return {"vacuumed_tables": count}

    # --- what one run leaves for the next

    def _is_over(self) -> bool:
        return self.stopping() or self.clock() >= self._until

    def _remembered(self) -> dict[str, Any]:
        found = self.where.store.get(KEY)
        told: dict[str, Any] = json.loads(found[0]) if found is not None else {}
        return told

    def _remember(self, **told: Any) -> None:  # noqa: ANN401 - JSON values, and times
        found = self.where.store.get(KEY)
        now = {**(json.loads(found[0]) if found else {}), **told}
        self.where.store.replace(KEY, json.dumps(now, default=datetime.isoformat).encode(), found[1] if found else None)


@contextmanager
def hourly(upkeep: Upkeep, then: Callable[[], object], stop: threading.Event) -> Iterator[None]:
    """Once an hour while the block runs, in a thread beside the batches; a run that fails is told, and the next one comes."""
    context = upkeep.spark.sparkContext

    def run() -> None:
        context.setJobGroup(GROUP, "upkeep", interruptOnCancel=True)
        context.setLocalProperty("spark.scheduler.pool", GROUP)
        while True:
            try:
                if stop.wait(upkeep.wait().total_seconds()):
                    return
                upkeep.run()
                then()
            except Exception:
                if stop.is_set():
                    return
                log.exception("event=upkeep_failed")
                stop.wait(AFTER_FAILURE.total_seconds())

    thread = threading.Thread(target=run, name="upkeep")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        while thread.is_alive():
            context.cancelJobGroup(GROUP)  # a statement may take minutes; what it did not commit is nothing
            thread.join(1)


def _within(live: Live, month: Mapping[str, str], pairs: Sequence[str]) -> str:
    """A literal condition on these partitions."""
    parts = [f"pair IN ({', '.join(repr(pair) for pair in pairs)})"] if "pair" in live.table.partitioned_by else []
    parts += [f"{name} = {value}" for name, value in month.items()]
    return f" WHERE {' AND '.join(parts)}" if parts else ""
