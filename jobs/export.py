"""Tables as files for others: of the days that are over, and again where rows of theirs changed."""

import argparse
import logging
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

from pyspark.sql import SparkSession

from ingest.settings import Lake, Settings, SettingsError
from jobs.exports import files, redshift, snowflake
from jobs.exports.files import File, Making, Put
from jobs.exports.layouts import DAY, LAYOUTS, Form, Layout
from jobs.exports.loads import Loads, Texts
from jobs.runtime import cli, derived
from jobs.runtime.changes import Taken, Untold
from jobs.runtime.derived import Source
from jobs.runtime.frames import keys, told_by_workers
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import TableError
from jobs.runtime.session import session
from jobs.transforms.exports import FILE
from jobs.transforms.spans import Span, Spans, minute_of, month, months, predicate, time_of, together

JOB = "export"
SCRATCH = "exports/.making"  # Spark writes there; nobody's reader looks into a folder with such a name
PORTION = 64  # months of pairs that are made at a time
TOGETHER = 16  # files that a worker puts
log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Export from the command line."""
    made = cli.parser(
        JOB,
        "Write tables as files for others, below <lake>/exports/<layout>/: of days that are over (UTC), and again where rows changed.",
        "./spark-submit.sh export --conf conf/local.yaml --layout s4",
    )
    made.add_argument("--layout", required=True, choices=LAYOUTS, help="for whom; see docs/exports.md")
    made.add_argument("--table", metavar="NAME", help="this table alone")
    made.add_argument("--pair", action="append", help="all of these pairs, whatever changed; may be given several times")
    made.add_argument("--from", dest="since", type=_month, metavar="MONTH", help="all from this month on, whatever changed")
    made.add_argument("--to", dest="until", type=_month, metavar="MONTH", help="and before this one")
    return cli.main(JOB, made, run, arguments)


def _month(text: str) -> int:
    told = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text)
    if told is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no month; one such as 2026-11 would be right")
    return month(int(told[1]), int(told[2]))[0]


def run(settings: Settings, where: Place, chosen: argparse.Namespace, now: datetime | None = None) -> Mapping[str, Any]:
    """What changed, the files of that, what tells of them, and last how far we have come."""
    layout = LAYOUTS[chosen.layout]
    if chosen.table not in (None, *layout.forms):
        raise SettingsError(f"--table {chosen.table}: layout {layout.name} has {', '.join(layout.forms)}")
    if (chosen.since, chosen.until) != (None, None) and any(form.unit == "pair" for form in layout.forms.values()):
        raise SettingsError(f"--from, --to: a file of layout {layout.name} has all months; leave them out")
    part = Part(tuple(chosen.pair or ()), chosen.since, chosen.until)
    with held(where.store, JOB, settings.jobs.lease.ttl) as lease:
        made = Export(session(settings.lake, JOB), where, settings.lake, lease, layout, _today(now or datetime.now(UTC)))
        made.clear()
        for name, form in layout.forms.items():
            if chosen.table in (None, name):
                made.form(form, part, is_wanted=chosen.table is not None)
        return {"layout": layout.name, **made.counts}


def _today(now: datetime) -> int:
    return minute_of(now) // DAY * DAY


@dataclass(frozen=True)
class Part:
    """What somebody wants to have looked at, whatever changed."""

    pairs: Sequence[str] = ()
    since: int | None = None
    until: int | None = None

    def clipped(self, spans: Spans) -> Spans:
        """What of it is wanted."""
        low, high = self.since or 0, self.until
        found = {}
        for pair, all_ in spans.items():
            if not self.pairs or pair in self.pairs:
                inside = [(max(a, low), b if high is None else min(b, high - 1)) for a, b in all_]
                if left := [(a, b) for a, b in inside if a <= b]:
                    found[pair] = left
        return found


class Export:
    """One run over one layout."""

    def __init__(self, spark: SparkSession, where: Place, lake: Lake, lease: Lease, layout: Layout, until: int) -> None:  # noqa: PLR0913, PLR0917 - what a run has
        self.spark, self.where, self.lake, self.lease = spark, where, lake, lease
        self.layout, self.until = layout, until
        self.counts = {"tables": 0, "files": 0, "written": 0, "bytes": 0, "removed": 0, "loads": 0}

    def form(self, form: Form, part: Part, *, is_wanted: bool) -> None:
        """One table."""
        told = (derived.there(self.spark, self.where, name, time) for name, time in form.times.items())
        sources = [one for one in told if one is not None]
        if not sources:
            if is_wanted:
                raise TableError(f"{self.where.table(form.name)} is not there yet: ./spark-submit.sh stream or bars makes it")
            log.info("event=not_there table=%s", form.name)
            return
        self.counts["tables"] += 1
        taken = Taken(self.where.store, f"{JOB}-{self.layout.name}-{form.name}")
        rule = {"columns": [*form.columns], "unit": form.unit}
        folder = f"exports/{self.layout.name}/{form.name}/"
        below = f"{folder}files/" if self.layout.is_append_only else f"exports/{self.layout.name}/"
        loads, there = Loads(self.where.store, folder, form.name), self._there(below)
        if self.layout.is_append_only:
            loads.read()
        try:
            spans = self._changed(taken, rule, sources) if part == Part() else self._everything(sources, there)
        except Untold as why:
            log.info("event=all_of_it job=%s table=%s why=%s", JOB, form.name, why)
            spans = self._everything(sources, there)
        looked = part.clipped(form.looked_at(spans))
        known = loads.files if self.layout.is_append_only else there
        gone = {path for path, file in known.items() if file is None}
        made: dict[str, File | None] = {}
        for number, some in enumerate(_portions(form, looked)):
            made |= {one.path: one.file for one in self._made(form, sources, some, there, gone, below, number)}
        left = known.keys() - made.keys() - gone
        made |= self._gone(path for path in sorted(left) if self._is_within(path, looked))
        self.lease.check()
        if self.layout.is_append_only:
            self.counts["loads"] += loads.add(made)
            loads.publish(*self._texts(form, folder))
        if part == Part():
            taken.save(rule, {name: at for one in sources for name, at in one.tables.items()}, {"until": self.until})

    def clear(self) -> None:
        """What a run that died has left."""
        for key in list(self.where.store.keys(f"{SCRATCH}/")):
            self.where.store.delete(key)

    # --- what is looked at

    def _changed(self, taken: Taken, rule: object, sources: Sequence[Source]) -> Spans:
        """What changed since the last run, and the days that have ended since."""
        was = taken.load(rule, *{name for one in sources for name in one.tables})
        before, found = taken.kept()["until"], [derived.between(self.spark, self.where, was, sources)]
        if before < self.until:
            for one in sources:
                ended = (
                    derived.read(self.spark, self.where, one).where(_before(one.time, self.until)).where(_from(one.time, before))
                )
                found.append({row["pair"]: [(before, self.until - 1)] for row in keys(ended.select("pair").distinct())})
        return together(found)

    def _everything(self, sources: Sequence[Source], there: files.Files) -> Spans:
        found = []
        for one in sources:
            parts = keys(derived.read(self.spark, self.where, one).select("pair", "year", "month").distinct())
            found += [{row["pair"]: [month(row["year"], row["month"])]} for row in parts]
        found += [{told[0]: [told[1]]} for told in map(self.layout.what_of, there) if told is not None]
        return together(found)

    def _is_within(self, path: str, looked: Spans) -> bool:
        told = self.layout.what_of(path)
        return told is not None and any(low <= told[1][1] and told[1][0] <= high for low, high in looked.get(told[0], ()))

    # --- files

    def _made(  # noqa: PLR0913, PLR0917 - parts of one loop
        self,
        form: Form,
        sources: Sequence[Source],
        looked: Spans,
        there: files.Files,
        gone: Collection[str],
        folder: str,
        number: int,
    ) -> Iterable[Put]:
        """The files of some pairs and months, each in its place."""
        tables = {}
        for one in sources:
            pairs = f"pair IN ({', '.join(repr(pair) for pair in sorted(looked))})"
            within = pairs if form.unit == "pair" else predicate(looked, one.time)
            tables[one.name] = derived.read(self.spark, self.where, one).where(within).where(_before(one.time, self.until))
        rows = form.rows(tables).repartition(FILE).sortWithinPartitions(FILE, *form.order).select(FILE, *form.columns)
        with self._aside(f"{SCRATCH}/{self.lease.epoch}-{form.name}-{number}") as scratch:
            writer = rows.write.partitionBy(FILE)
            if self.layout.is_append_only:
                # what all warehouses read; zstd not all of them say
                writer.option("compression", "snappy").parquet(f"{self.where.root}/{scratch}")
            else:
                writer.option("header", "true").option("emptyValue", "").csv(f"{self.where.root}/{scratch}")
            columns = [f"{name} {type_}" for name, type_ in rows.dtypes]
            tasks = list(self._tasks(scratch, folder, there, gone, columns))
            some = [tasks[start : start + TOGETHER] for start in range(0, len(tasks), TOGETHER)]
            self.lease.check()
            found = [one for told in told_by_workers(self.spark, partial(files.put, self.lake), some) for one in told]
        self.counts["files"] += len(found)
        self.counts["written"] += sum(one.is_new for one in found)
        self.counts["bytes"] += sum(one.file.bytes for one in found if one.is_new)
        return found

    def _tasks(
        self, scratch: str, folder: str, there: files.Files, gone: Collection[str], columns: Sequence[str]
    ) -> Iterator[Making]:
        for key in self.where.store.keys(f"{scratch}/"):
            told = re.fullmatch(rf"{FILE}=([^/]+)/part-[^/]+", key.removeprefix(f"{scratch}/"))
            if told is not None:
                path = unquote(told[1])
                newest = there[path].key if path in there else None
                yield Making(key, path, folder, newest, self.layout.is_append_only, columns, path in gone)

    @contextmanager
    def _aside(self, folder: str) -> Iterator[str]:
        try:
            yield folder
        finally:
            self.clear()

    def _gone(self, paths: Iterable[str]) -> Mapping[str, None]:
        """Files of which no row is left. One of a name that is never used twice stays: it is told of no more."""
        found = dict.fromkeys(paths)
        self.counts["removed"] += len(found)
        if not self.layout.is_append_only:
            for path in found:
                self.where.store.delete(f"exports/{self.layout.name}/{path}")
        return found

    def _there(self, below: str) -> files.Files:
        sizes = self.where.store.sizes(below)
        return files.newest(below, sizes) if self.layout.is_append_only else files.plain(below, sizes)

    def _texts(self, form: Form, folder: str) -> tuple[Texts, Texts]:
        if self.layout.name == "snowflake":
            return snowflake.beside, lambda _: {}
        root = self.where.root
        return partial(redshift.beside, root, folder, self.layout, form), partial(redshift.whole, root, folder)


def _portions(form: Form, looked: Spans) -> Iterator[Spans]:
    """Some pairs of a month after the other; where a file has all months, some pairs."""
    if form.unit == "pair":
        parts = [(0, 0, pair, span) for pair, spans in looked.items() for span in spans]
    else:
        parts = [
            (year, number, pair, (low, high))
            for pair, spans in looked.items()
            for span in spans
            for year, number, low, high in months(*span)
        ]
    parts.sort()
    for start in range(0, len(parts), PORTION):
        some: dict[str, list[Span]] = {}
        for _, _, pair, span in parts[start : start + PORTION]:
            some.setdefault(pair, []).append(span)
        yield some


def _before(time: str, minute: int) -> str:
    at = time_of(minute)
    return (
        f"{time} < TIMESTAMP '{at:%Y-%m-%d} 00:00:00+00:00' AND (year < {at.year} OR (year = {at.year} AND month <= {at.month}))"
    )


def _from(time: str, minute: int) -> str:
    at = time_of(minute)
    return (
        f"{time} >= TIMESTAMP '{at:%Y-%m-%d} 00:00:00+00:00' AND (year > {at.year} OR (year = {at.year} AND month >= {at.month}))"
    )


if __name__ == "__main__":
    sys.exit(main())
