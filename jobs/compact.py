"""Files of the inbox into history: the months whose files are not those that they were published from."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from ingest import landing
from ingest.landing import Store
from ingest.settings import Lake, Settings
from jobs.history.files import CHECKSUM, ROOT, Files, Inbox, Month, inbox, sha256_in
from jobs.runtime import cli, derived
from jobs.runtime.frames import frame, keys, told_by_workers
from jobs.runtime.lake import Place
from jobs.runtime.lease import held
from jobs.runtime.live import Live, snapshot
from jobs.runtime.session import SessionError, session
from jobs.tables.loads import LOADS
from jobs.tables.published import PUBLISHED
from jobs.tables.rejects import REJECTS
from jobs.tables.trades import TRADES

if TYPE_CHECKING:
    from jobs.history.load import Loaded, Seen

JOB = "compact"
LISTED = "control/loads.json"  # what `backfill` need not fetch again
PORTION = 64  # months between two commits: what a run that was killed does again at most
ASKING = 16  # checksums that are read at a time
NAMED = 5  # refusals that the command line names
Sums = Mapping[str, str]  # of files, by key
Tables = Mapping[str, Live]
TABLES = (LOADS, PUBLISHED, REJECTS)


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
        spark = session(settings.lake, JOB)
        tables = {table.name: Live(spark, where.store, lease, table, where.table(table.name)) for table in TABLES}
        for live in tables.values():
            derived.open_anyhow(live)
        return _made(spark, where, settings.lake, tables, datetime.now(UTC))


def _made(spark: SparkSession, where: Place, lake: Lake, tables: Tables, now: datetime) -> Mapping[str, Any]:
    found = inbox(where.store.keys(ROOT))
    new = list(unpublished(found, checksums(where.store, found), sources(tables[PUBLISHED.name])))
    done: list[Loaded] = []
    for start in range(0, len(new), PORTION):
        files = new[start : start + PORTION]
        live = live_ids(spark, where, [one.month for one in files])
        portion = told_by_workers(spark, partial(work, lake), [(one, live.get(one.month, ())) for one in files])
        _commit(spark, tables, portion, now)
        done += portion
    _list(where.store, tables[LOADS.name])
    published = [one for one in done if one.verdict == "published"]
    refused = [f"{one.month.key}: {one.detail}" for one in done if one.verdict != "published"]
    return {
        "months": sum(month.dataset == "trades" for month in found.months),
        "published": len(published),
        "rows": sum(one.found.rows for one in published),
        "rejected": sum(len(one.found.rejects) for one in published),
        "refused": len(refused) + len(found.odd),
        "refusals": [*refused, *found.odd.values()],
    }


def checksums(store: Store, found: Inbox) -> Sums:
    """Of each file, as it is written beside it."""

    def read(key: str) -> str:
        there = store.get(key + CHECKSUM)
        return sha256_in(there[0]) if there else ""

    files = [file.key for month in found.months.values() for file in month.taken]
    with ThreadPoolExecutor(ASKING) as pool:
        return dict(zip(files, pool.map(read, files), strict=True))


def sources(live: Live) -> Mapping[Month, Sums]:
    """The files that each month of history was published from."""
    rows = keys(live.read().select(*PUBLISHED.key, "sources"))
    return {
        Month(*(row[name] for name in PUBLISHED.key)): {one["object"]: one["sha256"] for one in row["sources"]} for row in rows
    }


def unpublished(found: Inbox, sums: Sums, was: Mapping[Month, Sums]) -> Iterable[Files]:
    """The months whose files are not those that they were published from."""
    for month, files in found.months.items():
        if month.dataset == "trades" and {file.key: sums[file.key] for file in files.taken} != was.get(month):
            yield files


def live_ids(spark: SparkSession, where: Place, months: Sequence[Month]) -> Mapping[Month, Sequence[tuple[int, int]]]:
    """The ids that the live table has of these months, as ranges."""
    if snapshot(spark, where.table(TRADES.name)).version() < 0:
        return {}
    parts = {(month.pair, month.year, month.month) for month in months}
    within = " OR ".join(f"(pair = '{pair}' AND year = {year} AND month = {number})" for pair, year, number in sorted(parts))
    feed = ["venue", "market", "feed", "pair", "year", "month"]
    rows = spark.read.format("delta").load(where.table(TRADES.name)).where(within)
    place = F.row_number().over(Window.partitionBy(*feed).orderBy("trade_id"))
    runs = rows.select(*feed, "trade_id", (F.col("trade_id") - place).alias("run")).groupBy(*feed, "run")
    found: dict[Month, list[tuple[int, int]]] = {}
    for row in keys(runs.agg(F.min("trade_id").alias("low"), F.max("trade_id").alias("high"))):
        found.setdefault(Month("trades", *(row[name] for name in feed)), []).append((row["low"], row["high"]))
    return found


def work(lake: Lake, task: tuple[Files, Sequence[tuple[int, int]]]) -> "Loaded":
    """What a worker does."""
    import pyarrow as pa  # noqa: PLC0415 - the driver of another job has none

    from jobs.history.load import Task, load  # noqa: PLC0415 - see above

    pa.set_cpu_count(1)  # Spark has as many workers as cores
    return load(Task(*task), landing.store(lake), Path(gettempdir()))


def _commit(spark: SparkSession, tables: Tables, done: Sequence["Loaded"], now: datetime) -> None:
    """What was found, then what is published: a run that dies between the two finds the same again."""
    rejects, loads, published = [], [], []
    for one in done:
        feed = (one.month.venue, one.month.market, one.month.feed, one.month.pair)
        sums = {seen.file.key: seen.sha256 for seen in one.files}
        rejects += [(key, sums[key], reject.line, *feed, reject.reason, reject.raw, now) for key, reject in one.found.rejects]
        loads += [_load(one, seen, now) for seen in one.files]
        if one.verdict == "published":
            missing = sum(high - low + 1 for low, high in one.found.holes)
            made = [{"object": seen.file.key, "sha256": seen.sha256} for seen in one.files]
            ends = (one.found.rows, one.found.first_id, one.found.last_id, missing, one.found.duplicates)
            month = ("trades", *feed, one.month.year, one.month.month)
            published.append((*month, one.month.key, one.sha256, one.bytes, *ends, made, now))
    for table, rows in ((REJECTS, rejects), (LOADS, loads), (PUBLISHED, published)):
        if rows:
            schema = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
            tables[table.name].merge(frame(spark, rows, schema), "TRUE")


def _load(one: "Loaded", seen: "Seen", now: datetime) -> tuple[Any, ...]:
    verdict = "not_published" if seen.verdict == "loaded" and one.verdict != "published" else seen.verdict
    file, told = seen.file, seen.told
    was_read = one.found.rows or one.verdict == "published"
    counts = (told.rows, told.first_id, told.last_id, told.rejects) if was_read else (None, None, None, None)
    feed = (one.month.venue, one.month.market, one.month.feed, one.month.pair)
    detail = seen.detail or one.detail
    return (file.key, seen.sha256, "trades", *feed, file.first, file.last, seen.bytes, *counts, verdict, detail, now)


def _list(store: Store, loads: Live) -> None:
    """For `backfill`: the newest version of each file that history was made of."""
    newest = Window.partitionBy("object").orderBy(F.col("loaded_at").desc())
    rows = loads.read().where("verdict = 'loaded'").withColumn("place", F.row_number().over(newest)).where("place = 1")
    files = {row["object"]: row["sha256"] for row in keys(rows.select("object", "sha256").orderBy("object"))}
    told = json.dumps({"v": 1, "files": files}).encode()
    there = store.get(LISTED)
    if there is None or there[0] != told:
        store.replace(LISTED, told, there[1] if there else None)


if __name__ == "__main__":
    sys.exit(main())
