"""The stream: from the landing zone to the live tables. One driver, one query a channel."""

import argparse
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.sql import DataFrame

from ingest.exchanges import EXCHANGES
from ingest.settings import Settings
from jobs.queries.live_tables import LiveTables
from jobs.queries.recovery import Recovery
from jobs.queries.trades import Trades
from jobs.runtime import cli, streaming
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import Live
from jobs.runtime.progress import Progress
from jobs.runtime.session import session
from jobs.runtime.signals import when_asked_to_stop
from jobs.tables import LIVE

log = logging.getLogger(__name__)
FOR_EVER = "3650d"  # by default Spark never reads an object a week older than the newest one


def main(arguments: list[str] | None = None) -> int:
    """Run the stream from the command line."""
    made = cli.parser(
        "stream", "Turn what lands into trades and minutes.", "./spark-submit.sh stream --conf conf/local.yaml --once"
    )
    made.add_argument("--once", action="store_true", help="take what is there, close the open minutes, and end")
    return cli.main("stream", made, run, arguments)


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """Gather, compute, write, until the end."""
    with held(where.store, "stream", settings.jobs.lease.ttl) as lease:
        return _streamed(settings, where, lease, once=chosen.once)


def _streamed(settings: Settings, where: Place, lease: Lease, *, once: bool) -> Mapping[str, Any]:
    spark = session(settings.lake, "stream")
    lives = {name: Live(spark, where.store, lease, table, where.table(name)) for name, table in LIVE.items()}
    three = (lives["trades"], lives["quarantine"], lives["minute_aggregates"])
    tables = LiveTables(spark, EXCHANGES, settings.ingest.epochs, where.root, *three)
    trades = Trades(tables, Progress(where.store, "trades"))
    life = Recovery(trades, where.store)
    life.begin()
    log.info("event=start query=trades checkpoint=%s feeds=%d", life.folder, len(trades.state))
    stream = settings.jobs.stream
    totals = {"items": 0, "fresh": 0}

    def batch(frames: DataFrame, number: int) -> None:
        record = trades.batch(frames, number, life.query)
        log.info("event=batch query=trades %s", figures(record))
        totals["items"] += record["items"]
        totals["fresh"] += record["fresh"] + record.get("late", 0)

    query_ = streaming.Supervised(
        name="trades",
        source=lambda: tables.frames_of(
            spark.readStream.option("maxBytesPerTrigger", str(int(stream.max_bytes_per_trigger))).option("maxFileAge", FOR_EVER),
            where.landing("trades"),
        ),
        batch=batch,
        recover=life.recover,
        finish=trades.close,
        checkpoint=lambda: f"{where.root}/{life.folder}",
        trigger={"availableNow": True}
        if once
        else {"processingTime": f"{int(stream.trigger.total_seconds() * 1000)} milliseconds"},
    )
    stop = threading.Event()
    when_asked_to_stop(spark, stop.set)

    def tick() -> None:
        overdue = trades.overdue(stream.close_after.total_seconds())
        if overdue:
            trades.close(overdue)

    streaming.run(query_, tick, stop.is_set, _delays)
    trades.save()
    return {"batches": query_.batches, **totals}


def figures(record: Mapping[str, Any]) -> str:
    """A batch's record as a line of the log; what is nought or a list is left to the record."""
    told = {**record, **record.get("reasons", {})}
    return " ".join(f"{name}={value}" for name, value in told.items() if isinstance(value, int) and (value or name == "batch"))


def _delays() -> Iterator[float]:
    yield from (1.0, 5.0, 15.0)


if __name__ == "__main__":
    sys.exit(main())
