"""The ledger of holes: found where minutes miss ids or a collector says so, followed until they are closed, published for `repair`."""

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from ingest.exchanges import EXCHANGES
from ingest.settings import Settings
from jobs.queries.holes import EVENTS, MINUTES, Holes, Suspect, dense_markets, placed, with_zone
from jobs.runtime import changes, cli, derived
from jobs.runtime.changes import Taken
from jobs.runtime.frames import frame, keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import held
from jobs.runtime.live import Live
from jobs.runtime.session import session
from jobs.tables.gaps import GAPS, HALT, IMPLAUSIBLE, NOT_COLLECTED, OPEN, UNRECOVERABLE
from jobs.transforms import gaps, ledger, spans
from jobs.transforms.feeds import Feed
from jobs.transforms.ledger import Evidence, Gap, Ids, Rules, Run, Word
from jobs.transforms.spans import Span

log = logging.getLogger(__name__)
KEY = "control/open-gaps.json"  # read by `ingest repair`
VERSION = 1
SCHEMA = ", ".join(f"`{column.name}` {column.type}" for column in GAPS.columns)
BEYOND = (IMPLAUSIBLE, UNRECOVERABLE)
GIVEN_UP = (*BEYOND, NOT_COLLECTED)  # states in which something is missing, and nobody is asked to fill it


def main(arguments: list[str] | None = None) -> int:
    """Bring the ledger up to date, from the command line."""
    made = cli.parser(
        "gaps",
        "Find the holes in the trades, follow each until it is closed, and publish those that are open for `ingest repair`.",
        "./spark-submit.sh gaps --conf conf/local.yaml",
    )
    made.add_argument("--full", action="store_true", help="look at all minutes and events, whatever the last run has taken in")
    return cli.main("gaps", made, run, arguments, verdict)


def verdict(told: cli.Summary) -> str | None:
    """What is wrong with the data."""
    wrong = [f"{told[name]} {name.replace('_', ' ')}" for name in ("open", "beyond_repair") if told[name]]
    return f"{' and '.join(wrong)}; `python -m ingest repair` fills what can be had" if wrong else None


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """What is new, what follows from it, its commit, the list, and last how far we have come."""
    with held(where.store, GAPS.name, settings.jobs.lease.ttl) as lease:
        spark = session(settings.lake, GAPS.name)
        live = Live(spark, where.store, lease, GAPS, where.table(GAPS.name))
        minutes, events = derived.source(live, where, MINUTES, "minute"), changes.there(spark, where, EVENTS)
        at = {**minutes.tables, **({EVENTS: events} if events else {})}
        taken, rule = Taken(where.store, GAPS.name), {"halt_after": str(settings.jobs.gaps.halt_after), "tables": sorted(at)}

        def since() -> News:
            was = derived.left(live, taken, rule, *at)
            added = changes.added(live.store, EVENTS, was[EVENTS], at[EVENTS]) if EVENTS in at else ()
            return News(derived.since(live, where, was, [minutes]), added)

        news = derived.news(live, GAPS.name, since, full=chosen.full)
        news = news or News()
        counts = _follow(live, Holes(spark, where, at, settings.ingest.epochs), settings, news)
        taken.save(rule, {**at, GAPS.name: derived.now(live)})
    return {"minutes": "all" if news.minutes is None else "changed", **counts}


@dataclass(frozen=True)
class News:
    """What one run has to look at. None: everything."""

    minutes: Mapping[str, Sequence[Span]] | None = None
    events: Sequence[str] | None = None


def _follow(live: Live, holes: Holes, settings: Settings, news: News) -> Mapping[str, int]:
    """Look, judge, write, publish. The counts of it."""
    now = datetime.now(UTC)
    words = holes.words(news.events)
    near = holes.near(news.minutes) if news.minutes != {} else None
    unsettled = _standing(live, F.col("state").isin(OPEN, *GIVEN_UP))
    borders = holes.borders(near) if near is not None else []
    suspects = holes.suspects(near, [gap for gap in unsettled if gap.state != OPEN]) if near is not None else []
    pairs = {
        feed.pair for feed in [*(one.feed for one in suspects), *(word.feed for word in words), *(one.feed for one in borders)]
    }
    settled = _standing(live, ~F.col("state").isin(OPEN, *GIVEN_UP, HALT) & F.col("pair").isin(sorted(pairs))) if pairs else []
    standing = [*unsettled, *settled]
    changed = judged(holes, Seen(words, suspects, borders), standing, now)
    halted = 0
    if near is not None:
        told = gaps.halts(near, settings.jobs.gaps.halt_after, F.lit(now))
        halts = told.join(live.read().select(*GAPS.key), on=list(GAPS.key), how="left_anti").persist()
        found = {row["pair"]: row["count"] for row in keys(halts.groupBy("pair").count())}
        halted = sum(found.values())
        _write(live, changed, halts, {*found, *(gap.feed.pair for gap in changed)})
    else:
        _write(live, changed, None, {gap.feed.pair for gap in changed})
    still = [gap for gap in {gap.key: gap for gap in (*standing, *changed)}.values() if gap.state == OPEN]
    _publish(live, sorted(still, key=lambda gap: gap.key), now)
    before = {gap.key: gap.state for gap in standing}
    return {
        "found": sum(gap.key not in before for gap in changed),
        "halts": halted,
        "closed": sum(gap.state != OPEN and before.get(gap.key) == OPEN for gap in changed),
        "open": len(still),
        "missing": sum(gap.missing or 0 for gap in still),
        "beyond_repair": sum(gap.state in BEYOND and before.get(gap.key) not in BEYOND for gap in changed),
    }


