"""What is expected of the tables, checked: each closed day once, and again when its rows changed; how fresh they are, at each run."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ingest.settings import Settings
from jobs.expectations import days, records, suites
from jobs.expectations.days import DAY
from jobs.expectations.records import Count, Marks
from jobs.expectations.suites import CLOSED_DAY, NEWEST, Suite
from jobs.runtime import cli, deltalog, derived
from jobs.runtime.changes import Taken
from jobs.runtime.derived import Source
from jobs.runtime.frames import frame, keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Live, TableError
from jobs.runtime.session import SessionError, session
from jobs.tables.quality_results import QUALITY_RESULTS

if TYPE_CHECKING:
    from jobs.expectations.checks import Check, Outcome

log = logging.getLogger(__name__)
JOB = "quality"
RULE = {"days": "UTC"}
PORTION = 7  # days between two commits: so many are checked again after a run that was killed
NAMED = 5  # failures that one line names
SCHEMA = ", ".join(f"`{column.name}` {column.type}" for column in QUALITY_RESULTS.columns)
Row = Mapping[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Check from the command line."""
    made = cli.parser(
        JOB,
        "Check what conf/expectations expects of the tables: closed days that are new or changed, and how fresh the tables are. "
        "Exit code 3: something is not as expected.",
        "./spark-submit.sh quality --conf conf/local.yaml",
    )
    made.add_argument(
        "--from", dest="since", type=_day, metavar="DAY", help="these days, whatever was checked before: from this one on"
    )
    made.add_argument("--to", dest="until", type=_day, metavar="DAY", help="and before this one")
    made.add_argument("--table", metavar="NAME", help="this table alone")
    made.add_argument("--expectations", type=Path, metavar="FOLDER", help="the suites (default: expectations, beside --conf)")
    return cli.main(JOB, made, run, arguments, wrong)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; one such as 2026-11-01 would be right") from error


def wrong(summary: Mapping[str, Any]) -> str | None:
    """What is not as expected: table, day, expectation, how many rows."""
    failures = summary["failures"]
    more = f"; and {len(failures) - NAMED} more in quality_results" if len(failures) > NAMED else ""
    return "; ".join(failures[:NAMED]) + more if failures else None


def run(settings: Settings, where: Place, chosen: argparse.Namespace, now: datetime | None = None) -> Mapping[str, Any]:
    """What changed, what the checks of that came to, their commits, each followed by how far we have come."""
    known = suites.read(chosen.expectations or chosen.conf.parent / "expectations")
    wanted = [suite for suite in known if chosen.table in (None, suite.table.name)]
    if not wanted:
        raise suites.SuiteError(
            f"--table {chosen.table}: no suite is of it; there are: {', '.join(sorted({s.table.name for s in known}))}"
        )
    try:
        from jobs.expectations import checks  # noqa: PLC0415 - takes seconds, and not every machine has it
    except ModuleNotFoundError as error:
        raise SessionError(
            f"{error.name} is not here: `make setup` installs it, a cluster gets it by an archive; see docs/operations.md"
        ) from error
    for suite in known:
        checks.loaded(suite)
    with held(where.store, JOB, settings.jobs.lease.ttl) as lease:
        spark = session(settings.lake, JOB)
        made = Run(spark, where, lease, chosen.run, now or datetime.now(UTC), known)
        return made.checked(wanted, checks.checker(), chosen.since, chosen.until)


