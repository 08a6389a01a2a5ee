"""What the tables tell of holes: the minutes that miss something, the words of collectors, the trades around each hole."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from ingest.exchanges import EXCHANGES
from ingest.settings import Epoch
from jobs.runtime import changes, history
from jobs.runtime.changes import At
from jobs.runtime.frames import frame, keys
from jobs.runtime.lake import Place
from jobs.tables import COLLECTOR_EVENTS, MINUTE_AGGREGATES, PUBLISHED, QUARANTINE, REJECTS, TRADES
from jobs.transforms import feeds, gaps, spans
from jobs.transforms.feeds import Feed
from jobs.transforms.gaps import SERIES
from jobs.transforms.ledger import Filling, Gap, Ids, Run, Word
from jobs.transforms.published import Month
from jobs.transforms.spans import Span, predicate

MINUTES, EVENTS = MINUTE_AGGREGATES.name, COLLECTOR_EVENTS.name
NEAR = 7 * 24 * 60  # minutes; so far back the minute before one is looked for first
SLACK = 1  # minutes on each side of a hole: ids and times may disagree by so much
SEEN = "venue STRING, market STRING, feed STRING, pair STRING, trade_id BIGINT, reason STRING"
BOUNDS = "venue STRING, market STRING, feed STRING, pair STRING, before_id BIGINT, low BIGINT, high BIGINT"


@dataclass(frozen=True)
class Suspect:
    """A minute that misses something: between these ids, and in this minute or in the one before, lies where."""

    feed: Feed
    ids: Ids
    minutes: Sequence[int]


@dataclass(frozen=True)
class Located:
    """What was found where something was looked for."""

    absent: Sequence[Run]  # by their ids
    ends: Mapping[Feed, Ids]  # the least and the greatest id that is there
    fillings: Mapping[tuple[Feed, int], Filling]  # by the key of a gap


NOTHING = Located((), {}, {})


def dense_markets() -> list[tuple[str, str, str]]:
    """(venue, market, kind) of the feeds of trades of which a missing id is a missing trade."""
    return [market for market, is_dense in feeds.dense(EXCHANGES).items() if is_dense]


@dataclass(frozen=True)
class Holes:
    """The tables, at the versions that one run takes in."""

    spark: SparkSession
    where: Place
    at: Mapping[str, At]
    epochs: Sequence[Epoch] = ()

    def words(self, files: Sequence[str] | None, pairs: Collection[str] | None = None) -> list[Word]:
        """What collectors and repairs say of the holes of trades, in the order said. None: in all files, and of all pairs."""
        if EVENTS not in self.at or (files is not None and not files):
            return []
        found = self._read(EVENTS)
        if files is not None:
            file = F.element_at(F.split("_metadata.file_path", "/"), -1)
            found = found.where(file.isin([name.rsplit("/", 1)[-1] for name in files]))
        if pairs is not None:
            found = found.where(F.col("pair").isin(sorted(pairs)))
        kinds = sorted({kind for *_, kind in feeds.dense(EXCHANGES)})
        about = found.where(F.col("event").isin("gap", "repair") & gaps.kind().isin(kinds))
        names = [name for name in Word._fields if name != "feed"]
        said = (Word(_feed(row), **_values(row, names)) for row in keys(about.orderBy("at", "recv_ts", "seq")))
        return [_in_epoch(word, self.epochs) for word in said]

    def near(self, changed: Mapping[str, Sequence[Span]] | None) -> DataFrame:
        """The minutes that changed, each with the one before it. None: all."""
        minutes = self._read(MINUTES).where(gaps.of_feeds(dense_markets()))
        if changed is None:
            return gaps.with_neighbours(minutes).persist()
        wide = {pair: [(low - NEAR, high) for low, high in found] for pair, found in changed.items()}
        there = gaps.with_neighbours(minutes.where(predicate(wide, "minute")), timedelta(minutes=NEAR))
        found = there.where(predicate(changed, "minute")).persist()
        edges = found.where("before IS NULL")
        pairs = [row["pair"] for row in keys(edges.select("pair").distinct())]
        if not pairs:
            return found
        far = gaps.found_before(edges, minutes.where(F.col("pair").isin(pairs)))
        return found.where("before IS NOT NULL").unionByName(far)

    @cached_property
    def published(self) -> frozenset[Month]:
        """The months of trades that history has."""
        return frozenset(one.month for one in history.objects(self.spark, self.where, TRADES.name, self.at.get(PUBLISHED.name)))

    def borders(self, near: DataFrame) -> list[Run]:
        """What nobody was to have, between history and the first live minutes after it."""
        names = [name for name in Run._fields if name != "feed"]
        found = keys(gaps.borders(near, sorted(self.published))) if self.published else []
        return [Run(_feed(row), **_values(row, names)) for row in found]

    def is_unasked(self, first: Run, last: Run) -> bool:
        """Does it lie between two months of history that do not adjoin?"""
        if first.before_ts is None or last.after_ts is None:
            return False
        before, after = (Month(*first.feed, at.year, at.month) for at in (first.before_ts, last.after_ts))
        months = (after.year - before.year) * 12 + after.month - before.month
        return months > 1 and {before, after} <= self.published

    def suspects(self, near: DataFrame, closed: Sequence[Gap]) -> list[Suspect]:
        """The minutes of these that miss something, and those that may have filled a gap that was given up. Bounded by the holes."""
        found = []
        for row in keys(gaps.suspects(near, self._bounds(closed) if closed else None)):
            minutes = [spans.minute_of(with_zone(at)) for at in (row["minute"], row["before_minute"]) if at is not None]
            found.append(Suspect(_feed(row), (row["low"], row["high"]), minutes))
        return found

    def last_below(self, word: Word) -> int | None:
        """The id before a hole of which the collector knows the end alone. None: the feed begins there."""
        minutes = self._read(MINUTES).where(F.col("last_id") < F.lit(word.after_id))
        for name, value in zip(SERIES, word.feed, strict=True):
            minutes = minutes.where(F.col(name) == value)
        found: int | None = keys(minutes.agg(F.max("last_id")))[0][0]
        return found

    def located(self, suspects: Iterable[Suspect], rows: Iterable[Gap]) -> Located:
        """Look at the trades around these: `rows` are of feeds with dense ids."""
        counted = [gap for gap in rows if gap.inside[0] <= gap.inside[1]]
        found: dict[str, list[Span]] = {}
        for suspect in suspects:
            found.setdefault(suspect.feed.pair, []).extend((minute, minute) for minute in suspect.minutes)
        for gap in counted:
            found.setdefault(gap.feed.pair, []).append(span(gap))
        if not found:
            return NOTHING
        is_dense, columns = gaps.of_feeds(dense_markets()), (*SERIES, "trade_id", "ts", "source", "recv_ts")
        when = predicate({pair: spans.joined(all_) for pair, all_ in found.items()}, "ts")
        trades = self._both(TRADES.name, self._newest(TRADES.name)).where(when).where(is_dense).select(*columns).persist()
        seen = self._seen().where(F.col("pair").isin(sorted(found))).where(is_dense)
        there, names = gaps.present(trades, seen).persist(), [name for name in Run._fields if name != "feed"]
        try:
            return Located(
                [Run(_feed(row), **_values(row, names)) for row in keys(gaps.runs(there).orderBy("low"))],
                {_feed(row): (row["least"], row["greatest"]) for row in keys(gaps.ends(there))},
                {
                    (_feed(row), row["before_id"]): Filling(row["rows"], row["source"])
                    for row in keys(gaps.fillings(trades, self._bounds(counted)))
                },
            )
        finally:
            there.unpersist()
            trades.unpersist()

    def _bounds(self, rows: Iterable[Gap]) -> DataFrame:
        return frame(self.spark, [(*gap.feed, gap.before_id, *gap.inside) for gap in rows], BOUNDS)

    def _read(self, name: str) -> DataFrame:
        if name in history.TABLES:
            return self._both(name, self.at.get(name))
        return changes.read(self.spark, self.where, name, self.at[name])

    def _both(self, name: str, live: At | None) -> DataFrame:
        return history.both(self.spark, self.where, name, live, self.at.get(PUBLISHED.name))

    def _newest(self, name: str) -> At | None:
        return changes.there(self.spark, self.where, name)

    def _seen(self) -> DataFrame:
        """What is kept out of the tables, of lines and of files."""
        columns, found = (*SERIES, "trade_id", "reason"), frame(self.spark, (), SEEN)
        for name in (QUARANTINE.name, REJECTS.name):
            at = self._newest(name)
            if at is not None:
                found = found.unionByName(changes.read(self.spark, self.where, name, at).select(*columns))
        return found


def span(gap: Gap) -> Span:
    """The minutes in which its trades lie."""
    times = [at for at in (gap.before_ts, gap.after_ts) if at is not None]
    if gap.after_ts is None:
        times.append(gap.detected_at)
    return spans.minute_of(min(times)) - SLACK, spans.minute_of(max(times)) + SLACK


def _in_epoch(word: Word, epochs: Sequence[Epoch]) -> Word:
    """A collector knows the kind; which numbering of its ids it was, the time tells."""
    at, feed = word.after_ts or word.before_ts or word.at, word.feed
    numbers = [one.n for one in epochs if Feed(one.venue, one.market, one.kind, one.pair) == feed and one.since <= at]
    return word._replace(feed=feed._replace(feed=f"{feed.feed}.{max(numbers)}")) if numbers else word


def _feed(row: Row) -> Feed:
    return Feed(*(row[name] for name in SERIES))


def _values(row: Row, names: Iterable[str]) -> dict[str, Any]:
    return {name: with_zone(row[name]) for name in names}


def with_zone(value: Any) -> Any:  # noqa: ANN401 - a column's value
    """Spark gives times without one."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def placed(words: Iterable[Word], holes: Holes) -> Iterator[Word]:
    """Each hole begins after an id; where the collector did not know one, it is the last one that the tables have."""
    dense = dense_markets()
    for word in words:
        if word.before_id is not None or word.event != "gap":
            yield word
        elif word.first_missing_id is not None:
            yield word._replace(before_id=word.first_missing_id - 1)
        elif (word.feed.venue, word.feed.market, word.feed.kind) not in dense:  # where they are, the minutes tell
            yield word._replace(before_id=holes.last_below(word))
