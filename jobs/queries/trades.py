"""The `trades` channel: exactly once without trusting anything. The order of the commits carries it; see docs/architecture.md."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange
from ingest.settings import Epoch
from jobs.queries import leftovers, tell
from jobs.queries.plan import Change, Plan, plan, predicate, whole
from jobs.runtime.frames import frame, keys, observed
from jobs.runtime.live import Live
from jobs.runtime.mend import Damage
from jobs.runtime.progress import Progress, Versions
from jobs.transforms import fresh
from jobs.transforms.feeds import Brought, Feed, State, brought, offered, voids
from jobs.transforms.lines import items, quick_items
from jobs.transforms.minutes import minutes

log = logging.getLogger(__name__)
VIEW = "minutes_to_merge"


class Unbalanced(Exception):  # noqa: N818 - says what is so
    """A batch's items do not add up."""


@dataclass
class Trades:
    """The query's state between batches, and its three tables."""

    spark: SparkSession
    exchanges: Mapping[tuple[str, str], Exchange]
    epochs: Sequence[Epoch]
    root: str  # where landing objects are, as Spark names it
    trades: Live
    quarantine: Live
    minutes: Live
    progress: Progress
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    state: State = field(default_factory=dict)
    settled: bool = False  # is everything that the state knows of brought? Until then it is neither kept nor acted upon
    lock: threading.RLock = field(default_factory=threading.RLock)
    dense: Mapping[tuple[str, str, str], bool] = field(init=False)

    def __post_init__(self) -> None:
        self.dense = {
            (venue, market, kind): feed.dense
            for (venue, market), exchange in self.exchanges.items()
            for kind, feed in offered(exchange).items()
        }

    # ------------------------------------------------------------------ start

    def start(self) -> None:
        """Learn the state, and bring the minutes of everything that a former driver committed and did not bring."""
        with self.lock:
            self.settled = False
            for live in (self.trades, self.quarantine, self.minutes):
                live.open()
            at = self.progress.load(self.trades, self.quarantine, self.minutes)
            versions = at[1] if at is not None else self.progress.reflected(self.minutes)
            later = self._later(versions)
            if versions is None or later is None:
                self.start_over()
                return
            self.state = at[0] if at is not None else self._scanned(versions)
            change = Change(self.state)
            change.take(later[0], self.dense)
            change.take(later[1], self.dense)
            self._bring(change, fast=False)
            self._restart_timers()
            self.save()

    def _scanned(self, versions: Versions) -> State:
        """Ranges from one scan of ids and times, up to the versions that the minutes reflect."""
        state: State = {}
        change = Change(state)
        rows = self.spark.read.format("delta").option("versionAsOf", versions.trades).load(self.trades.path)
        change.take(brought(keys(fresh.marks(rows))), self.dense)
        read = self.spark.read.format("delta").option("versionAsOf", versions.quarantine)
        change.take(voids(leftovers.seen_ids(read.load(self.quarantine.path))), self.dense)
        return state

    def _later(self, versions: Versions | None) -> tuple[Mapping[Feed, Brought], Mapping[Feed, Brought]] | None:
        """What came after these versions; None where the log does not tell any more, so that everything has to be brought."""
        if versions is None:
            return None
        trades = self.trades.added_after(versions.trades)
        quarantined = self.quarantine.added_after(versions.quarantine)
        if trades is None or quarantined is None:
            return None
        came = brought(keys(fresh.marks(self.trades.files(trades)))) if trades else {}
        seen = voids(leftovers.seen_ids(self.quarantine.files(quarantined))) if quarantined else {}
        return came, seen

    def start_over(self) -> None:
        """Believe nothing but `trades` and `quarantine`: learn the state from them, make every minute anew."""
        with self.lock:
            self.settled = False
            self.state = {}
            change = Change(self.state)
            if (
                self.trades.version or self.quarantine.version
            ):  # else they were made a moment ago: a scan of nothing costs jobs, too
                change.take(brought(keys(fresh.marks(self.trades.read()))), self.dense)
                change.take(voids(leftovers.seen_ids(self.quarantine.read())), self.dense)
            if self.state or self.minutes.version > 0:
                rows = minutes(self.trades.read(), self.exchanges)
                told = tell.told(self.spark, rows, self.state, self.dense, self.state.keys(), frozenset(), self.now())
                self.minutes.overwrite(told.where("begins").drop("begins"), None, **self._reflects())
            self.settled = True
            self._restart_timers()
            self.save()

    def _restart_timers(self) -> None:
        """Nobody remembers when the newest trades of a former run were committed."""
        for known in self.state.values():
            known.newest = self.clock()

    def note_damage(self, damaged: Sequence[Damage]) -> None:
        """One row in quarantine for each damaged object."""
        with self.lock:
            for damage in damaged:
                log.error("event=object_corrupt object=%s detail=%s", damage.object, damage.detail)
            rows = frame(self.spark, [leftovers.damage_row(damage) for damage in damaged], leftovers.DAMAGE_SCHEMA)
            new = leftovers.new_in_quarantine(rows, self.quarantine.read().where("reason = 'object_corrupt'"))
            if damaged:
                self.quarantine.append(new)

    # ------------------------------------------------------------------ a batch

    def batch(self, lines: DataFrame, number: int, query: str) -> dict[str, Any]:
        """Take in the lines (`value`, `object`) of one batch. Returns its record."""
        with self.lock:
            self._check()
            self.settled = False
            state, bars = self._state_frame(), fresh.bar_rows(self.state)
            first, second = Observation(), Observation()
            classed = fresh.quickly_classified(
                quick_items(lines, self.exchanges, self.epochs), frame(self.spark, bars, fresh.BARS) if bars else None
            )
            copies = fresh.first_copies(classed.observe(first, *fresh.batch_counts())).observe(second, *fresh.copy_counts())
            commit = self.trades.append(fresh.trade_rows(copies.where("fresh")))
            seen = observed(first, classed, fresh.batch_counts())
            kept = observed(second, fresh.first_copies(classed), fresh.copy_counts())
            change = Change(self.state)
            exact = kept["again"] == 0 and seen[fresh.VOID] == 0
            marks = [tuple(mark) for mark in kept["marks"]] if exact else self._marks_of(commit.added)
            change.take(brought(marks), self.dense)
            record = {
                "batch": number,
                "query": query,
                "lines": seen["lines"],
                "items": seen["items"],
                "control": seen[fresh.CONTROL],
                "fresh": kept["fresh"],
            }
            objects = sorted(set(seen["objects"]) | set(kept["objects"]))
            record |= self._leftovers(objects, state, change) if objects else {}
            record["items"] += record.pop("more", 0)  # what only the whole reading tells apart, and what it knows to be empty
            record["control"] += record.pop("empty", 0)
            self._balance(record)
            self._bring(change, fast=True)
            for feed in change.touched:
                self.state[feed].newest = self.clock()
            self.save(force=False)
            self.progress.record(record, query, number)
            return record

    def _check(self) -> None:
        """Is each table as this driver left it? Asked before each batch and each commit."""
        for live in (self.trades, self.quarantine, self.minutes):
            live.check()

    def _state_frame(self, *, resets: bool = True) -> DataFrame | None:
        rows = fresh.state_rows(self.state, resets=resets)
        return frame(self.spark, rows, fresh.STATE_SCHEMA) if rows else None

    def _marks_of(self, added: Sequence[str]) -> list[Any]:
        return list(keys(fresh.marks(self.trades.files(added)))) if added else []

    def _leftovers(self, objects: Sequence[str], state: DataFrame | None, change: Change) -> dict[str, Any]:
        """The fate of every item of the objects that hold more than fresh trades."""
        parsed = items(self._lines(objects), self.exchanges, self.epochs)
        before = fresh.classified(parsed, state).withColumnRenamed("class", "was").persist()
        try:
            change.take(voids(leftovers.seen_ids(before)), self.dense)
            # what was committed a moment ago must not look like an id reset now
            rest = fresh.classified(before, self._state_frame(resets=False))
            late = self._late(rest, change)
            fated = leftovers.judged(rest, self._there(leftovers.minutes_of(leftovers.disputable(rest)))).persist()
            try:
                told = leftovers.counts(fated)
                self._quarantine(fated, told)
            finally:
                fated.unpersist()
        finally:
            before.unpersist()
        return leftovers.summary(told, late) | {"objects": len(objects)}

    def _late(self, rest: DataFrame, change: Change) -> dict[str, int]:
        """Append what is fresh and could not go with the rest: of an earlier day, or such as only a look-up or all readings can tell."""
        suspects = leftovers.suspects(rest)
        if not keys(suspects.groupBy("class").count()):
            return {}
        there = self._there([*leftovers.minutes_of(suspects), *self._spanning(suspects, change)])
        rows = leftovers.once(leftovers.absent(suspects, there))
        added = {row["was"]: row["count"] for row in keys(rows.groupBy("was").count())}
        by_day = rows.repartition("pair", F.to_date("ts"))  # late rows lie in files of their own, by day
        self._check()
        commit = self.trades.append(fresh.trade_rows(by_day))
        change.take(brought(self._marks_of(commit.added)), self.dense)
        return added

    def _spanning(self, suspects: DataFrame, change: Change) -> list[Any]:
        """Of feeds without dense ids: the minutes whose ids span a suspect's, and those that have no row yet, or an older one."""
        few = suspects.where(~F.col("dense")).select(*fresh.FEED, "trade_id").distinct()
        bounds = self.minutes.read().select(*fresh.FEED, "minute", "first_id", "last_id")
        spanning = few.join(bounds, on=list(fresh.FEED)).where("trade_id BETWEEN first_id AND last_id")
        found = keys(spanning.select(*fresh.FEED, F.expr(fresh.MINUTE_OF.replace("ts", "minute")).alias("minute")).distinct())
        feeds = {Feed(*row) for row in keys(few.select(*fresh.FEED).distinct())}
        unsaid = ((feed, {*change.touched.get(feed, ()), change.tops.get(feed), self._top(feed)}) for feed in feeds)
        return [*found, *((*feed, minute) for feed, minutes_ in unsaid for minute in minutes_ if minute is not None)]

    def _top(self, feed: Feed) -> int | None:
        return self.state[feed].top if feed in self.state else None

    def _there(self, minutes_: Sequence[Any]) -> DataFrame:
        """The trades of these minutes."""
        spans: dict[Feed, list[tuple[int, int]]] = {}
        for *feed, minute in minutes_:
            spans.setdefault(Feed(*feed), []).append((minute, minute))
        return self.trades.read().where(predicate(spans, "ts") if spans else "FALSE")

    def _quarantine(self, fated: DataFrame, told: Sequence[Any]) -> None:
        days = [row for row in told if row["fate"] in (leftovers.QUARANTINED, leftovers.CONFLICT)]
        if not days:
            return
        first, last = min(row["first_day"] for row in days), max(row["last_day"] for row in days)
        months = f"year * 12 + month BETWEEN {_month_number(first)} AND {_month_number(last)}"
        rows = leftovers.new_in_quarantine(leftovers.quarantine_rows(fated), self.quarantine.read().where(months))
        self._check()
        self.quarantine.append(rows.coalesce(1))

    def _lines(self, objects: Sequence[str]) -> DataFrame:
        return lines_of(self.spark.read, [f"{self.root}/{name}" for name in objects])

    # ------------------------------------------------------------------ minutes

    def _bring(self, change: Change, *, fast: bool, close: frozenset[Feed] = frozenset()) -> None:
        """Write the minutes that the change brings along."""
        self.settled = False
        made = plan(change, fast=fast, close=close)
        self._append(made, close)
        self._merge(made, close)
        for feed, bare in made.bare.items():
            self.state[feed].bare = bare
        for feed in close:
            self.state[feed].shown = True
        self.settled = True

    def _append(self, made: Plan, close: frozenset[Feed]) -> None:
        if not made.append:
            return
        spans = whole(made.append)
        rows = minutes(tell.within(self.spark, self.trades.read(), spans), self.exchanges)
        told = tell.told(self.spark, rows, self.state, self.dense, spans.keys(), close, self.now())
        self._check()
        # where a merge follows, the minutes reflect the trades only after that one
        self.minutes.append(told.drop("begins"), **({} if made.merge else self._reflects()))

    def _merge(self, made: Plan, close: frozenset[Feed]) -> None:
        if not made.merge:
            return
        rows = minutes(tell.within(self.spark, self.trades.read(), made.merge), self.exchanges)
        told = tell.told(self.spark, rows, self.state, self.dense, made.merge.keys(), close, self.now())
        told.createOrReplaceTempView(VIEW)
        self._check()
        self.minutes.sql(tell.merge_statement(self.minutes.path, VIEW, made.merge), **self._reflects())
        self.spark.catalog.dropTempView(VIEW)

    def close(self, feeds: frozenset[Feed] | None = None) -> None:
        """Write the rows of open minutes that have none: at the end of a run, or when nothing came for long."""
        with self.lock:
            chosen = frozenset(
                feed for feed, known in self.state.items() if known.top is not None and (feeds is None or feed in feeds)
            )
            if chosen and self.settled:
                self._bring(Change(self.state), fast=False, close=chosen)
                self.save()

    def overdue(self, after: float) -> frozenset[Feed]:
        """Feeds whose open minute has no row though its newest trade was committed so many seconds ago."""
        if not self.lock.acquire(blocking=False):
            return frozenset()  # a batch is under way
        try:
            now = self.clock()
            waiting = {feed: known for feed, known in self.state.items() if known.top is not None and not known.shown}
            return frozenset(feed for feed, known in waiting.items() if self.settled and now - known.newest >= after)
        finally:
            self.lock.release()

    def _reflects(self) -> dict[str, int]:
        return {"trades": self.trades.version, "quarantine": self.quarantine.version}

    def save(self, *, force: bool = True) -> None:
        """Write the progress; now and then will do. What a broken batch left is not written: its minutes would be lost."""
        with self.lock:
            if self.settled:
                self.progress.save(self.state, self.trades, self.quarantine, self.minutes, force=force)

    def _balance(self, record: dict[str, Any]) -> None:
        parts = ("control", "fresh", "late", "replayed", "duplicates", "conflicts", "quarantined")
        total = sum(record.get(part, 0) for part in parts)
        if total != record["items"]:
            raise Unbalanced(f"batch {record['batch']}: {record['items']} items, but {total} accounted for: {record}")


def lines_of(reader: Any, paths: Any) -> DataFrame:  # noqa: ANN401 - a DataFrameReader or a DataStreamReader, a path or many
    """Landing lines with the object they lie in, relative to the lake."""
    found: DataFrame = reader.option("lineSep", "\n").option("recursiveFileLookup", "true").text(paths)
    return found.select(
        "value", F.expr("substring(_metadata.file_path, instr(_metadata.file_path, '/landing/channel=') + 1)").alias("object")
    )


def _month_number(day: str) -> int:
    return int(day[:4]) * 12 + int(day[5:7])