@dataclass
class Run:
    """One run: what it looks at, and what it has found so far."""

    spark: SparkSession
    where: Place
    lease: Lease
    name: str
    began: datetime
    known: Sequence[Suite]
    sources: dict[str, Source] = field(default_factory=dict)
    owed: dict[str, set[date]] = field(default_factory=dict)  # days that are to be checked, of each table
    rows: list[Row] = field(default_factory=list)
    written: list[Row] = field(default_factory=list)
    marks: Marks = field(default_factory=dict)
    is_again: bool = False  # are there results of a run of this name?

    def __post_init__(self) -> None:
        self.live = Live(self.spark, self.where.store, self.lease, QUALITY_RESULTS, self.where.table(QUALITY_RESULTS.name))
        self.taken = Taken(self.where.store, JOB)

    @property
    def today(self) -> date:
        return self.began.date()

    def checked(self, wanted: Sequence[Suite], check: "Check", since: date | None, until: date | None) -> Mapping[str, Any]:
        """All of it."""
        absent = self._learn()
        self._fold()
        for day, suites_ in self._plan(wanted, since, until):
            for table in sorted({suite.table.name for suite in suites_}):
                self._check(check, day, [suite for suite in suites_ if suite.table.name == table])
                if day < self.today:
                    self.owed[table].discard(day)
            if len({row["day"] for row in self.rows}) >= PORTION:
                self._commit()
        self._commit()
        told = [row["success"] for row in self.written if row["kind"]]
        failures = [
            f"{row['table']} {row['day']} {row['expectation']}: {row['observed']}"
            for row in self.written
            if row["success"] is False
        ]
        return {
            "days": len({(row["table"], row["day"]) for row in self.written if row["kind"] and row["day"] < self.today}),
            "as_expected": told.count(True),
            "failed": told.count(False),
            "with_nothing_to_look_at": told.count(None),
            "rows_kept_out_by_the_stream": sum(
                row["unexpected_count"] for row in self.written if row["expectation"] == "stream_quarantined"
            ),
            "tables_not_there": len(absent),
            "failures": failures,
        }

    def _learn(self) -> list[str]:
        """Open the tables. What changed since the last run is owed now, beside what was owed then. Tables that are not there."""
        names = {suite.table.name: suites.time_of(suite.table) or "" for suite in self.known}
        absent = []
        for name, time in sorted(names.items()):
            one = derived.there(self.spark, self.where, name, time)
            if one is None:
                absent.append(name)
                log.warning("event=not_there table=%s", name)
                continue
            self.sources[name] = one
            spans = derived.changed(self.live, self.where, self.taken, RULE, [one], full=False)
            if spans is None:
                self.owed[name] = days.days_there(derived.rows(self.live, self.where, one), time)
            else:
                kept = days.days((self.taken.kept() or {}).get("owed", {}))
                self.owed[name] = kept.get(name, set()) | days.days_in(spans)
        if not self.sources:
            raise TableError(
                f"none of {', '.join(sorted(names))} is there yet: the stream makes them; run ./spark-submit.sh stream first"
            )
        self.marks = _marks(self.live)
        self.is_again = bool(keys(self.live.read().where(self._mine("")).select("run").limit(1)))
        return absent

    def _fold(self) -> None:
        counts, self.marks = records.folded(self.where.store, self.marks)
        self.rows += [self._count(one) for one in counts]

    def _plan(self, wanted: Sequence[Suite], since: date | None, until: date | None) -> Sequence[tuple[date, Sequence[Suite]]]:
        """Which suites to ask of which day, the open one last."""
        asked = since is not None or until is not None
        first, after = since or date(1970, 1, 1), until or date.max
        plan: dict[date, list[Suite]] = {}
        for suite in wanted:
            if suite.table.name not in self.sources:
                continue
            known = self._between(self.sources[suite.table.name], first, after) if asked else self.owed[suite.table.name]
            open_ = {self.today} if suite.rows != CLOSED_DAY and first <= self.today < after else set()
            closed = {day for day in known if day < self.today} if suite.rows != NEWEST else set()
            for day in closed | open_:
                plan.setdefault(day, []).append(suite)
        return sorted(plan.items())

    def _between(self, one: Source, first: date, after: date) -> set[date]:
        """The days that have rows, of those that were asked for."""
        rows = derived.rows(self.live, self.where, one)
        return days.days_there(rows.where(days.within(one.time, first, min(after, self.today + DAY) - DAY)), one.time)

    def _check(self, check: "Check", day: date, of: Sequence[Suite]) -> None:
        """A table's rows of a day, read once for all suites that look at them."""
        one = self.sources[of[0].table.name]
        for is_newest in (False, True):
            mine = [suite for suite in of if (suite.rows == NEWEST) == is_newest]
            if not mine:
                continue
            rows = derived.rows(self.live, self.where, one).where(days.within(one.time, day - DAY if is_newest else day, day))
            rows = rows.select("*", F.to_date(one.time).alias("day"), F.lit(self.began).alias("as_of"))
            if not is_newest:  # of the newest rows a few columns are read, once
                rows.persist()
            try:
                seen = days.computed(rows, {name: text for suite in mine for name, text in suite.columns.items()})
                for suite in mine:
                    self.rows += [self._row(suite, day, one, outcome) for outcome in check(seen, suite)]
            finally:
                rows.unpersist()

    def _row(self, suite: Suite, day: date, one: Source, outcome: "Outcome") -> Row:
        return {
            "run": self.name,
            "table": suite.table.name,
            "expectation": outcome.expectation.name,
            "day": day,
            "suite": suite.name,
            "kind": outcome.expectation.kind,
            "column_name": outcome.expectation.column,
            "success": outcome.success,
            "observed": outcome.observed,
            "checked": outcome.checked,
            "unexpected_count": outcome.unexpected,
            "unexpected_pct": _percent(outcome.unexpected, outcome.checked),
            "examples": outcome.examples,
            "table_version": one.version,
            "checked_at": self.began,
        }

    def _count(self, one: Count) -> Row:
        return dict.fromkeys(QUALITY_RESULTS.names) | {
            "run": self.name,
            "table": one.table,
            "expectation": one.name,
            "day": self.today,
            "suite": "stream",
            "observed": f"{one.unexpected} in {one.batches} batches" + ("" if one.items is None else f" of {one.items} items"),
            "checked": one.items,
            "unexpected_count": one.unexpected,
            "unexpected_pct": _percent(one.unexpected, one.items),
            "examples": "[]",
            "checked_at": self.began,
        }

    def _mine(self, alias: str) -> str:
        name = self.name.replace("\\", "\\\\").replace("'", "\\'")
        return f"{alias}run = '{name}'"

    def _commit(self) -> None:
        """What was found, with the marks of the records in it, and then how far we are: a run that dies between checks a little twice."""
        if self.rows:
            mine = frame(self.spark, [_plain(row) for row in self.rows], SCHEMA).coalesce(1)
            if self.is_again:  # under its name: what it finds takes the place of what it left
                self.live.merge(mine, self._mine("t."), records=self.marks)
            else:
                self.live.append(mine, records=self.marks)
        self.written, self.rows = self.written + self.rows, []
        derived.save(self.live, self.taken, RULE, list(self.sources.values()), {"owed": days.plain(self.owed)})


def _marks(live: Live) -> Marks:
    """The last batches that were counted: told by the commit that holds the counts, so that neither goes without the other."""
    for version in range(live.version, -1, -1):
        found = deltalog.commit(live.store, live.table.name, version)
        if found is None:
            break
        if "records" in found.metadata:
            return dict(found.metadata["records"])
    return {}


def _percent(part: int | None, of: int | None) -> Decimal | None:
    if part is None or not of:
        return None
    found = (Decimal(100 * part) / of).quantize(Decimal("1e-6"), ROUND_HALF_UP)
    return found if found < Decimal(10) ** 6 else None


def _plain(row: Row) -> list[Any]:
    values = [row[column.name] for column in QUALITY_RESULTS.columns]
    return [str(value) if isinstance(value, Decimal) else value for value in values]


if __name__ == "__main__":
    sys.exit(main())
