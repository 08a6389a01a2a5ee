"""Files of the inbox into history: the months whose files are not those that they were published from."""

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, TypeVar

from pyspark.sql import SparkSession

from ingest import landing
from ingest.landing import Store
from ingest.settings import Lake, Settings
from jobs.history import lines, live
from jobs.history.files import CHECKSUM, ROOT, Files, Held, Inbox, Month, inbox, sha256_in
from jobs.history.lines import is_lines
from jobs.history.minutes import put, wanted
from jobs.history.register import Register, register
from jobs.history.replaced import Replaced
from jobs.readers.told import follow
from jobs.runtime import changes, cli, frozen, history
from jobs.runtime.changes import At, Taken, Untold
from jobs.runtime.frames import told_by_workers
from jobs.runtime.lake import Place
from jobs.runtime.lease import held
from jobs.runtime.session import SessionError, session
from jobs.tables.klines import KLINES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.trades import TRADES
from jobs.transforms.ranges import Ranges
from jobs.transforms.spans import Spans
from jobs.transforms.spans import month as month_of

if TYPE_CHECKING:
    from jobs.history.load import Loaded

JOB = "compact"
RULE = {"runs": 1}  # what withdrawing goes by; another number makes the next run look at all months
FILED = {TRADES.name: "ts", KLINES.name: "open_time"}  # datasets that are made of files, each with its time
PORTION = 64  # months
ASKING = 16  # checksums that are read at a time
NAMED = 5  # refusals that the command line names
log = logging.getLogger(__name__)
Work = TypeVar("Work")
Sums = Mapping[str, str]  # of files, by key


def main(arguments: list[str] | None = None) -> int:
    """Compact from the command line."""
    made = cli.parser(
        JOB,
        "Make history of the files in the inbox: a month of a feed as one sorted parquet object, each file verified.",
        "./spark-submit.sh compact --conf conf/local.yaml",
    )
    return cli.main(JOB, made, run, arguments, wrong)


def wrong(summary: Mapping[str, Any]) -> str | None:
    """The months and files that were refused."""
    refused = summary["refusals"]
    more = f"; and {len(refused) - NAMED} more in loads" if len(refused) > NAMED else ""
    return "; ".join(refused[:NAMED]) + more if refused else None


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:  # noqa: ARG001 - as all jobs are called
    """What is new in the inbox, an object a month of that, and what became of each file."""
    try:
        import pyarrow as pa  # noqa: F401, PLC0415 - not every machine has it
    except ModuleNotFoundError as error:
        raise SessionError(f"{error.name} is not here: `make setup` installs it; see docs/operations.md") from error
    with held(where.store, JOB, settings.jobs.lease.ttl) as lease:
        spark, now = session(settings.lake, JOB), datetime.now(UTC)
        return Run(spark, where, settings, register(spark, where, lease, now), now).made()


