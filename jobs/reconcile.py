"""Our minutes against the exchange's own candles, as far as either changed since the last run."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from ingest.exchanges import EXCHANGES
from ingest.settings import Settings
from jobs.runtime import cli, derived
from jobs.runtime.changes import Taken, Untold
from jobs.runtime.derived import EVERYTHING, Source
from jobs.runtime.frames import frame, keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Live
from jobs.runtime.session import session
from jobs.tables.klines import KLINES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.reconciliation import DIFFERS, NO_MINUTE, RECONCILIATION, VERDICTS
from jobs.transforms.covered import Covered, covered, grown, moved, plain
from jobs.transforms.feeds import Feed
from jobs.transforms.reconciliation import COVERED, REACH, counted, ends, reconciled
from jobs.transforms.spans import Spans, predicate, time_of, widened

log = logging.getLogger(__name__)
JOB = "reconcile"
RULE = {"reach": REACH}


def main(arguments: list[str] | None = None) -> int:
    """Compare from the command line."""
    made = cli.parser(
        JOB,
        "Compare minutes with the exchange's own candles: those that changed. Exit code 3: a new difference that nothing explains.",
        "./spark-submit.sh reconcile --conf conf/local.yaml",
    )
    made.add_argument("--full", action="store_true", help="look at all minutes, whatever the last run has taken in")
    return cli.main(JOB, made, run, arguments, wrong)


def wrong(summary: Mapping[str, Any]) -> str | None:
    """Has a difference come up that nothing explains?"""
    count = summary["new_unexplained"]
    return f"{count} minutes are not the exchange's, and nothing explains it: verdicts {DIFFERS}, {NO_MINUTE}" if count else None


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """What changed, the verdicts on that, their commit, and last how far we have come."""
    with held(where.store, JOB, settings.jobs.lease.ttl) as lease:
        return _made(session(settings.lake, JOB), where, lease, full=chosen.full)


def _made(spark: SparkSession, where: Place, lease: Lease, *, full: bool) -> Mapping[str, Any]:
    live, taken = Live(spark, where.store, lease, RECONCILIATION, where.table(RECONCILIATION.name)), Taken(where.store, JOB)
    sources = [
        derived.source(live, where, MINUTE_AGGREGATES.name, "minute"),
        derived.source(live, where, KLINES.name, "open_time"),
    ]
    changed = derived.changed(live, where, taken, RULE, sources, full=full)
    minutes = derived.rows(live, where, sources[0])
    covers, changed = _covered(minutes, taken, changed)
    counts = _written(live, taken, where, sources, covers, changed) if changed != {} else []
    derived.save(live, taken, RULE, sources, plain(covers))
    totals = {name: sum(row[name] for row in counts) for name in (*VERDICTS, "written", "removed", "new_unexplained")}
    return {"minutes": "all" if changed is None else "changed", **totals}


def _covered(minutes: DataFrame, taken: Taken, changed: Spans | None) -> tuple[Covered, Spans | None]:
    """What the feeds cover now, and the minutes that changed, also those that are covered or not by now."""
    if changed is None:
        return _ends(minutes), None
    kept = taken.kept()
    before = None if kept is None else covered(kept)
    if before is not None and not changed:
        return before, changed
    after = None if before is None else grown(before, changed, _ends(minutes.where(predicate(changed, "minute"))))
    if before is None or after is None:
        log.info(
            "event=all_of_it job=%s why=the first or the last minute of a feed is %s",
            taken.job,
            "not known" if before is None else "gone",
        )
        return _ends(minutes), None
    spans = {pair: list(found) for pair, found in changed.items()}
    for pair, span in moved(before, after):
        spans.setdefault(pair, []).append(span)
    return after, spans


def _ends(minutes: DataFrame) -> Covered:
    return {Feed(*series): (first, last) for *series, first, last in keys(ends(minutes, EXCHANGES))}


def _written(  # noqa: PLR0913, PLR0917 - what the parts of a run have found out
    live: Live, taken: Taken, where: Place, sources: Sequence[Source], covers: Covered, changed: Spans | None
) -> Sequence[Row]:
    seen, mine = [EVERYTHING] * len(sources), EVERYTHING
    if changed is not None:
        reach = {pair: widened(spans, REACH) for pair, spans in changed.items()}
        looked_at = {pair: widened(spans, REACH) for pair, spans in reach.items()}
        seen, mine = [predicate(looked_at, one.time) for one in sources], predicate(reach, "minute")
    minutes, candles = (derived.rows(live, where, one).where(within) for one, within in zip(sources, seen, strict=True))
    spans = [(*feed, *map(time_of, span)) for feed, span in covers.items() if changed is None or feed.pair in changed]
    made = reconciled(minutes, candles, frame(live.spark, spans, COVERED), EXCHANGES)
    return derived.replaced(live, made, mine, counted(is_told=_is_told(live, taken)), sources)


def _is_told(live: Live, taken: Taken) -> bool:
    """Is what stands there what a run that came to its end has left? If not, nobody was told of what it found."""
    try:
        return taken.load(RULE, live.table.name)[live.table.name] == derived.now(live)
    except Untold:
        return False


if __name__ == "__main__":
    sys.exit(main())
