"""What buying or selling an amount at once comes to: the books of `order_books` that are new since the last run, walked."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import Row, SparkSession

from ingest.settings import Settings
from jobs.runtime import cli, derived
from jobs.runtime.changes import Taken
from jobs.runtime.derived import EVERYTHING, Source
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Live
from jobs.runtime.session import session
from jobs.tables.fills import FILLS
from jobs.tables.order_books import ORDER_BOOKS
from jobs.transforms.fills import compared, fills, partition_counts, texts
from jobs.transforms.spans import Spans, partitions, predicate


def main(arguments: list[str] | None = None) -> int:
    """Make the fills from the command line."""
    made = cli.parser(
        "fills",
        "Walk order books: what buying or selling the amounts in jobs.fills.notionals at once comes to. Those that are new.",
        "./spark-submit.sh fills --conf conf/local.yaml",
    )
    made.add_argument("--rebuild", action="store_true", help="walk all books, whatever the last run has taken in")
    return cli.main("fills", made, run, arguments)


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """What changed, the fills of that, their commit, and last how far we have come."""
    with held(where.store, FILLS.name, settings.jobs.lease.ttl) as lease:
        spark = session(settings.lake, FILLS.name)
        return _made(spark, where, lease, settings.jobs.fills.notionals, full=chosen.rebuild)


def _made(spark: SparkSession, where: Place, lease: Lease, notionals: Sequence[Decimal], *, full: bool) -> Mapping[str, Any]:
    live, taken = Live(spark, where.store, lease, FILLS, where.table(FILLS.name)), Taken(where.store, FILLS.name)
    books = derived.source(live, where, ORDER_BOOKS.name, "recv_ts")
    rule = {"notionals": texts(notionals)}
    changed = derived.changed(live, where, taken, rule, [books], full=full)
    counts = _written(live, where, books, notionals, changed) if changed != {} else []
    derived.save(live, taken, rule, [books])
    totals = {name: sum(row[name] for row in counts) for name in ("fills", "written", "removed", "cut", "unfit")}
    return {"books": "all" if changed is None else "changed", **totals}


def _written(live: Live, where: Place, books: Source, notionals: Sequence[Decimal], changed: Spans | None) -> Sequence[Row]:
    """Add what is new; where a fill is another one or gone, replace all that was looked at of its partition. Counts of each."""
    seen = EVERYTHING if changed is None else predicate(changed, "recv_ts")
    found = derived.rows(live, where, books).where(seen)
    rows = compared(fills(found, notionals), live.read().where(seen)).persist()
    version = {books.name: books.version}
    try:
        counts = keys(partition_counts(rows))
        mine = {(row["pair"], row["year"], row["month"]): row for row in counts if row["written"] or row["removed"]}
        spoilt = [part for part, row in mine.items() if row["replaced"] or row["removed"]]
        made = rows.where("is_made")
        if spoilt:
            part = f"{partitions(mine)} AND {seen}"
            live.overwrite(made.where(part).select(*FILLS.names).repartition(*FILLS.partitioned_by), part, **version)
        elif mine:
            live.append(made.where("is_changed").select(*FILLS.names).repartition(*FILLS.partitioned_by), **version)
        return counts
    finally:
        rows.unpersist()


if __name__ == "__main__":
    sys.exit(main())