@dataclass
class Run:
    """One run, under its lease."""

    spark: SparkSession
    where: Place
    settings: Settings
    register: Register
    now: datetime

    def made(self) -> Mapping[str, Any]:
        """First the months of files, then what the live tables have outgrown of them, then the minutes of all that is left."""
        seen = {name: changes.there(self.spark, self.where, name) for name in FILED}
        at = {name: version for name, version in seen.items() if version is not None}
        found = inbox(self.where.store.keys(ROOT), self.settings.ingest.epochs)
        sums, replaced = checksums(self.where.store, found), Replaced(self.where.store)
        new, gone = unpublished(found, sums, self.register.sources(), replaced.read())
        frozen.refuse(self.where, JOB, [file.key for one in new for file in (*one.taken, *one.beside)])
        done = self._load(new, at)
        taken = Taken(self.where.store, JOB)
        withdrawn = self._withdraw(taken, at)
        minutes_made = self._make_minutes()
        self._follow(taken)
        self._sweep()
        self.register.tell(self.where.store)
        taken.save(RULE, at, {"told": self.register.version})
        replaced.tell(found, sums, self.register.sources())
        published = [one for one in done if one.verdict == "published"]
        refused = [f"{one.month.key}: {one.detail}" for one in done if one.verdict != "published"]
        differing = [
            f"{seen.file.key}: {seen.detail}" for one in done for seen in one.files if seen.verdict == "differs_from_month"
        ]
        refused += [*gone, *withdrawn, *differing, *found.odd.values()]
        return {
            "months": len(found.months),
            "published": len(published),
            "rows": sum(one.found.rows for one in published),
            "rejected": sum(one.rejected for one in published),
            "minutes": minutes_made,
            "withdrawn": len(withdrawn),
            "refused": len(refused),
            "refusals": refused,
        }

    def _load(self, new: Sequence[Files], at: Mapping[str, At]) -> list["Loaded"]:
        of_lines = [files for files in new if is_lines(files.taken[0])]
        of_files = [files for files in new if not is_lines(files.taken[0])]
        done: list[Loaded] = []
        for files in _portions(of_files):
            there = live.ids(self.spark, self.where, [one.month for one in files], at)
            tasks = [(one, there.get(one.month, ())) for one in files]
            portion = told_by_workers(self.spark, partial(work, self.settings.lake), tasks)
            self.register.loaded(portion)
            done += portion
        for files in _portions(of_lines):
            with lines.loaded(self.spark, self.where, self.settings, files, at) as (portion, rejects):
                self.register.loaded(portion, rejects)
            done += portion
        return done

    def _withdraw(self, taken: Taken, at: Mapping[str, At]) -> list[str]:
        """The months that lack what has come to the live table since: what lies there of them goes last, see `_sweep`."""
        told = []
        for name, newest in at.items():
            try:
                changed = changes.since(self.where.store, name, FILED[name], taken.load(RULE, name)[name], newest)
            except Untold as why:
                log.info("event=all_of_it job=%s why=%s", JOB, why)
                changed = None
            there = [one for one in self.register.held(name) if changed is None or _is_in(one.month, changed)]
            ids = live.ids(self.spark, self.where, [one.month for one in there], at)
            lost = [(one, Ranges(list(one.runs)).without(ids.get(one.month, ()))) for one in there if one.runs is not None]
            outgrown = [(one, live.worse(one.month, absent)) for one, absent in lost if absent]
            outgrown += self._outgrown([one for one in there if one.runs is None], at)
            self.register.withdraw(outgrown)
            told += [f"{one.object}: withdrawn, for {why}" for one, why in outgrown]
        return told

    def _outgrown(self, there: Sequence[Held], at: Mapping[str, At]) -> list[tuple[Held, str]]:
        """The same where ids are not dense, so that there are no runs: by the ids themselves."""
        if not there:
            return []
        rows = history.read(self.spark, self.where, TRADES, [one.object for one in there])
        lost = live.lacking(self.spark, self.where, at, rows, [one.month for one in there])
        return [(one, lost[one.month]) for one in there if one.month in lost]

    def _make_minutes(self) -> int:
        """Of the months whose trades, or whose neighbours, are not those that theirs were made with."""
        trades, have = self.register.held(TRADES.name), self.register.minutes()
        there = live.live_minutes(self.spark, self.where)
        beside = live.ends(there, [one.month for one in trades]) if there is not None else {}
        new = [one for one in wanted(trades, beside) if have.get(one.month) != one.made_with]
        made = 0
        for months in _portions(new):
            portion = {one.month: one for one in months}
            told = put(self.spark, self.settings.lake, months, self.now)
            self.register.with_minutes([(portion[one.month], one) for one in told])
            made += sum(one.rows for one in told)
        return made

    def _follow(self, taken: Taken) -> None:
        """Athena's views name what is published: they are made anew before what was withdrawn is removed."""
        if (taken.kept() or {}).get("told") != self.register.version:
            names = [name for name in history.TABLES if changes.there(self.spark, self.where, name)]
            follow(self.settings.lake, self.settings.jobs.catalog, self.register.months(), names, self.register.check)

    def _sweep(self) -> None:
        """What lies below history and is not published: withdrawn, or of a run that was cut short."""
        known = self.register.objects()
        for name in (*FILED, MINUTE_AGGREGATES.name):
            for key in self.where.store.keys(f"history/{name}/"):
                if key not in known:
                    log.warning("event=swept object=%s", key)
                    self.where.store.delete(key)


def _portions(all_: Sequence[Work]) -> Iterator[Sequence[Work]]:
    """What is done between two commits: so much a run that was killed does again at most."""
    return (all_[start : start + PORTION] for start in range(0, len(all_), PORTION))


def _is_in(month: Month, changed: Spans) -> bool:
    low, high = month_of(month.year, month.month)
    return any(first <= high and last >= low for first, last in changed.get(month.pair, ()))


def checksums(store: Store, found: Inbox) -> Sums:
    """Of each file, as it is written beside it."""

    def read(key: str) -> str:
        there = store.get(key + CHECKSUM)
        return sha256_in(there[0]) if there else ""

    files = [file.key for month in found.months.values() for file in (*month.taken, *month.beside)]
    with ThreadPoolExecutor(ASKING) as pool:
        return dict(zip(files, pool.map(read, files), strict=True))


def unpublished(found: Inbox, sums: Sums, was: Mapping[Month, Sums], replaced: Sums) -> tuple[list[Files], list[str]]:
    """The months whose files are not those that they were published from; those of which files are gone, and what is said of that."""
    new, gone = list[Files](), list[str]()
    for month, files in found.months.items():
        here, before = {file.key: sums[file.key] for file in files.taken}, was.get(month, {})
        if here == before:
            continue
        absent = sorted(before.keys() - here.keys())
        if absent and not any(file.period == "monthly" for file in files.taken):
            if here.items() <= {**replaced, **before}.items():
                continue  # history has all that is left, and more
            gone.append(
                f"{month.key}: {len(absent)} files that it was made of are gone, such as {absent[0]}; with them, or with the month's, "
                "it can be made of those that are new"
            )
        else:
            new.append(files)
    return new, gone


def work(lake: Lake, task: tuple[Files, Sequence[tuple[int, int]]]) -> "Loaded":
    """What a worker does."""
    import pyarrow as pa  # noqa: PLC0415 - the driver of another job has none

    from jobs.history.load import Task, load  # noqa: PLC0415 - see above

    pa.set_cpu_count(1)  # Spark has as many workers as cores
    try:
        return load(Task(*task), landing.store(lake), Path(gettempdir()))
    finally:
        pa.default_memory_pool().release_unused()  # the worker waits for more, beside others


if __name__ == "__main__":
    sys.exit(main())