def _standing(live: Live, which: Column) -> list[Gap]:
    """Rows of the ledger that may be other ones now."""
    return [_gap(row) for row in keys(live.read().where(which))]


@dataclass(frozen=True)
class Seen:
    """What one run has heard and seen of holes."""

    words: Sequence[Word]
    suspects: Sequence[Suspect]
    borders: Sequence[Run] = ()


def judged(holes: Holes, seen: Seen, standing: Sequence[Gap], now: datetime) -> list[Gap]:
    """The rows that are new, or other ones than those that stand."""
    rules, words, suspects = _rules(), seen.words, seen.suspects
    told = ledger.suspected(placed(words, holes), standing, rules)
    looked_at = _intervals(suspects)
    touched = [gap for gap in (*standing, *told) if _matters(gap, words, looked_at)]
    found = holes.located(suspects, [gap for gap in touched if rules.is_dense(gap.feed)])
    mine: dict[Feed, list[ledger.Run]] = {}
    for one in found.absent:
        mine.setdefault(one.feed, []).append(one)

    def judge(gap: Gap, heard: Sequence[Word]) -> Gap:
        gone = ledger.absent(gap, mine.get(gap.feed, ()), found.ends.get(gap.feed))
        return ledger.judged(gap, Evidence(gone, found.fillings.get(gap.key), heard), rules, now)

    new = ledger.found(ledger.cut(ledger.inside(found.absent, looked_at), (*standing, *told)), now, holes.is_unasked)
    new += ledger.found(ledger.cut(seen.borders, (*standing, *told)), now, lambda *_: True)
    rows = [*(judge(gap, words) for gap in touched), *new]
    before = {gap.key: gap for gap in standing}
    anew = {gap.key for gap in rows if gap.state == OPEN and (gap.key not in before or before[gap.key].state != OPEN)}
    if anew:  # somebody may have spoken of these in an earlier run
        heard = holes.words(None, {feed.pair for feed, _ in anew})
        rows = [judge(gap, heard) if gap.key in anew else gap for gap in rows]
    return [gap for gap in rows if before.get(gap.key) != gap]


def _rules() -> Rules:
    dense = dense_markets()
    files = [(*market, kind) for market, exchange in EXCHANGES.items() if exchange.dumps for kind in exchange.dumps.kinds]
    return Rules(
        lambda feed: (feed.venue, feed.market, feed.kind) in dense,
        lambda feed: (feed.venue, feed.market, feed.kind) in files,
    )


def _intervals(suspects: Sequence[Suspect]) -> Mapping[Feed, Sequence[Ids]]:
    """Of each feed the ids between which every trade is looked at."""
    found: dict[Feed, list[Ids]] = {}
    for suspect in suspects:
        found.setdefault(suspect.feed, []).append(suspect.ids)
    return {feed: spans.joined(ids) for feed, ids in found.items()}


def _matters(gap: Gap, words: Sequence[Word], looked_at: Mapping[Feed, Sequence[Ids]]) -> bool:
    """May it be another row now?"""
    low, high = gap.inside
    overlaps = any(low <= last and high >= first for first, last in looked_at.get(gap.feed, ()))
    return gap.state == OPEN or overlaps or any(word.feed == gap.feed and ledger.is_of(word, gap) for word in words)


def _write(live: Live, rows: Sequence[Gap], halts: DataFrame | None, pairs: set[str]) -> None:
    if not pairs:
        return
    made = frame(live.spark, map(_plain, rows), SCHEMA)
    both = (made if halts is None else made.unionByName(halts)).coalesce(1)
    live.merge(both, f"t.pair IN ({', '.join(map(repr, sorted(pairs)))})")
    for gap in rows:
        log.info("event=gap state=%s feed=%s before=%d missing=%s", gap.state, "/".join(gap.feed), gap.before_id, gap.missing)


def _publish(live: Live, rows: Sequence[Gap], now: datetime) -> None:
    """What `repair` is to fill."""
    ids = ("before_id", "after_id", "first_missing_id", "last_missing_id", "missing")
    told = [
        {
            **gap.feed._asdict(),
            **{name: getattr(gap, name) for name in ids},
            **{name: _text(getattr(gap, name)) for name in ("before_ts", "after_ts")},
        }
        for gap in rows
    ]
    data = json.dumps({"v": VERSION, "as_of": _text(now), "gaps": told}).encode()
    there = live.store.get(KEY)
    live.store.replace(KEY, data, there[1] if there else None)


def _text(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"


def _gap(row: Row) -> Gap:
    names = [field.name for field in fields(Gap) if field.name != "feed"]
    return Gap(Feed(*(row[name] for name in gaps.SERIES)), **{name: with_zone(row[name]) for name in names})


def _plain(gap: Gap) -> tuple[Any, ...]:
    at = gap.before_ts or gap.after_ts or gap.detected_at
    told = {**gap.feed._asdict(), **{field.name: getattr(gap, field.name) for field in fields(gap) if field.name != "feed"}}
    return tuple({**told, "year": at.year, "month": at.month}[column.name] for column in GAPS.columns)


if __name__ == "__main__":
    sys.exit(main())
