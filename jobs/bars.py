"""Bars of other widths than a minute: `minute_aggregates` put together, as far as it changed since the last run."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from ingest.settings import Settings, minutes_in
from jobs.runtime import changes, cli
from jobs.runtime.changes import At, Spans, Taken
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Live
from jobs.runtime.session import session
from jobs.tables.bars import BARS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.transforms.bars import bars, compared, looked_at, partition_counts, reached
from jobs.transforms.spans import partitions, predicate

MINUTES = MINUTE_AGGREGATES.name
EVERYTHING = "TRUE"


def main(arguments: list[str] | None = None) -> int:
    """Make the bars from the command line."""
    made = cli.parser(
        "bars",
        "Put minutes together to bars of other widths: those that changed.",
        "./spark-submit.sh bars --conf conf/local.yaml",
    )
    made.add_argument("--full", action="store_true", help="look at all minutes, whatever the last run has taken in")
    return cli.main("bars", made, run, arguments)


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """What changed, the bars of that, their commit, and last how far we have come."""
    widths = {width: minutes_in(width) or 0 for width in settings.jobs.bars.widths}
    with held(where.store, BARS.name, settings.jobs.lease.ttl) as lease:
        return _made(session(settings.lake, BARS.name), where, lease, widths, full=chosen.full)


def _made(spark: SparkSession, where: Place, lease: Lease, widths: Mapping[str, int], *, full: bool) -> Mapping[str, Any]:
    now, taken = changes.newest(spark, where, MINUTES), Taken(where.store, BARS.name)
    live = Live(spark, where.store, lease, BARS, where.table(BARS.name))
    rule = {"widths": sorted(widths)}
    changed = changes.to_take_in(live, taken, rule, MINUTES, "minute", now, full=full)
    counts = _written(live, changes.read(spark, where, MINUTES, now), widths, changed, now) if changed != {} else []
    taken.save(rule, {MINUTES: now, BARS.name: changes.at(where.store, BARS.name, live.version)})
    totals = {name: sum(row[name] for row in counts) for name in ("bars", "written", "removed", "unfit")}
    return {"minutes": "all" if changed is None else "changed", **totals}


def _written(live: Live, minutes: DataFrame, widths: Mapping[str, int], changed: Spans | None, now: At) -> Sequence[Row]:
    """Write the partitions in which a bar is another one now, each whole. Counts of each partition that was looked at."""
    seen, mine = EVERYTHING, EVERYTHING
    if changed is not None:
        reach = {pair: reached(spans, widths.values()) for pair, spans in changed.items()}
        seen, mine = predicate({pair: looked_at(spans) for pair, spans in reach.items()}, "minute"), predicate(reach, "start")
    stood = live.read()
    rows = compared(bars(minutes.where(seen), widths).where(mine), stood.where(mine), datetime.now(UTC)).persist()
    try:
        counts = keys(partition_counts(rows))
        spoilt = [(row["pair"], row["year"], row["month"]) for row in counts if row["written"] or row["removed"]]
        if spoilt:
            where = partitions(spoilt)
            kept = stood.where(f"NOT {mine}").select(*BARS.names)
            new = rows.where("is_made").select(*BARS.names).unionByName(kept).where(where)
            live.overwrite(new.repartition(*BARS.partitioned_by), where, **{MINUTES: now.version})
        return counts
    finally:
        rows.unpersist()


if __name__ == "__main__":
    sys.exit(main())
