"""Bars of other widths than a minute: `minute_aggregates` put together, as far as it changed since the last run."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from ingest.settings import Settings, minutes_in
from jobs.runtime import changes, cli
from jobs.runtime.changes import At, Taken, Untold
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Foreign, Live
from jobs.runtime.session import session
from jobs.tables.bars import BARS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.transforms.bars import bars, compared, looked_at, partition_counts, reached
from jobs.transforms.spans import Span, predicate

log = logging.getLogger(__name__)
MINUTES = MINUTE_AGGREGATES.name
EVERYTHING = "TRUE"
Spans = Mapping[str, Sequence[Span]]  # of pairs


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
    changed = _changed(live, taken, rule, now, full=full)
    counts = _written(live, _minutes(spark, where, now), widths, changed, now) if changed != {} else []
    taken.save(rule, {MINUTES: now, BARS.name: changes.at(where.store, BARS.name, live.version)})
    totals = {name: sum(row[name] for row in counts) for name in ("bars", "written", "removed", "unfit")}
    return {"minutes": "all" if changed is None else "changed", **totals}


def _changed(live: Live, taken: Taken, rule: Any, now: At, *, full: bool) -> Spans | None:  # noqa: ANN401 - a JSON value
    """The minutes that changed since the last run; None: everything has to be looked at."""
    try:
        live.open()
        return None if full else _since(live, taken.load(rule, MINUTES, BARS.name), now)
    except Untold as why:
        log.info("event=all_minutes why=%s", why)
    except Foreign as found:
        log.error("event=foreign_commit detail=%s", found)  # noqa: TRY400 - no trace: it is not this program that went wrong
        live.open(accept=True)
    return None


def _since(live: Live, was: Mapping[str, At], now: At) -> Spans:
    """What changed, if the bars are still those that the last run left, or went on from."""
    changes.check(live.store, BARS.name, was[BARS.name], changes.at(live.store, BARS.name, live.version))
    live.check_after(was[BARS.name].version)
    return changes.since(live.store, MINUTES, "minute", was[MINUTES], now)


def _minutes(spark: SparkSession, where: Place, now: At) -> DataFrame:
    """The stream may go on meanwhile."""
    return spark.read.format("delta").option("versionAsOf", now.version).load(where.table(MINUTES))


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
        spoilt = _partitions([row for row in counts if row["written"] or row["removed"]])
        if spoilt:
            kept = stood.where(f"NOT {mine}").select(*BARS.names)
            new = rows.where("is_made").select(*BARS.names).unionByName(kept).where(spoilt)
            live.overwrite(new.repartition(*BARS.partitioned_by), spoilt, **{MINUTES: now.version})
        return counts
    finally:
        rows.unpersist()


def _partitions(rows: Sequence[Row]) -> str:
    """A literal condition that names these partitions."""
    pairs: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        pairs.setdefault((row["year"], row["month"]), []).append(row["pair"])
    parts = (
        f"(year = {year} AND month = {month} AND pair IN ({', '.join(repr(pair) for pair in sorted(found))}))"
        for (year, month), found in sorted(pairs.items())
    )
    return " OR ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
