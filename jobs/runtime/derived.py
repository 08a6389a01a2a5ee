"""A table that a job makes of others, as far as these changed since its last run: what it looks at, and how it writes."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from pyspark.sql import Column, DataFrame, Row, SparkSession

from jobs.runtime import changes, history
from jobs.runtime.changes import At, Taken, Untold
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.runtime.live import Foreign, Live
from jobs.tables.published import PUBLISHED
from jobs.transforms.compared import compared, partition_counts, partitions
from jobs.transforms.spans import Spans, together

log = logging.getLogger(__name__)
EVERYTHING = "TRUE"
News = TypeVar("News")


class Source(NamedTuple):
    """A table that another job writes, as this run sees it: the stream may go on meanwhile."""

    name: str
    time: str  # a column whose ranges its files tell
    at: At | None  # None: there is history alone
    published: At | None = None  # of `published`, where the table has months in history

    @property
    def version(self) -> int | None:
        """Of the live table."""
        return None if self.at is None else self.at.version

    @property
    def tables(self) -> Mapping[str, At]:
        """The versions that make it up."""
        found = {self.name: self.at, PUBLISHED.name: self.published}
        return {name: at for name, at in found.items() if at is not None}


def there(spark: SparkSession, where: Place, name: str, time: str) -> Source | None:
    """The newest version of it, if there is any."""
    published = history.version(spark, where) if name in history.TABLES else None
    found = Source(name, time, changes.there(spark, where, name), published)
    return found if found.tables else None


def source(live: Live, where: Place, name: str, time: str) -> Source:
    """The newest version of it."""
    return there(live.spark, where, name, time) or Source(name, time, changes.newest(live.spark, where, name))


def rows(live: Live, where: Place, source: Source) -> DataFrame:
    """All of it, live and history."""
    return read(live.spark, where, source)


def read(spark: SparkSession, where: Place, source: Source) -> DataFrame:
    """The same for whoever writes no table."""
    if source.published is not None:
        return history.both(spark, where, source.name, source.at, source.published)
    assert source.at is not None, f"{source.name} is nowhere"
    return changes.read(spark, where, source.name, source.at)


def changed(  # noqa: PLR0913 - a run and what it looks at
    live: Live,
    where: Place,
    taken: Taken,
    rule: Any,  # noqa: ANN401 - a JSON value
    sources: Sequence[Source],
    *,
    full: bool,
) -> Spans | None:
    """Open the table. The minutes in which a source changed since the last run; None: everything has to be looked at."""
    names = {name for one in sources for name in one.tables}
    return news(live, taken.job, lambda: since(live, where, left(live, taken, rule, *sorted(names)), sources), full=full)


def news(live: Live, job: str, since: Callable[[], News], *, full: bool) -> News | None:
    """Open the table. What is new since the last run; None: everything has to be looked at."""
    try:
        live.open()
        return None if full else since()
    except Untold as why:
        log.info("event=all_of_it job=%s why=%s", job, why)
    except Foreign as found:
        log.error("event=foreign_commit detail=%s", found)  # noqa: TRY400 - no trace: it is not this program that went wrong
        live.open(accept=True)
    return None


def left(live: Live, taken: Taken, rule: Any, *names: str) -> Mapping[str, At]:  # noqa: ANN401 - a JSON value
    """The versions that the last run took in, if the table is still what it left, or went on from."""
    own = live.table.name
    was = taken.load(rule, own, *names)
    changes.check(live.store, own, was[own], now(live))
    live.check_after(was[own].version)
    return was


def since(live: Live, where: Place, was: Mapping[str, At], sources: Sequence[Source]) -> Spans:
    """The minutes in which these changed since the versions that the last run took in."""
    return between(live.spark, where, was, sources)


def between(spark: SparkSession, where: Place, was: Mapping[str, At], sources: Sequence[Source]) -> Spans:
    """The same for whoever writes no table."""
    found = []
    for one in sources:
        if one.at is not None:
            found.append(changes.since(where.store, one.name, one.time, was[one.name], one.at))
        if one.published is not None:
            found.append(history.since(spark, where, one.name, was[PUBLISHED.name], one.published))
    return together(found)


def now(live: Live) -> At:
    """The version that the table is at."""
    return changes.at(live.store, live.table.name, live.version)


def save(live: Live, taken: Taken, rule: Any, sources: Sequence[Source], kept: Any = None) -> None:  # noqa: ANN401 - JSON values
    """Tell the next run what this one has taken in."""
    taken.save(rule, {**{name: at for one in sources for name, at in one.tables.items()}, live.table.name: now(live)}, kept)


def replaced(live: Live, made: DataFrame, mine: str, more: Mapping[str, Column], sources: Sequence[Source]) -> Sequence[Row]:
    """Put rows in the place of those that `mine` names: the partitions in which a row is another one now, each whole.

    The counts of each partition that was looked at.
    """
    stood = live.read()
    found = compared(live.table, made.where(mine), stood.where(mine), datetime.now(UTC)).persist()
    try:
        counts = keys(partition_counts(found, live.table, more))
        spoilt = partitions(counts)
        if spoilt:
            kept = stood.where(f"NOT {mine}").select(*live.table.names)
            new = found.where("is_made").select(*live.table.names).unionByName(kept).where(spoilt)
            versions = {name: at.version for one in sources for name, at in one.tables.items()}
            live.overwrite(new.repartition(*live.table.partitioned_by), spoilt, **versions)
        return counts
    finally:
        found.unpersist()
