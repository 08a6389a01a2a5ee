"""Files of other systems into the lake: ticks, order books and candles as landing lines, minutes and spreads into history."""

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ingest.settings import PAIR, Settings, SettingsError
from jobs.adoption import files, placed, shown
from jobs.adoption.files import Source
from jobs.adoption.numbers import moment
from jobs.adoption.placed import HISTORY, LANDING
from jobs.adoption.taken import Group, Taken, taken
from jobs.adoption.values import ZONE, Asked, Reject, Row
from jobs.runtime import cli
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import held
from jobs.runtime.live import snapshot
from jobs.runtime.session import SessionError, session
from jobs.tables import IMPORTED as TABLES
from jobs.tables.imported_minutes import IMPORTED
from jobs.tables.trades import TRADES

if TYPE_CHECKING:
    from jobs.history.register import Register

JOB = "adopt"
DRY_RUN = "say of each file what it is, what is in it and where it would go"
LEASE = "compact"  # whose tables these are
MOST_FILES, MOST_BYTES = 500, 64_000_000  # of a portion: what is done again at most after a run that was killed
ROW, REJECT = 500, 1000  # bytes that a row in memory is counted as
NAMED = 5  # refusals that the command line names
ADOPTED, UNREADABLE = "adopted", "unreadable"  # verdicts
log = logging.getLogger(__name__)
Series = tuple[str, str, str, str, int, int]  # venue, market, kind, pair, year, month


def main(arguments: list[str] | None = None) -> int:
    """Adopt from the command line."""
    made = cli.parser(
        JOB,
        "Take in what another system has kept: ticks, order books, candles, minutes, spreads; which of these a file is, it tells itself.",
        "./spark-submit.sh adopt --conf conf/local.yaml --dry-run old/ticks BTCUSDT_1h.csv",
        DRY_RUN,
    )
    made.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help=f"a file, or a folder of such: {', '.join(files.SUFFIXES)}"
    )
    made.add_argument("--venue", help="the exchange, where a file does not tell")
    made.add_argument("--market", help="its market, such as spot or usdm, where a file does not tell")
    made.add_argument("--pair", help="the pair, such as BTC-USDT, where a file does not tell")
    made.add_argument("--zone", default=ZONE, help=f"the clock by which minutes were named (default: {ZONE})")
    made.add_argument(
        "--into",
        choices=(LANDING, HISTORY),
        help="where ticks go: to the stream, or to the inbox, for compact (default: to the stream where trades has rows of that month)",
    )
    return cli.main(JOB, made, run, arguments, wrong)


def wrong(summary: Mapping[str, Any]) -> str | None:
    """The files that were refused."""
    refused = summary["refusals"]
    more = f"; and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
    return "; ".join(refused[:NAMED]) + more if refused else None


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """What the files held, and what became of it."""
    if chosen.pair is not None and not PAIR.fullmatch(chosen.pair):
        raise SettingsError(f"--pair {chosen.pair}: BASE-QUOTE, such as BTC-USDT, would be right")
    for path in chosen.paths:
        if not path.exists():
            raise SettingsError(f"{path}: no such file or folder")
    asked = Asked(chosen.venue, chosen.market, chosen.pair, chosen.zone)
    sources = [files.source(path) for path in files.found(chosen.paths)]
    if chosen.dry_run:
        found = [_looked_at(source, asked) for source in sources]
        return {**shown.summary(found), "printed": "".join(f"{line}\n" for line in shown.table(found, chosen.into))}
    try:
        import pyarrow as pa  # noqa: F401, PLC0415 - not every machine has it
    except ModuleNotFoundError as error:
        raise SessionError(f"{error.name} is not here: `make setup` installs it; see docs/operations.md") from error
    with held(where.store, LEASE, settings.jobs.lease.ttl) as lease:
        from jobs.history.register import register  # noqa: PLC0415 - with Arrow, which the driver of another job has not

        spark, now = session(settings.lake, JOB), datetime.now(UTC)
        adoption = Adoption(spark, where, register(spark, where, lease, now), now, settings.ingest.collector, asked, chosen.into)
        return adoption.adopt(sources)


