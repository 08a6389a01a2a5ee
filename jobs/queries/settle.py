"""The fate of every item in the objects of a batch that hold more than fresh trades: late rows to `trades`, the rest to `quarantine`."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.queries import leftovers, quarantine
from jobs.queries.live_tables import LiveTables
from jobs.queries.plan import Change
from jobs.runtime.frames import frame, keys
from jobs.transforms import fresh
from jobs.transforms.feeds import Feed, State, brought, voids
from jobs.transforms.lines import items


def state_frame(tables: LiveTables, state: State, *, resets: bool = True) -> DataFrame | None:
    """What is known of each feed, for Spark."""
    rows = fresh.state_rows(state, resets=resets)
    return frame(tables.spark, rows, fresh.STATE_SCHEMA) if rows else None


def settle(tables: LiveTables, objects: Sequence[str], before: DataFrame | None, change: Change) -> dict[str, Any]:
    """Append what is late, quarantine what is no trade. `before`: the state before the batch. Returns its share of the record."""
    parsed = items(tables.lines(objects), tables.projection)
    classed = fresh.classified(parsed, before).withColumnRenamed("class", "was").persist()
    try:
        change.take(voids(leftovers.seen_ids(classed)), tables.dense)
        # what was committed a moment ago must not look like an id reset now
        rest = fresh.classified(classed, state_frame(tables, change.state, resets=False))
        late = _append_late(tables, rest, change)
        there = tables.trades_of(leftovers.minutes_of(leftovers.disputable(rest)))
        fated = leftovers.judged(rest, there).persist()
        try:
            told = leftovers.counts(fated)
            _quarantine(tables, fated, told)
        finally:
            fated.unpersist()
    finally:
        classed.unpersist()
    return leftovers.summary(told, late) | {"objects": len(objects)}


def _append_late(tables: LiveTables, rest: DataFrame, change: Change) -> Mapping[str, int]:
    """Append what is fresh and could not go with the others: of an earlier day, or such as only a look-up or all readings can tell."""
    suspects = leftovers.suspects(rest)
    if not keys(suspects.groupBy("class").count()):
        return {}
    there = tables.trades_of([*leftovers.minutes_of(suspects), *_spanning(tables, suspects, change)])
    rows = leftovers.once(leftovers.absent(suspects, there)).withColumn("day", F.to_date("ts"))
    found = keys(rows.groupBy("was", "pair", "day").count())
    tables.check()
    commit = tables.trades.append(fresh.trade_rows(_by_day(tables, rows, {(row["pair"], row["day"]) for row in found})))
    change.take(brought(tables.marks_of(commit.added)), tables.dense)
    added: Counter[str] = Counter()
    for row in found:
        added[row["was"]] += row["count"]
    return added


def _by_day(tables: LiveTables, rows: DataFrame, days: Collection[tuple[str, date]]) -> DataFrame:
    """A file for each pair and day: times prune files, and one late row of last year would widen its file to a year."""
    if len(days) <= 1:
        return rows.coalesce(1)
    numbered = frame(tables.spark, [(*day, place) for place, day in enumerate(sorted(days))], "pair STRING, day DATE, file INT")
    return rows.join(F.broadcast(numbered), on=["pair", "day"]).repartitionById(len(days), F.col("file"))


def _spanning(tables: LiveTables, suspects: DataFrame, change: Change) -> list[Any]:
    """Of feeds without dense ids: the minutes whose ids span a suspect's, and those that have no row yet, or an older one."""
    few = suspects.where(~F.col("dense")).select(*fresh.FEED, "trade_id").distinct()
    bounds = tables.minutes.read().select(*fresh.FEED, "minute", "first_id", "last_id")
    spanning = few.join(bounds, on=list(fresh.FEED)).where("trade_id BETWEEN first_id AND last_id")
    found = keys(spanning.select(*fresh.FEED, F.expr(fresh.MINUTE_OF.replace("ts", "minute")).alias("minute")).distinct())
    feeds = {Feed(*row) for row in keys(few.select(*fresh.FEED).distinct())}
    tops = {feed: change.state[feed].top if feed in change.state else None for feed in feeds}
    unsaid = ((feed, {*change.touched.get(feed, ()), change.tops.get(feed), tops[feed]}) for feed in feeds)
    return [*found, *((*feed, minute) for feed, minutes in unsaid for minute in minutes if minute is not None)]


def _quarantine(tables: LiveTables, fated: DataFrame, told: Sequence[Any]) -> None:
    days = [row for row in told if row["fate"] in (leftovers.QUARANTINED, leftovers.CONFLICT)]
    if not days:
        return
    first, last = min(row["first_day"] for row in days), max(row["last_day"] for row in days)
    quarantine.append(tables.quarantine, leftovers.quarantine_rows(fated), first, last)
