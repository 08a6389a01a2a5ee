"""What the stream's driver does once an hour, at once and to the end: for a lake whose stream does not run all the time."""

import argparse
import dataclasses
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ingest.exchanges import EXCHANGES
from ingest.settings import Settings
from jobs.queries.channels import channels
from jobs.queries.upkeep import Upkeep
from jobs.runtime import cli
from jobs.runtime.lake import Place, current
from jobs.runtime.lease import held
from jobs.runtime.live import Live, snapshot
from jobs.runtime.session import session
from jobs.tables import LIVE, TRADES

NO_LIMIT = timedelta(days=365)


def main(arguments: list[str] | None = None) -> int:
    """Keep up a lake from the command line."""
    made = cli.parser(
        "upkeep",
        "Seal closed days of the landing zone, join small files, remove those that nobody reads any more. The stream must not run; "
        "while it does, its driver does the same once an hour.",
        "./spark-submit.sh upkeep --conf conf/local.yaml",
    )
    return cli.main("upkeep", made, run, arguments)


def run(settings: Settings, where: Place, _: argparse.Namespace) -> Mapping[str, Any]:
    """The tables and channels that are there."""
    with held(where.store, "stream", settings.jobs.lease.ttl) as lease:
        spark = session(settings.lake, "upkeep")
        there = [table for table in LIVE.values() if snapshot(spark, where.table(table.name)).version() >= 0]
        lives = {table.name: Live(spark, where.store, lease, table, where.table(table.name)) for table in there}
        for live in lives.values():
            live.open()
        owners = {TRADES.name: TRADES.name, **{channel.name: channel.table.name for channel in channels(EXCHANGES)}}
        begun = {name: current(lives[table], name) for name, table in owners.items() if table in lives}
        upkeep = Upkeep(
            spark.newSession(),
            where,
            dataclasses.replace(settings.jobs.upkeep, budget=NO_LIMIT),
            tables=lambda: list(lives.values()),
            checkpoints=lambda: {name: folder for name, folder in begun.items() if folder is not None},
        )
        return upkeep.run()


if __name__ == "__main__":
    sys.exit(main())