@dataclass
class Adoption:
    """A run that writes."""

    spark: SparkSession
    where: Place
    register: "Register"
    now: datetime
    collector: str
    asked: Asked
    into: str | None
    told: set[tuple[str, str]] = field(default_factory=set)  # files that were refused before, and why

    def adopt(self, sources: Sequence[Source]) -> Mapping[str, Any]:
        """Portion by portion; a file of before is left alone."""
        before = self.register.adopted()
        known = {row["sha256"]: (row["venue"], row["market"], row["pair"]) for row in before if row["verdict"] == ADOPTED}
        self.told = {(row["object"], row["detail"]) for row in before if row["verdict"] == UNREADABLE}
        new = [one for one in sources if not self._is_known(one, known)]
        counts = dict.fromkeys(("adopted", "rows", "rejected", "objects", "months", "refused"), 0)
        refusals: list[str] = []
        for portion in _portions(new, self.asked):
            objects, months = self._adopt(portion)
            taken_in = [one for one in portion if not one.refused]
            told = [len(taken_in), sum(one.rows for one in taken_in), sum(len(one.rejects) for one in taken_in), objects, months]
            refusals += [one.refused for one in portion if one.refused]
            for name, count in zip(counts, [*told, len(portion) - len(taken_in)], strict=True):
                counts[name] += count
            log.info("event=adopted files=%d of=%d refused=%d", counts["adopted"], len(new), counts["refused"])
        known_or_twice = len(sources) - counts["adopted"] - counts["refused"]
        return {"files": len(sources), "known": known_or_twice, **counts, "refusals": refusals}

    def _is_known(self, source: Source, known: Mapping[str, tuple[str | None, ...]]) -> bool:
        """Not where a person says now that it is something else."""
        if source.sha256 not in known:
            return False
        told = (self.asked.venue, self.asked.market, self.asked.pair)
        return all(was is None or said in (None, was) for said, was in zip(told, known[source.sha256], strict=True))

    def _adopt(self, portion: Sequence[Taken]) -> tuple[int, int]:
        """How many objects are new, how many months of history were merged. `loads` comes last: until then all is done again."""
        try:
            places = self._placed({group for one in portion for group in one.groups})
            objects = placed.into_landing(portion, places[LANDING], self.collector, self.where.store)
            objects += placed.into_inbox(portion, places[HISTORY], self.where.store)
            published = self._merged(portion)
        finally:
            for one in portion:
                one.close()
        new = [one for one in portion if (one.source.object, one.refused) not in self.told]
        self.register.adopt(
            published,
            [self._reject(one, reject) for one in portion for reject in one.rejects],
            [self._load(one, places) for one in new],
        )
        return objects, len(published)

    def _placed(self, groups: set[Group]) -> Mapping[str, list[Group]]:
        """Ticks of a month that is live go to its one writer, others to history; all else goes to the stream."""
        ticks = {group: _series(group) for group in sorted(groups) if group.channel == TRADES.name}
        live = self._live(set(ticks.values())) if self.into is None and ticks else set()
        found: dict[str, list[Group]] = {LANDING: [], HISTORY: []}
        for group in sorted(groups):
            is_live = group not in ticks or self.into == LANDING or ticks[group] in live
            found[LANDING if is_live else HISTORY].append(group)
        return found

    def _live(self, wanted: set[Series]) -> set[Series]:
        """Those of which the live table has rows."""
        path = self.where.table(TRADES.name)
        if snapshot(self.spark, path).version() < 0:
            return set()
        parts = {one[3:] for one in wanted}
        within = " OR ".join(f"(pair = '{pair}' AND year = {year} AND month = {month})" for pair, year, month in sorted(parts))
        series = ("venue", "market", F.split_part("feed", F.lit("."), F.lit(1)).alias("kind"), "pair", "year", "month")
        rows = self.spark.read.format("delta").load(path).where(within).select(*series).distinct()
        return wanted & {tuple(row) for row in keys(rows)}

    def _merged(self, portion: Sequence[Taken]) -> list[dict[str, Any]]:
        """Rows of `published` of the months that rows came to."""
        from jobs.history.files import Month  # noqa: PLC0415 - with Arrow, which the driver of another job has not
        from jobs.history.imported import merge  # noqa: PLC0415 - see above

        months: dict[Month, list[tuple[Taken, Row]]] = {}
        for one in portion:
            for row in one.imported:
                at = moment(row.at)
                month = Month(row.table.name, row.venue, row.market, IMPORTED, row.pair, at.year, at.month)
                months.setdefault(month, []).append((one, row))
            if one.imported:  # no lines are made of it: the file itself is what is kept
                self.where.store.put(one.source.object, one.source.path)
        before = self.register.sources() if months else {}
        published = list[dict[str, Any]]()
        for month, rows in months.items():
            table = TABLES[month.dataset]
            done = merge(table, month, [_values(one, row) for one, row in rows], self.where.store, Path(gettempdir()))
            for place in done.conflicts:
                one, row = rows[place]
                one.rejects.append(Reject(row.line, "conflict", row.raw))
                one.rows -= 1
            made = {**before.get(month, {}), **{one.source.object: one.source.sha256 for one, _ in rows}}
            sources = [{"object": name, "sha256": sha256} for name, sha256 in made.items()]
            figures = {"sha256": done.sha256, "bytes": done.bytes, "rows": done.rows, "duplicates": done.duplicates}
            published.append(vars(month) | figures | {"object": month.key, "sources": sources, "published_at": self.now})
        return published

    def _reject(self, one: Taken, reject: Reject) -> dict[str, Any]:
        return self._file(one) | {"line": reject.line, "reason": reject.reason, "raw": reject.raw}

    def _load(self, one: Taken, places: Mapping[str, Sequence[Group]]) -> dict[str, Any]:
        dataset = one.format.dataset if one.format else None
        found = self._file(one) | {"dataset": dataset, "bytes": one.source.bytes}
        if one.refused:
            return found | {"verdict": UNREADABLE, "detail": one.refused}
        went = {name for name, groups in places.items() if not one.groups.keys().isdisjoint(groups)}
        days = {
            f"{name}_day": None if at is None else moment(at).date()
            for name, at in (("first", one.first_us), ("last", one.last_us))
        }
        ids = {"first_id": one.first_id, "last_id": one.last_id}
        counts = {"rows": one.rows, "rejected": len(one.rejects)}
        return found | days | ids | counts | {"verdict": ADOPTED, "detail": _into(went, dataset)}

    def _file(self, one: Taken) -> dict[str, Any]:
        """What every row about a file says; venue, market, feed and pair where all of its rows share them."""
        told = [set(values) for values in zip(*one.series, strict=True)] or [set()] * 4
        shared = [next(iter(values)) if len(values) == 1 else None for values in told]
        names = dict(zip(("venue", "market", "feed", "pair"), shared, strict=True))
        return {"object": one.source.object, "sha256": one.source.sha256, **names, "loaded_at": self.now}


