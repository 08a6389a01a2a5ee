"""Live tables made again from the landing zone: after a parser was changed, or when a table is not to be trusted any more."""

import argparse
import contextlib
import dataclasses
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ingest import landing
from ingest.exchanges import EXCHANGES
from ingest.settings import Settings
from jobs.queries.appended import Appended
from jobs.queries.channels import Channel, channels
from jobs.queries.copies import keep
from jobs.queries.instruments import Instruments
from jobs.queries.live_tables import LiveTables
from jobs.queries.trades import Trades
from jobs.runtime import archive, cli, frozen, landed
from jobs.runtime.frames import keys
from jobs.runtime.lake import LakeError, Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Live
from jobs.runtime.progress import Progress, Records
from jobs.runtime.session import session
from jobs.tables import INSTRUMENTS, MINUTE_AGGREGATES, QUARANTINE, TRADES
from jobs.tables.quarantine import REASONS, SEEN
from jobs.tables.table import Table
from jobs.transforms.lines import items

log = logging.getLogger(__name__)
JOB = "rebuild"
TOGETHER = 100  # landing objects in a batch
EARLY = timedelta(hours=1)  # a trade is received at most so long before its time: later ones are quarantined
SCRATCH = "rebuild"  # a folder of the lake: the tables while they are made
CHANNELS = {channel.table.name: channel for channel in channels(EXCHANGES)}
# what a parser is to blame for: ids that count as seen, and what depends on other rows, need the table made again
READABLE = [reason for reason in REASONS if reason not in (*SEEN, "conflict", "id_reset", "object_corrupt")]
QUARANTINED = ("object", "line_sha256", "item")
MADE = (TRADES.name, MINUTE_AGGREGATES.name, *CHANNELS, INSTRUMENTS.name)
WHOLE = (MINUTE_AGGREGATES.name, INSTRUMENTS.name)  # of what is another row where one before it is, no part is made


def main(arguments: list[str] | None = None) -> int:
    """Rebuild from the command line."""
    made = cli.parser(
        "rebuild",
        "Make a live table, or a part of it, again from what landed. The stream must not run.",
        "./spark-submit.sh rebuild --conf conf/local.yaml --table trades --pair BTC-USDT --from 2026-11-01 --to 2026-11-08",
    )
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", choices=MADE, help="what is made again; with trades its share of quarantine and all minutes")
    what.add_argument("--quarantine", action="store_true", help="take in what could not be read, and can be now")
    made.add_argument("--pair", action="append", help="these pairs alone; may be given several times")
    made.add_argument("--from", dest="since", type=_day, metavar="DAY", help="rows from this day on, UTC")
    made.add_argument("--to", dest="until", type=_day, metavar="DAY", help="and before this one")
    return cli.main("rebuild", made, run, arguments)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; one such as 2026-11-01 would be right") from error


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """Make it aside, look that nothing is lost by it, and put it in the place of what stands."""
    part = Part(tuple(chosen.pair or ()), chosen.since, chosen.until)
    if part != Part() and (chosen.quarantine or chosen.table in WHOLE):
        what = "--quarantine" if chosen.quarantine else f"--table {chosen.table}"
        raise LakeError(f"{what} takes all that there is: leave out --pair, --from and --to")
    with held(where.store, "stream", settings.jobs.lease.ttl) as lease:
        made = Rebuild(session(settings.lake, "rebuild"), settings, where, lease)
        if chosen.quarantine:
            return made.quarantined()
        if chosen.table == MINUTE_AGGREGATES.name:
            return made.minutes()
        if chosen.table == INSTRUMENTS.name:
            return made.instruments()
        return made.trades(part) if chosen.table == TRADES.name else made.appended(CHANNELS[chosen.table], part)


@dataclass(frozen=True)
class Part:
    """Which rows."""

    pairs: Sequence[str] = ()
    since: date | None = None
    until: date | None = None

    def predicate(self, time: str) -> str:
        """A literal condition on a table with this column of times; TRUE: all."""
        parts = [f"pair IN ({', '.join(repr(pair) for pair in self.pairs)})"] if self.pairs else []
        parts += [f"{time} >= TIMESTAMP '{self.since} 00:00:00+00:00'"] if self.since else []
        parts += [f"{time} < TIMESTAMP '{self.until} 00:00:00+00:00'"] if self.until else []
        return " AND ".join(parts) or "TRUE"

    def of(self, objects: Iterable[str]) -> list[str]:
        """The landing objects that may hold a line of it: whatever was received from its first day on, for a repair comes late."""
        first = (datetime.combine(self.since, datetime.min.time(), UTC) - EARLY).date() if self.since else date.min
        return sorted(key for key in objects if archive.day_of(key) >= first)


