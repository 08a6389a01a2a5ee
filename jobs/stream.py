"""The stream: from the landing zone to the live tables. One driver, one query a channel."""

import argparse
import logging
import math
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ingest.exchanges import EXCHANGES
from ingest.settings import Settings
from jobs.queries import foreign
from jobs.queries.appended import Appended
from jobs.queries.channels import Channel, channels
from jobs.queries.instruments import Instruments
from jobs.queries.live_tables import LiveTables
from jobs.queries.recovery import Recovery
from jobs.queries.trades import Trades
from jobs.queries.upkeep import Upkeep, hourly
from jobs.runtime import cli, landed, streaming
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Live
from jobs.runtime.progress import Progress, Records
from jobs.runtime.session import session
from jobs.runtime.signals import when_asked_to_stop
from jobs.runtime.streaming import Beside, Supervised
from jobs.tables import MINUTE_AGGREGATES, QUARANTINE, TRADES
from jobs.tables.table import Table

log = logging.getLogger(__name__)
FILES_A_DAY = 200_000  # more than listing and joining them can keep up with
FOR_EVER = "3650d"  # by default Spark never reads an object a week older than the newest one


def main(arguments: list[str] | None = None) -> int:
    """Run the stream from the command line."""
    made = cli.parser("stream", "Turn what lands into the live tables.", "./spark-submit.sh stream --conf conf/local.yaml --once")
    made.add_argument("--once", action="store_true", help="take what is there, close the open minutes, and end")
    return cli.main("stream", made, run, arguments)


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """Gather, compute, write, until the end."""
    with held(where.store, "stream", settings.jobs.lease.ttl) as lease:
        return Driver(session(settings.lake, "stream"), settings, where, lease, once=chosen.once).run()