def _portions(sources: Iterable[Source], asked: Asked) -> Iterator[Sequence[Taken]]:
    """Files as they were read, some at a time. What is the same file under another name is one."""
    portion: list[Taken] = []
    seen: set[str] = set()
    size = 0
    for source in sources:
        if source.sha256 in seen:
            continue
        seen.add(source.sha256)
        one = taken(source, asked)
        portion.append(one)
        size += one.text_bytes + ROW * len(one.imported) + REJECT * len(one.rejects)
        if len(portion) == MOST_FILES or size > MOST_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _looked_at(source: Source, asked: Asked) -> Taken:
    """A file without its lines."""
    one = taken(source, asked)
    one.close()
    return one


def _series(group: Group) -> Series:
    day = date.fromordinal(date(1970, 1, 1).toordinal() + group.day)
    return group.venue, group.market, group.kind, group.pair, day.year, day.month


def _values(one: Taken, row: Row) -> Mapping[str, Any]:
    """A row as history has it."""
    known = {"venue": row.venue, "market": row.market, "feed": IMPORTED, row.table.key[-1]: moment(row.at)}
    found = known | dict(row.values) | {"object": one.source.object, "line": row.line}
    return {name: found[name] for name in row.table.names if name not in row.table.partitioned_by}


def _into(went: Iterable[str], dataset: str | None) -> str:
    names = {LANDING: "lines in the landing zone", HISTORY: "lines in the inbox"}
    return " and ".join(names[place] for place in sorted(went)) or f"rows of history/{dataset}"


if __name__ == "__main__":
    sys.exit(main())
