"""Bars of other widths than a minute: `minute_aggregates` put together, as far as it changed since the last run."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Row, SparkSession

from ingest.settings import Settings, minutes_in
from jobs.runtime import cli, derived
from jobs.runtime.changes import Taken
from jobs.runtime.derived import EVERYTHING, Source
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Live
from jobs.runtime.session import session
from jobs.tables.bars import BARS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.transforms.bars import bars, counted, looked_at, reached
from jobs.transforms.spans import Spans, predicate


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
    live, taken = Live(spark, where.store, lease, BARS, where.table(BARS.name)), Taken(where.store, BARS.name)
    minutes = derived.source(live, where, MINUTE_AGGREGATES.name, "minute")
    rule = {"widths": sorted(widths)}
    changed = derived.changed(live, where, taken, rule, [minutes], full=full)
    counts = _written(live, where, minutes, widths, changed) if changed != {} else []
    derived.save(live, taken, rule, [minutes])
    totals = {name: sum(row[name] for row in counts) for name in ("bars", "written", "removed", "unfit")}
    return {"minutes": "all" if changed is None else "changed", **totals}


def _written(live: Live, where: Place, minutes: Source, widths: Mapping[str, int], changed: Spans | None) -> Sequence[Row]:
    seen, mine = EVERYTHING, EVERYTHING
    if changed is not None:
        reach = {pair: reached(spans, widths.values()) for pair, spans in changed.items()}
        seen, mine = predicate({pair: looked_at(spans) for pair, spans in reach.items()}, "minute"), predicate(reach, "start")
    made = bars(derived.rows(live, where, minutes).where(seen), widths)
    return derived.replaced(live, made, mine, counted(), [minutes])


if __name__ == "__main__":
    sys.exit(main())