@dataclass
class Driver:
    """What the queries of one run share."""

    spark: SparkSession
    settings: Settings
    where: Place
    lease: Lease
    once: bool
    stop: threading.Event = field(default_factory=threading.Event)
    totals: Counter[str] = field(default_factory=Counter)
    tables: list[Live] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)

    def run(self) -> Mapping[str, Any]:
        """Until the end, or until one of them fails for good."""
        quarantine = self._live(self.spark, QUARANTINE)
        trades = self._trades(quarantine)
        life = Recovery("trades", trades, trades.tables.trades, lambda: foreign.repair(trades), self.where.store)
        query = self._query(life, self._traded(trades, life), trades.tables.frames_of, trades.close)
        others = [self._beside(channel, quarantine) for channel in channels(EXCHANGES)]
        when_asked_to_stop(self.spark, self.stop.set)
        life.begin()
        log.info("event=start query=trades checkpoint=%s feeds=%d", life.folder, len(trades.state))
        self._warn_of_files(len({feed.pair for feed in trades.state}))
        after = self.settings.jobs.stream.close_after.total_seconds()

        def tick() -> None:
            overdue = trades.overdue(after)
            if overdue:
                trades.close(overdue)

        with self._upkeep(), streaming.beside(others, self.stop, wait=self.once):
            streaming.run(query, tick, self.stop.is_set, _delays)
        trades.save()
        return {"batches": query.batches + sum(other.query.batches for other in others), **self.totals}

    def _upkeep(self) -> AbstractContextManager[None]:
        """Beside batches that go on; who lets the stream run once after the other has the job for it."""
        if self.once:
            return nullcontext()
        upkeep = Upkeep(
            self.spark.newSession(),
            self.where,
            self.settings.jobs.upkeep,
            tables=lambda: [live for live in self.tables if live.version >= 0],
            checkpoints=lambda: {life.name: life.folder for life in self.recoveries if life.folder},
            stopping=self.stop.is_set,
        )
        return hourly(upkeep, self._measure, self.stop)

    def _measure(self) -> None:
        for life in self.recoveries:
            if life.folder:
                life.measure()

    def _trades(self, quarantine: Live) -> Trades:
        three = (self._live(self.spark, TRADES), quarantine, self._live(self.spark, MINUTE_AGGREGATES))
        tables = LiveTables(self.spark, EXCHANGES, self.settings.ingest.epochs, self.where.root, *three)
        self.totals.update({"items": 0, "fresh": 0})
        return Trades(tables, Progress(self.where.store, "trades"), Records(self.where.store, "trades"))

    def _traded(self, trades: Trades, life: Recovery) -> Callable[[DataFrame, int], None]:
        def batch(frames: DataFrame, number: int) -> None:
            record = trades.batch(frames, number, life.query)
            log.info("event=batch query=trades %s", figures(record))
            self.totals.update(items=record["items"], fresh=record["fresh"] + record.get("late", 0))

        return batch

    def _beside(self, channel: Channel, quarantine: Live) -> Beside:
        """A channel without trades; it begins when something has landed there."""
        spark = self.spark.newSession()  # see Live.sql
        live = self._live(spark, channel.table)
        beside = Instruments(self._live(spark, channel.also), quarantine) if channel.also else None
        appended = Appended(spark, channel, live, quarantine, Records(self.where.store, channel.name), beside)
        life = Recovery(channel.name, appended, live, appended.repair, self.where.store)

        def batch(lines: DataFrame, number: int) -> None:
            record = appended.batch(lines, number, life.query)
            log.info("event=batch query=%s %s", channel.name, figures(record))
            self.totals.update({channel.table.name: record["fresh"]})

        def lines(reader: Any, where: Any) -> DataFrame:  # noqa: ANN401 - Spark's reader of streams; a path
            return landed.lines(reader, self.where.root, where)

        prefix = f"landing/channel={channel.name}/"
        return Beside(
            self._query(life, batch, lines, lambda: None),
            life.begin,
            lambda: next(iter(self.where.store.keys(prefix)), None) is not None,
            lambda: spark.sparkContext.setLocalProperty("spark.scheduler.pool", channel.name),
            _delays,
        )

    def _warn_of_files(self, pairs: int) -> None:
        """Each pair of a batch has a file of its own."""
        trigger = self.settings.jobs.stream.trigger
        files = int(pairs * timedelta(days=1) / trigger)
        if files > FILES_A_DAY and not self.once:
            right = math.ceil(pairs * timedelta(days=1) / FILES_A_DAY / timedelta(seconds=1))
            log.warning("event=many_files a_day=%d pairs=%d detail=jobs.stream.trigger: %ds or more", files, pairs, right)

    def _query(
        self,
        life: Recovery,
        batch: Callable[[DataFrame, int], None],
        read: Callable[[Any, Any], DataFrame],
        finish: Callable[[], None],
    ) -> Supervised:
        self.recoveries.append(life)
        stream = self.settings.jobs.stream
        most = str(int(stream.max_bytes_per_trigger))
        return Supervised(
            name=life.name,
            source=lambda: read(
                life.live.spark.readStream.option("maxBytesPerTrigger", most).option("maxFileAge", FOR_EVER),
                self.where.landing(life.name),
            ),
            batch=batch,
            recover=life.recover,
            finish=finish,
            admit=life.admit,
            checkpoint=lambda: f"{self.where.root}/{life.folder}",
            trigger={"availableNow": True}
            if self.once
            else {"processingTime": f"{int(stream.trigger.total_seconds() * 1000)} milliseconds"},
        )

    def _live(self, spark: SparkSession, table: Table) -> Live:
        self.tables.append(Live(spark, self.where.store, self.lease, table, self.where.table(table.name)))
        return self.tables[-1]


def figures(record: Mapping[str, Any]) -> str:
    """A batch's record as a line of the log; what is nought or a list is left to the record."""
    told = {**record, **record.get("reasons", {})}
    return " ".join(f"{name}={value}" for name, value in told.items() if isinstance(value, int) and (value or name == "batch"))


def _delays() -> Iterator[float]:
    yield from (1.0, 5.0, 15.0)


if __name__ == "__main__":
    sys.exit(main())
