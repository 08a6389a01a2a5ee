"""What buying or selling an amount at once comes to: the books of `order_books` that are new since the last run, walked."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from ingest.settings import Settings
from jobs.runtime import changes, cli
from jobs.runtime.changes import At, Spans, Taken
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Live
from jobs.runtime.session import session
from jobs.tables.fills import FILLS
from jobs.tables.order_books import ORDER_BOOKS
from jobs.transforms.fills import compared, fills, partition_counts, texts
from jobs.transforms.spans import partitions, predicate

BOOKS = ORDER_BOOKS.name
EVERYTHING = "TRUE"


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
    now, taken = changes.newest(spark, where, BOOKS), Taken(where.store, FILLS.name)
    live = Live(spark, where.store, lease, FILLS, where.table(FILLS.name))
    rule = {"notionals": texts(notionals)}
    changed = changes.to_take_in(live, taken, rule, BOOKS, "recv_ts", now, full=full)
    counts = _written(live, changes.read(spark, where, BOOKS, now), notionals, changed, now) if changed != {} else []
    taken.save(rule, {BOOKS: now, FILLS.name: changes.at(where.store, FILLS.name, live.version)})
    totals = {name: sum(row[name] for row in counts) for name in ("fills", "written", "removed", "cut", "unfit")}
    return {"books": "all" if changed is None else "changed", **totals}


def _written(live: Live, books: DataFrame, notionals: Sequence[Decimal], changed: Spans | None, now: At) -> Sequence[Row]:
    """Add what is new; where a fill is another one or gone, replace all that was looked at of its partition. Counts of each."""
    seen = EVERYTHING if changed is None else predicate(changed, "recv_ts")
    rows = compared(fills(books.where(seen), notionals), live.read().where(seen)).persist()
    try:
        counts = keys(partition_counts(rows))
        mine = {(row["pair"], row["year"], row["month"]): row for row in counts if row["written"] or row["removed"]}
        spoilt = [part for part, row in mine.items() if row["replaced"] or row["removed"]]
        made = rows.where("is_made")
        if spoilt:
            where = f"{partitions(mine)} AND {seen}"
            live.overwrite(
                made.where(where).select(*FILLS.names).repartition(*FILLS.partitioned_by), where, **{BOOKS: now.version}
            )
        elif mine:
            live.append(made.where("is_changed").select(*FILLS.names).repartition(*FILLS.partitioned_by), **{BOOKS: now.version})
        return counts
    finally:
        rows.unpersist()


if __name__ == "__main__":
    sys.exit(main())
