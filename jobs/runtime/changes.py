"""How far a job has come that takes in only what changed, and what changed since. Never more is believed than the logs tell."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ingest.landing import Store
from jobs.runtime import deltalog
from jobs.runtime.deltalog import File
from jobs.runtime.lake import Place
from jobs.runtime.live import TableError, snapshot
from jobs.transforms import spans
from jobs.transforms.spans import Span, Spans

FORMAT = 1


class Untold(Exception):  # noqa: N818 - says what is so
    """Nobody can tell what changed: everything has to be taken in."""


@dataclass(frozen=True)
class At:
    """A version of a table, and which commit that was."""

    version: int
    commit: str | None


@dataclass(frozen=True)
class Taken:
    """`control/progress/<job>.json`: the versions that a job has taken in. Written last: it may lag, it never runs ahead."""

    store: Store
    job: str

    @property
    def key(self) -> str:
        return f"control/progress/{self.job}.json"

    def load(self, rule: Any, *names: str) -> Mapping[str, At]:  # noqa: ANN401 - a JSON value
        """Of each of these tables. `rule` is whatever else the result depends on: made by another one, it is no beginning."""
        found = self.store.get(self.key)
        if found is None:
            raise Untold(f"{self.key} is not there")
        try:
            told = json.loads(found[0])
            form, was, tables = told["v"], told["rule"], {name: At(**told["tables"][name]) for name in names}
        except (ValueError, LookupError, TypeError) as error:
            raise Untold(f"{self.key} cannot be read") from error
        if form != FORMAT:
            raise Untold(f"{self.key} is of format {form}; this program knows {FORMAT}")
        if was != rule:
            raise Untold(f"made by {json.dumps(was)}, and now it is {json.dumps(rule)}")
        return tables

    def kept(self) -> Any:  # noqa: ANN401 - a JSON value
        """What the last run kept for this one; for after `load`."""
        found = self.store.get(self.key)
        return json.loads(found[0]).get("kept") if found else None

    def save(self, rule: Any, tables: Mapping[str, At], kept: Any = None) -> None:  # noqa: ANN401 - JSON values
        """Tell the next run. Under the job's lease, so nobody else writes it."""
        told = {"v": FORMAT, "rule": rule, "tables": {name: asdict(at) for name, at in tables.items()}}
        told |= {} if kept is None else {"kept": kept}
        there = self.store.get(self.key)
        self.store.replace(self.key, json.dumps(told).encode(), there[1] if there else None)


def newest(spark: SparkSession, where: Place, name: str) -> At:
    """The newest version of a table that another job writes."""
    found = there(spark, where, name)
    if found is None:
        raise TableError(f"{where.table(name)} is not there yet: the stream makes it; run ./spark-submit.sh stream first")
    return found


def there(spark: SparkSession, where: Place, name: str) -> At | None:
    """The same of a table that need not be there."""
    version = int(snapshot(spark, where.table(name)).version())
    return at(where.store, name, version) if version >= 0 else None


def read(spark: SparkSession, where: Place, name: str, at: At) -> DataFrame:
    """All of that version. Its writer may go on meanwhile."""
    return spark.read.format("delta").option("versionAsOf", at.version).load(where.table(name))


def at(store: Store, name: str, version: int) -> At:
    """A version, and its commit: by our name for it, or, where somebody else made it, by Delta's."""
    found = deltalog.commit(store, name, version)
    return At(version, (found.id or found.transaction) if found else None)


def check(store: Store, name: str, was: At, now: At) -> None:
    """Does the table still have that version, and is it the same commit?"""
    if was.version > now.version:
        raise Untold(f"{name} is at version {now.version}, and version {was.version} of it was taken in")
    here = at(store, name, was.version)
    if here.commit is None:
        raise Untold(f"the log of {name} does not tell of version {was.version} any more")
    if here != was:
        raise Untold(f"version {was.version} of {name} is another commit now")


def since(store: Store, name: str, column: str, was: At, now: At) -> Spans:
    """Pair -> minutes within which all rows lie that were added, changed or taken away between two versions.

    For a table partitioned by pair, year and month, and a column of times whose ranges its files tell.
    """
    check(store, name, was, now)
    found: dict[str, list[Span]] = {}
    for version in range(was.version + 1, now.version + 1):
        files = deltalog.changed_files(store, name, version)
        if files is None:
            raise Untold(f"the log of {name} does not tell of version {version} any more")
        for file in files:
            found.setdefault(file.partition["pair"], []).append(_minutes(file, column))
    return {pair: spans.joined(all_) for pair, all_ in found.items()}


def added(store: Store, name: str, was: At, now: At) -> Sequence[str]:
    """The files with the rows that came between two versions of a table from which nothing is taken away."""
    check(store, name, was, now)
    found: list[str] = []
    for version in range(was.version + 1, now.version + 1):
        commit = deltalog.commit(store, name, version)
        if commit is None or commit.removed:
            raise Untold(
                f"the log of {name} does not tell what version {version} added" + (": it took rows away" if commit else "")
            )
        found.extend(commit.added)
    return found


def _minutes(file: File, column: str) -> Span:
    """The minutes that a file's rows lie in: as its statistics say, else its whole month."""
    if column in file.least and column in file.greatest:
        low, high = (spans.minute_of(datetime.fromisoformat(told[column])) for told in (file.least, file.greatest))
        return low, high
    return spans.month(int(file.partition["year"]), int(file.partition["month"]))
