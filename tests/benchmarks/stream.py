"""The stream's query in a session configured as spark-submit.sh configures it, in a process of its own that measures itself."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ingest.exchanges import EXCHANGES
from ingest.landing import Files
from ingest.settings import Lake
from jobs.queries.live_tables import LiveTables
from jobs.queries.trades import Trades
from jobs.runtime import deltalog
from jobs.runtime.lease import Lease
from jobs.runtime.live import Live
from jobs.runtime.progress import Progress, Records
from jobs.runtime.session import session
from jobs.tables import LIVE
from tests.benchmarks import cpu
from tests.benchmarks.costs.table import lay
from tests.benchmarks.phases import Phases, record, sampled
from tests.benchmarks.worker import private_output, serve

Cost = Mapping[str, float]  # processor and wall seconds


class Stream:
    """The driver's parts over fresh lakes, one after the other in one JVM."""

    def __init__(self, landing: str) -> None:
        began = time.monotonic()
        self.landing = landing
        self.spark = session(Lake(landing), "benchmark")
        gateway: Any = self.spark.sparkContext._gateway
        self.processes = (os.getpid(), gateway.proc.pid)
        self.number = 0
        self.started = {"cpu": sum(map(cpu.seconds, self.processes)), "wall": time.monotonic() - began}

    def measured(self, work: Callable[[], Any]) -> Cost:
        used, began = sum(map(cpu.seconds, self.processes)), time.monotonic()
        work()
        return {"cpu": sum(map(cpu.seconds, self.processes)) - used, "wall": time.monotonic() - began}

    @contextmanager
    def query(self, out: str, landing: str | None = None) -> Iterator[Trades]:
        """As the job makes it, over a fresh lake."""
        shutil.rmtree(out, ignore_errors=True)
        Path(out).mkdir(parents=True)
        store = Files(Path(out))
        lease = Lease(store, "stream", "benchmark", 30)
        lease.take()
        lease.keep()
        lives = {name: Live(self.spark, store, lease, table, f"{out}/tables/{name}") for name, table in LIVE.items()}
        three = (lives["trades"], lives["quarantine"], lives["minute_aggregates"])
        try:
            yield Trades(
                LiveTables(self.spark, EXCHANGES, (), landing or self.landing, *three),
                Progress(store, "trades"),
                Records(store, "trades"),
            )
        finally:
            lease.release()

    def batch(self, query: Trades, keys: Sequence[str]) -> Mapping[str, Any]:
        self.number += 1
        return query.batch(query.tables.frames(keys), self.number, "benchmark")

    def round(self, out: str, batches: Sequence[Sequence[str]]) -> Mapping[str, Cost]:
        """Start on a fresh lake, take the batches, close the open minutes."""
        with self.query(out) as query:
            start = self.measured(query.start)
            work = self.measured(lambda: [self.batch(query, keys) for keys in batches])
            close = self.measured(query.close)
        return {"start": start, "batches": work, "close": close}

    def tiny(self, out: str, before: Sequence[str], after: Sequence[str]) -> list[Cost]:
        """Each object of `after` as a batch, on a lake that holds those before."""
        with self.query(out) as query:
            query.start()
            self.batch(query, before)
            return [self.measured(partial(self.batch, query, [key])) for key in after]

    def costs(self, out: str, landing: str, batches: Sequence[Sequence[str]], table: str | None = None) -> list[Cost]:
        """What each batch costs on a fresh lake, or on one that holds a table; all minutes are written in the end."""
        with self.query(out, landing) as query:
            if table:
                lay(Path(table), query.tables, query.progress)
            query.start()
            found = [self.cost(query, keys) for keys in batches]
            query.close()
        return found

    def cost(self, query: Trades, keys: Sequence[str]) -> Cost:
        before = [(live, live.version) for live in query.tables.all]
        measured = self.measured(partial(self.batch, query, keys))
        written = [
            commit.added
            for live, version in before
            for later in range(version + 1, live.version + 1)
            if (commit := deltalog.commit(live.store, live.table.name, later)) is not None
        ]
        return {**measured, "files": sum(map(len, written))}

    def profile(self, out: str, batches: Sequence[Sequence[str]], recording: str) -> Mapping[str, Any]:
        """A round with the clock at each phase and a sample of the threads."""
        phases = Phases(self.spark, self.processes)
        with self.query(out) as query, sampled(self.processes[1], recording) as samples:
            phases.watch(query)
            query.start()
            for keys in batches:
                self.batch(query, keys)
            query.close()
        return {**phases.told(), "samples": samples}


def main() -> int:
    """Serve rounds."""
    answers = private_output()
    stream = Stream(sys.argv[1])
    functions: Mapping[str, Callable[..., Any]] = {
        "session": lambda: stream.started,
        "round": stream.round,
        "tiny": stream.tiny,
        "costs": stream.costs,
        "record": lambda: record(stream.processes[1]),
        "profile": stream.profile,
    }
    serve(answers, functions)
    stream.spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
