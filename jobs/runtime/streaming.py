"""One streaming query under supervision: restarted alone when a batch fails, ended when it keeps failing."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from jobs.runtime.lease import LeaseLost

log = logging.getLogger(__name__)
FAILURES = 3  # in a row, and the driver ends
LOOK = 1  # seconds between two looks at the clock
WANTED_SECONDS = 10.0  # between two looks whether a channel has something


class LogIsLong(Exception):  # noqa: N818 - says what is so
    """The query has read so many objects that it goes on in a new checkpoint."""


@dataclass
class Supervised:
    """A query of one channel: how to open its source, what to do with a batch, what to do before a try that follows a failure."""

    name: str
    source: Callable[[], DataFrame]
    admit: Callable[[int], None]  # raises where a batch should not begin
    batch: Callable[[DataFrame, int], Any]
    recover: Callable[[BaseException], None]
    finish: Callable[[], None]  # what to do once the source is exhausted
    checkpoint: Callable[[], str]
    trigger: Mapping[str, Any]
    error: BaseException | None = None
    batches: int = 0
    failures: int = field(default=0)

    def start(self) -> StreamingQuery:
        """Start the query."""
        writer = self.source().writeStream.queryName(self.name).foreachBatch(self._guarded)
        return writer.option("checkpointLocation", self.checkpoint()).trigger(**self.trigger).start()

    def _guarded(self, frames: DataFrame, number: int) -> None:
        try:
            self.admit(number)
            self.batch(frames, number)
        except BaseException as error:
            self.error = error  # Spark hands on its text only
            raise
        self.batches += 1
        self.failures = 0


def run(query: Supervised, tick: Callable[[], None], stopping: Callable[[], bool], delays: Callable[[], Iterator[float]]) -> None:
    """Until the source is exhausted, somebody asks to stop, or the third failure in a row."""
    waits = delays()
    failed: BaseException | None = None
    while True:
        query.error = None
        try:
            if failed is not None:
                if not stopping():
                    query.recover(failed)
                if stopping():  # while it waited, or during the recovery
                    return
            _attend(query, tick, stopping)
        except Exception as failure:
            failed = query.error or failure
            if isinstance(failed, LogIsLong):
                continue
            query.failures += 1
            log.warning("event=query_failed query=%s failures=%d error=%r", query.name, query.failures, _short(failed))
            if isinstance(failed, LeaseLost) or query.failures >= FAILURES:
                raise failed from failure
            if query.failures == 1:
                waits = delays()
            time.sleep(next(waits))
        else:
            return


@dataclass
class Beside:
    """A query in a thread of its own, beside that of the trades."""

    query: Supervised
    begin: Callable[[], None]
    is_wanted: Callable[[], bool]  # has its channel anything?
    enter_pool: Callable[[], None]  # so that a big batch of one query does not hold up the others
    delays: Callable[[], Iterator[float]]
    error: BaseException | None = None

    def run(self, stop: threading.Event, *, wait: bool) -> None:
        """Until it is done, or told to stop. A failure for good stops the others."""
        try:
            self.enter_pool()
            while not self.is_wanted():
                if wait or stop.wait(WANTED_SECONDS):
                    return
            self.begin()
            run(self.query, lambda: None, stop.is_set, self.delays)
        except BaseException as error:  # noqa: BLE001 - raised where the driver waits for it
            self.error = error
            stop.set()


@contextmanager
def beside(others: Sequence[Beside], stop: threading.Event, *, wait: bool) -> Iterator[None]:
    """Run the others while the block runs. `wait`: they end by themselves, when all that is there is taken in."""
    threads = [threading.Thread(target=other.run, args=(stop,), kwargs={"wait": wait}, name=other.query.name) for other in others]
    for thread in threads:
        thread.start()
    try:
        yield
    except BaseException:
        stop.set()
        raise
    finally:
        if not wait:
            stop.set()
        for thread in threads:
            thread.join()
    for other in others:
        if other.error is not None:
            raise other.error


def _attend(query: Supervised, tick: Callable[[], None], stopping: Callable[[], bool]) -> None:
    """One life of the query. It does not outlive what fails beside it: its tables are not to be trusted then either."""
    running = query.start()
    try:
        while not running.awaitTermination(LOOK):
            if stopping():
                return
            tick()
        query.finish()
    finally:
        running.stop()


def _short(error: BaseException) -> str:
    return str(error).split("\n", 1)[0][:300]