@dataclass
class Rebuild:
    """One run."""

    spark: SparkSession
    settings: Settings
    where: Place
    lease: Lease

    def trades(self, part: Part) -> Mapping[str, Any]:
        """And their share of `quarantine`, then all minutes."""
        objects = part.of(self._landed(TRADES.name))
        self._refuse_frozen({TRADES.name: objects})
        query = self._query(self.where)
        query.tables.open()
        self._refuse_loss(query.tables.trades, part.predicate("ts"), objects)
        with self._aside() as place:
            made = self._query(place)
            made.start()
            done = 0
            for number, (root, some) in enumerate(self._parts(objects, TRADES.name, place)):
                made.tables.root = root
                made.batch(made.tables.frames(some), number, "rebuild")
                done += len(some)
                log.info("event=rebuilt query=trades objects=%d of=%d", done, len(objects))
            query.progress.drop()  # the next start learns everything anew, wherever this one may die
            rows = self._put(made.tables.trades, query.tables.trades, part.predicate("ts"))
            self._put_quarantine(made.tables.quarantine, query.tables.quarantine, TRADES.name, part.predicate("ts"))
        query.start_over()
        return {"objects": len(objects), "rows": rows}

    def minutes(self) -> Mapping[str, Any]:
        """All of them, from the trades that are there."""
        query = self._query(self.where)
        query.tables.open()
        query.progress.drop()
        query.start_over()
        return {"rows": query.tables.minutes.read().count()}

    def appended(self, channel: Channel, part: Part) -> Mapping[str, Any]:
        """A table of a channel without trades, and its share of `quarantine`."""
        objects = part.of(self._landed(channel.name))
        self._refuse_frozen({channel.name: objects})
        query = self._appended(self.where, channel)
        query.start()
        self._refuse_loss(query.live, part.predicate(channel.time), objects)
        with self._aside() as place:
            made = self._appended(place, channel)
            made.start()
            for number, (root, some) in enumerate(self._parts(objects, channel.name, place)):
                made.batch(landed.lines(self.spark.read, root, landed.paths(root, some)), number, "rebuild")
            rows = self._put(made.live, query.live, part.predicate(channel.time))
            if part == Part():  # the rows there do not tell of which time they are
                self._put_quarantine(made.quarantine, query.quarantine, channel.name, "TRUE")
        return {"objects": len(objects), "rows": rows}

    def instruments(self) -> Mapping[str, Any]:
        """All of them, from the lists that landed."""
        (channel,) = (one for one in CHANNELS.values() if one.also == INSTRUMENTS)
        objects = sorted(self._landed(channel.name))
        self._refuse_frozen({channel.name: objects})
        live = self._live(self.where, INSTRUMENTS)
        live.open()
        self._refuse_loss(live, "TRUE", objects)
        with self._aside() as place:
            made = Instruments(self._live(place, INSTRUMENTS), self._live(place, QUARANTINE))
            for table in (made.live, made.quarantine):
                table.open()
            for root, some in self._parts(objects, channel.name, place):
                made.take(landed.lines(self.spark.read, root, landed.paths(root, some)))
            rows = self._put(made.live, live, "TRUE")
        return {"objects": len(objects), "rows": rows}

    def quarantined(self) -> Mapping[str, Any]:
        """What could not be read, once more. Taken in first and removed from quarantine then, so that no death loses it."""
        live = self._live(self.where, QUARANTINE)
        live.open()
        rows = live.read().where(F.col("reason").isin(*READABLE))
        counts = {"objects": 0, "quarantined": rows.count()}
        by_channel = _by_channel(row["object"] for row in keys(rows.select("object").distinct()))
        for channel, objects in by_channel.items():
            if missing := sorted(set(objects) - self._landed(channel)):
                raise LakeError(
                    f"{len(missing)} landing objects with quarantined lines are not there, such as {missing[0]}: put them back"
                )
        self._refuse_frozen(by_channel)
        for channel, objects in by_channel.items():
            counts["objects"] += len(objects)
            take, read = self._reader(channel, live)
            with self._aside() as place:
                for root, some in self._parts(objects, channel, place):
                    take(root, some)
                    fine = read(root, some).where("reason IS NULL")
                    here = live.read().where(F.col("object").isin(list(some)))
                    readable = here.where(F.col("reason").isin(*READABLE))
                    lines = F.sha2(F.col("line").cast("BINARY"), 256).alias("line_sha256")
                    again = readable.join(fine.select("object", lines, "item").distinct(), on=list(QUARANTINED), how="left_semi")
                    keep(live, live.read().join(again.select(*QUARANTINED), on=list(QUARANTINED), how="left_anti"), but=again)
                    take(root, some)  # of what is a conflict now, nobody was told while its line stood there with another reason
        return {**counts, "read": counts["quarantined"] - live.read().where(F.col("reason").isin(*READABLE)).count()}

    def _reader(
        self, channel: str, quarantine: Live
    ) -> tuple[Callable[[str, Sequence[str]], object], Callable[[str, Sequence[str]], DataFrame]]:
        """How a channel takes in objects that lie somewhere, and what their items are."""

        def lines(root: str, some: Sequence[str]) -> DataFrame:
            return landed.lines(self.spark.read, root, landed.paths(root, some))

        if channel == TRADES.name:
            query = self._query(self.where, quarantine)
            query.start()
            tables = query.tables

            def take(root: str, some: Sequence[str]) -> None:
                tables.root = root
                query.batch(tables.frames(some), 0, "rebuild")

            return take, lambda root, some: items(lines(root, some), tables.projection).withColumnRenamed("raw", "line")
        (kind,) = (one for one in CHANNELS.values() if one.name == channel)
        other = self._appended(self.where, kind, quarantine)
        other.start()
        return lambda root, some: other.batch(lines(root, some), 0, "rebuild"), lambda root, some: kind.items(lines(root, some))

    def _parts(self, objects: Sequence[str], channel: str, aside: Place) -> Iterator[tuple[str, Sequence[str]]]:
        """(Below which folder, which objects) of each batch. Sealed ones are there as long as their batch."""
        sealed = archive.archived(self.where.store, channel)
        here = set(self.where.store.keys(f"landing/channel={channel}/"))
        for part, found in groupby(objects, key=lambda key: None if key in here else sealed[key].part):
            some = list(found)
            if part is not None:
                for key, data in archive.contents(self.where.store, [sealed[key] for key in some]):
                    aside.store.create(key, data)
            for start in range(0, len(some), TOGETHER):
                yield self.where.root if part is None else aside.root, some[start : start + TOGETHER]
            if part is not None:
                for key in some:
                    aside.store.delete(key)

    def _landed(self, channel: str) -> set[str]:
        """All that ever landed, as far as it is there."""
        frozen.refuse(self.where, JOB, archive.indexes(self.where.store, channel))
        return {*self.where.store.keys(f"landing/channel={channel}/"), *archive.archived(self.where.store, channel)}

    def _refuse_frozen(self, by_channel: Mapping[str, Iterable[str]]) -> None:
        """Before anything is made: the parts of the archive that these objects lie in have to be readable."""
        parts: set[str] = set()
        for channel, objects in by_channel.items():
            sealed, here = archive.archived(self.where.store, channel), set(self.where.store.keys(f"landing/channel={channel}/"))
            parts |= {sealed[key].part for key in objects if key not in here}
        frozen.refuse(self.where, JOB, parts)

    # --- parts

    def _refuse_loss(self, live: Live, predicate: str, objects: Sequence[str]) -> None:
        """Rows whose object is not there any more could not be made again."""
        stands = live.read().where(predicate)
        lost = sorted({row["object"] for row in keys(stands.select("object").distinct())} - set(objects))
        if lost:
            raise LakeError(
                f"{stands.where(F.col('object').isin(lost)).count()} rows of {live.table.name} come from {len(lost)} landing objects "
                f"that are not there, such as {lost[0]}: put them back, or leave these rows out by --from and --to"
            )

    def _put(self, made: Live, live: Live, predicate: str) -> int:
        """In the place of what stands, in one commit."""
        rows = made.read().where(predicate).select(*live.table.names)
        parts = live.table.partitioned_by
        live.overwrite(rows.repartition(*parts) if parts else rows.coalesce(1), None if predicate == "TRUE" else predicate)
        return rows.count()

    def _put_quarantine(self, made: Live, live: Live, channel: str, predicate: str) -> None:
        """But for what the lines of an object do not tell: that it was damaged."""
        mine = f"channel = '{channel}' AND reason <> 'object_corrupt' AND {predicate}"
        if keys(live.read().where(mine).limit(1)) or keys(made.read().where(mine).limit(1)):
            live.overwrite(made.read().where(mine).select(*live.table.names).coalesce(1), mine)

    @contextlib.contextmanager
    def _aside(self) -> Iterator[Place]:
        """A place of its own for as long as the block runs; what a run that died left there is removed first."""
        self._clear()
        folder = f"{SCRATCH}/{self.lease.epoch}"  # never the same twice: Delta remembers what stood at a path
        lake = dataclasses.replace(self.settings.lake, path=f"{self.settings.lake.path.rstrip('/')}/{folder}")
        try:
            yield Place(f"{self.where.root}/{folder}", landing.store(lake))
        finally:
            self._clear()

    def _clear(self) -> None:
        for key in list(self.where.store.keys(f"{SCRATCH}/")):
            self.where.store.delete(key)

    def _query(self, place: Place, quarantine: Live | None = None) -> Trades:
        three = (self._live(place, TRADES), quarantine or self._live(place, QUARANTINE), self._live(place, MINUTE_AGGREGATES))
        tables = LiveTables(self.spark, EXCHANGES, self.settings.ingest.epochs, self.where.root, *three)
        return Trades(tables, Progress(place.store, "trades"), Records(place.store, "trades"))

    def _appended(self, place: Place, channel: Channel, quarantine: Live | None = None) -> Appended:
        lives = self._live(place, channel.table), quarantine or self._live(place, QUARANTINE)
        return Appended(self.spark, channel, *lives, Records(place.store, channel.name))

    def _live(self, place: Place, table: Table) -> Live:
        return Live(self.spark, place.store, self.lease, table, place.table(table.name))


def _by_channel(objects: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in sorted(objects):
        found.setdefault(key.partition("/channel=")[2].partition("/")[0], []).append(key)
    return found


if __name__ == "__main__":
    sys.exit(main())
