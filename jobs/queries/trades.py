"""The `trades` channel: exactly once without trusting anything. The order of the commits carries it; see docs/architecture.md."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, Observation

from jobs.queries import learn, quarantine
from jobs.queries.bring import bring, bring_all
from jobs.queries.live_tables import LiveTables
from jobs.queries.plan import Change
from jobs.queries.settle import settle, state_frame
from jobs.runtime.frames import frame, observed
from jobs.runtime.mend import Damage
from jobs.runtime.progress import Progress, Records
from jobs.transforms import fresh
from jobs.transforms.feeds import Feed, State, brought
from jobs.transforms.lines import quick_items, with_numbers

log = logging.getLogger(__name__)


class Unbalanced(Exception):  # noqa: N818 - says what is so
    """A batch's items do not add up."""


@dataclass
class Trades:
    """The query's state between batches, and its tables."""

    tables: LiveTables
    progress: Progress
    records: Records
    clock: Callable[[], float] = time.monotonic
    state: State = field(default_factory=dict)
    settled: bool = False  # is everything that the state knows of brought? Until then it is neither kept nor acted upon
    lock: threading.RLock = field(default_factory=threading.RLock)

    # ------------------------------------------------------------------ start

    def start(self) -> None:
        """Learn the state, and bring the minutes of everything that a former driver committed and did not bring."""
        with self.lock:
            self.settled = False
            self.tables.open()
            at = self.progress.load(*self.tables.all)
            versions = at[1] if at is not None else self.progress.reflected(self.tables.minutes)
            if versions is None or (later := learn.later(self.tables, versions)) is None:
                self.start_over()
                return
            self.state = at[0] if at is not None else learn.up_to(self.tables, versions)
            change = Change(self.state)
            change.take(later.trades, self.tables.dense)
            change.take(later.seen, self.tables.dense)
            self._bring(change, fast=False)
            self._restart_timers()
            self.save()

    def start_over(self) -> None:
        """Believe nothing but `trades` and `quarantine`: learn the state from them, make every minute anew."""
        with self.lock:
            self.settled = False
            # tables made a moment ago hold nothing, and to scan that costs jobs, too
            is_new = self.tables.trades.version == self.tables.quarantine.version == 0
            self.state = {} if is_new else learn.whole(self.tables)
            if self.state or self.tables.minutes.version > 0:
                bring_all(self.tables, self.state)
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
            quarantine.note_damage(self.tables.quarantine, damaged)

    # ------------------------------------------------------------------ a batch

    def batch(self, frames: DataFrame, number: int, query: str) -> dict[str, Any]:
        """Take in one batch, as `LiveTables.frames_of` reads it. Returns its record."""
        tables = self.tables
        with self.lock:
            tables.check()
            self.settled = False
            before, bars = state_frame(tables, self.state), fresh.bar_rows(self.state)
            observation = Observation()
            classed = fresh.quickly_classified(
                quick_items(frames, tables.projection), frame(tables.spark, bars, fresh.BARS) if bars else None
            )
            copies = fresh.first_copies(classed)
            # observed before the filter: what is not fresh is counted, too
            kept = copies.observe(observation, *fresh.batch_counts()).where(fresh.is_fresh())
            commit = tables.trades.append(fresh.trade_rows(with_numbers(kept)))
            seen = observed(observation, copies, fresh.batch_counts())
            change = Change(self.state)
            exact = seen["again"] == 0 and seen[fresh.VOID] == 0
            marks = [tuple(mark) for mark in seen["marks"]] if exact else tables.marks_of(commit.added)
            change.take(brought(marks), tables.dense)
            record = {
                "batch": number,
                "query": query,
                "lines": seen["lines"],
                "items": seen["items"],
                "control": seen[fresh.CONTROL],
                "fresh": seen["fresh"],
            }
            record |= settle(tables, sorted(seen["objects"]), before, change) if seen["objects"] else {}
            record["items"] += record.pop("more", 0)  # what only the whole reading tells apart, and what it knows to be empty
            record["control"] += record.pop("empty", 0)
            _balance(record)
            record["unfit"] = self._bring(change, fast=True)
            for feed in change.touched:
                self.state[feed].newest = self.clock()
            self.save(force=False)
            self.records.record(record, query, number)
            return record

    # ------------------------------------------------------------------ minutes

    def _bring(self, change: Change, *, fast: bool, close: frozenset[Feed] = frozenset()) -> int:
        self.settled = False
        unfit = bring(self.tables, change, fast=fast, close=close)
        if unfit:
            log.warning("event=minutes_unfit minutes=%d", unfit)
        self.settled = True
        return unfit

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

    def save(self, *, force: bool = True) -> None:
        """Write the progress; now and then will do. What a broken batch left is not written: its minutes would be lost."""
        with self.lock:
            if self.settled:
                self.progress.save(self.state, *self.tables.all, force=force)


def _balance(record: dict[str, Any]) -> None:
    parts = ("control", "fresh", "late", "replayed", "duplicates", "conflicts", "quarantined")
    total = sum(record.get(part, 0) for part in parts)
    if total != record["items"]:
        raise Unbalanced(f"batch {record['batch']}: {record['items']} items, but {total} accounted for: {record}")
