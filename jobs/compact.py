"""Files of the inbox into history: the months whose files are not those that they were published from."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession

from ingest import landing
from ingest.landing import Store
from ingest.settings import Lake, Settings
from jobs.history import live
from jobs.history.files import CHECKSUM, ROOT, Files, Inbox, Month, inbox, sha256_in
from jobs.history.minutes import put, rows, wanted
from jobs.history.register import Register, register
from jobs.runtime import changes, cli, history
from jobs.runtime.changes import At, Taken, Untold
from jobs.runtime.frames import told_by_workers
from jobs.runtime.lake import Place
from jobs.runtime.lease import held
from jobs.runtime.session import SessionError, session
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.trades import TRADES
from jobs.transforms.ranges import Ranges
from jobs.transforms.spans import Spans
from jobs.transforms.spans import month as month_of

if TYPE_CHECKING:
    from jobs.history.load import Loaded

JOB = "compact"
RULE = {"runs": 1}
PORTION = 64  # months between two commits: what a run that was killed does again at most
ASKING = 16  # checksums that are read at a time
NAMED = 5  # refusals that the command line names
log = logging.getLogger(__name__)
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
        return Run(spark, where, settings.lake, register(spark, where, lease, now), now).made()


@dataclass
class Run:
    """One run, under its lease."""

    spark: SparkSession
    where: Place
    lake: Lake
    register: Register
    now: datetime

    def made(self) -> Mapping[str, Any]:
        """First the months of trades, then what the live table has outgrown of them, then the minutes of all that is left."""
        at = changes.there(self.spark, self.where, TRADES.name)
        found = inbox(self.where.store.keys(ROOT))
        new, gone = unpublished(found, checksums(self.where.store, found), self.register.sources())
        done = self._load(new, at)
        taken = Taken(self.where.store, JOB)
        withdrawn = self._withdraw(taken, at)
        minutes_made = self._make_minutes()
        self._sweep()
        self.register.tell(self.where.store)
        taken.save(RULE, {} if at is None else {TRADES.name: at})
        published = [one for one in done if one.verdict == "published"]
        refused = [f"{one.month.key}: {one.detail}" for one in done if one.verdict != "published"]
        refused += [*gone, *withdrawn, *found.odd.values()]
        return {
            "months": sum(month.dataset == TRADES.name for month in found.months),
            "published": len(published),
            "rows": sum(one.found.rows for one in published),
            "rejected": sum(len(one.found.rejects) for one in published),
            "minutes": minutes_made,
            "withdrawn": len(withdrawn),
            "refused": len(refused),
            "refusals": refused,
        }

    def _load(self, new: Sequence[Files], at: At | None) -> list["Loaded"]:
        done: list[Loaded] = []
        for start in range(0, len(new), PORTION):
            files = new[start : start + PORTION]
            there = live.ids(self.spark, self.where, [one.month for one in files], at)
            tasks = [(one, there.get(one.month, ())) for one in files]
            portion = told_by_workers(self.spark, partial(work, self.lake), tasks)
            self.register.loaded(portion)
            done += portion
        return done

    def _withdraw(self, taken: Taken, at: At | None) -> list[str]:
        """The months that lack ids which have come to the live table since: what lies there of them goes last, see `_sweep`."""
        if at is None:
            return []
        try:
            changed = changes.since(self.where.store, TRADES.name, "ts", taken.load(RULE, TRADES.name)[TRADES.name], at)
        except Untold as why:
            log.info("event=all_of_it job=%s why=%s", JOB, why)
            changed = None
        there = [one for one in self.register.trades() if changed is None or _is_in(one.month, changed)]
        ids = live.ids(self.spark, self.where, [one.month for one in there], at)
        lost = [(one, Ranges(list(one.runs)).without(ids.get(one.month, ()))) for one in there if one.runs is not None]
        outgrown = [(one, live.worse(absent)) for one, absent in lost if absent]
        self.register.withdraw(outgrown)
        return [f"{one.object}: withdrawn, for {why}" for one, why in outgrown]

    def _make_minutes(self) -> int:
        """Of the months whose trades, or whose neighbours, are not those that theirs were made with."""
        trades, have = self.register.trades(), self.register.minutes()
        there = live.live_minutes(self.spark, self.where)
        beside = live.ends(there, [one.month for one in trades]) if there is not None else {}
        new = [one for one in wanted(trades, beside) if have.get(one.month) != one.made_with]
        made = 0
        for start in range(0, len(new), PORTION):
            portion = {one.month: one for one in new[start : start + PORTION]}
            read = history.read(self.spark, self.where, TRADES, [one.trades.object for one in portion.values()])
            told = put(rows(read, list(portion.values()), self.now), self.lake)
            self.register.with_minutes([(portion[one.month], one) for one in told])
            made += sum(one.rows for one in told)
        return made

    def _sweep(self) -> None:
        """What lies below history and is not published: withdrawn, or of a run that was cut short."""
        known = self.register.objects()
        for table in (TRADES, MINUTE_AGGREGATES):
            for key in self.where.store.keys(f"history/{table.name}/"):
                if key not in known:
                    log.warning("event=swept object=%s", key)
                    self.where.store.delete(key)


def _is_in(month: Month, changed: Spans) -> bool:
    low, high = month_of(month.year, month.month)
    return any(first <= high and last >= low for first, last in changed.get(month.pair, ()))


def checksums(store: Store, found: Inbox) -> Sums:
    """Of each file, as it is written beside it."""

    def read(key: str) -> str:
        there = store.get(key + CHECKSUM)
        return sha256_in(there[0]) if there else ""

    files = [file.key for month in found.months.values() for file in month.taken]
    with ThreadPoolExecutor(ASKING) as pool:
        return dict(zip(files, pool.map(read, files), strict=True))


def unpublished(found: Inbox, sums: Sums, was: Mapping[Month, Sums]) -> tuple[list[Files], list[str]]:
    """The months whose files are not those that they were published from; those of which files are gone, and what is said of that."""
    new, gone = list[Files](), list[str]()
    for month, files in found.months.items():
        here, before = {file.key: sums[file.key] for file in files.taken}, was.get(month, {})
        if month.dataset != TRADES.name or here == before:
            continue
        absent = sorted(before.keys() - here.keys())
        if absent and not any(file.period == "monthly" for file in files.taken):
            if here.items() <= before.items():
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
    return load(Task(*task), landing.store(lake), Path(gettempdir()))


if __name__ == "__main__":
    sys.exit(main())
