"""One run of `backfill` for a venue that publishes no files: its whole past over REST, page by page, into files of the inbox."""

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from ingest.backfill.lines import MOST_PAGES, Lines, Run, Writer
from ingest.backfill.pager import OLDEST, Pager
from ingest.backfill.tally import Paged, Tally
from ingest.backfill.wanted import Asked, chosen
from ingest.clock import Clock
from ingest.crew import Crew
from ingest.exchanges.exchange import Exchange, History, Request, Told
from ingest.landing import Store
from ingest.plan import Plan, past_of, rest_hosts
from ingest.rest.client import Client, Get, Purpose, RestError
from ingest.rest.clients import client
from ingest.rest.parts import DAY
from ingest.rest.search import Span, without
from ingest.rest.traded import Traded
from ingest.settings import Ingest
from ingest.spool.spool import lock as take_lock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """What a run needs of the world, so that tests can bring their own."""

    clock: Clock
    get: Get
    random: Callable[[], float]
    stop: threading.Event  # set: what has come is kept, and the run ends soon


@dataclass(frozen=True)
class _Job:
    """Ids that follow one another, for one thread."""

    plan: Plan
    low: int
    high: int


class Paging:
    """One run: trades of one kind of one venue's market."""

    def __init__(  # noqa: PLR0913 - what is fetched, from where, to where
        self,
        ingest: Ingest,
        exchange: Exchange,
        kind: str,
        store: Store,
        world: World,
        *,
        most_pages: int = MOST_PAGES,  # of a file
        watch: float = 0.5,
    ) -> None:
        assert exchange.rest is not None
        self._ingest = ingest
        self._exchange = exchange
        self._kind = kind
        self._history: History = exchange.rest.histories[kind]
        self._store = store
        self._world = world
        self._most_pages = most_pages
        self._watch = watch  # seconds between looks at what is to be shown
        self._run = f"{ingest.collector}-{world.clock.wall_ns()}"
        self._began = world.clock.monotonic()
        self._tally = Tally()

    def run(self, asked: Asked, report: Callable[[Paged], None]) -> Paged:
        """Fetch, until all is there or somebody says stop. SpoolError: another one runs. InboxError, RestError, SettingsError."""
        folder = self._ingest.spool.path / "backfill"
        folder.mkdir(parents=True, exist_ok=True)
        lock = take_lock(folder, "backfill")
        try:
            self._work(list(self._jobs(asked, report)), report)
        finally:
            os.close(lock)
        return self._progress()

    def _jobs(self, asked: Asked, report: Callable[[Paged], None]) -> Iterator[_Job]:
        """What is wanted and not there."""
        asking = self._client()
        for pair in self._pairs(asked.pairs, asking):
            if self._world.stop.is_set():
                self._tally.fail(f"{pair}: told to stop before it was asked for")
                continue
            plan = past_of(self._ingest, self._exchange, self._kind, pair)
            self._tally.doing[-1] = f"looking for {asked.first} among the ids of {pair}"
            report(self._progress())
            try:
                span = self._span(self._pager(asking, plan), pair, asked)
            except RestError as error:
                self._tally.fail(f"{pair}: {error}")
                continue
            if span is None:
                continue
            left, there = [span], self._lines(plan).held(*span)
            for held in there:
                left[-1:] = without(left[-1:], held.low, held.high)
            self._tally.want(pair, span, left, there)
            yield from (_Job(plan, *part) for low, high in left for part in self._parts(plan, low, high))
        self._tally.doing.pop(-1, None)

    def _pairs(self, patterns: Sequence[str], asking: Client) -> Sequence[str]:
        """Those that are named, and what of those that are traded now fits a pattern."""

        def ask(_: Exchange, request: Request) -> bytes:
            return asking.ask(*request).raw

        traded = Traded(self._ingest.spool.path / "instruments", ask)
        return chosen(patterns, traded(self._exchange) if any("*" in one for one in patterns) else ())

    def _span(self, pager: Pager, pair: str, asked: Asked) -> Span | None:
        """The least and the greatest id of the days. None: nothing was traded then."""
        newest = pager.newest()
        begin, end = _ms(asked.first), _ms(asked.last + DAY)
        if newest is None or newest.ms < begin:
            self._tally.fail(f"{pair}: no trade of {asked.first} to {asked.last}" + _until(newest))
            return None
        first = pager.start(begin, OLDEST, newest)
        last = pager.start(end, first.number, newest).number - 1 if newest.ms >= end else newest.number
        if first.number > last:
            self._tally.fail(f"{pair}: no trade of {asked.first} to {asked.last}")
            return None
        if first.oldest_ms is not None:
            self._tally.notes.append(f"{pair}: the venue tells nothing before {_time(first.oldest_ms):%Y-%m-%dT%H:%M:%SZ}")
        return first.number, last

    def _parts(self, plan: Plan, low: int, high: int) -> Iterator[Span]:
        """Ids that are dense go to several threads, so many as make a file; else each page tells where the next one begins."""
        if not plan.feed.dense:
            yield low, high
            return
        assert self._history.upwards is not None
        size = self._history.upwards.page * self._most_pages
        while low <= high:
            end = min(high, low // size * size + size - 1)
            yield low, end
            low = end + 1

    def _work(self, jobs: Sequence[_Job], report: Callable[[Paged], None]) -> None:
        waiting: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        crew = Crew(self._world.stop)
        threads = [
            crew.start(f"backfill {number}", partial(self._take_all, number, waiting))
            for number in range(min(self._ingest.backfill.parallel, len(jobs)))
        ]
        for thread in threads:
            while thread.is_alive():
                thread.join(self._watch)
                report(self._progress())
        self._tally.failures += crew.faults

    def _take_all(self, number: int, waiting: "queue.SimpleQueue[_Job]") -> None:
        asking, writer = self._client(), Writer(f"{self._run}-{number + 1}")
        while not self._world.stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            pair = _pair(job.plan)
            self._tally.doing[number] = f"{pair} from id {job.low}"
            try:
                self._take(self._pager(asking, job.plan), writer, job)
            except Exception as error:  # noqa: BLE001 - a venue, boto3 and disks fail in many ways; other threads go on
                if not self._world.stop.is_set():
                    self._tally.fail(f"{pair}: ids {job.low} to {job.high}: {error}")
                return  # whatever it is, the next ids would not fare better
            finally:
                self._tally.doing.pop(number, None)

    def _take(self, pager: Pager, writer: Writer, job: _Job) -> None:
        """Page after page, a file of as many as one may hold; what has come is kept, however it ends."""
        run = Run(job.low, self._most_pages)
        before: int | None = None
        try:
            while run.high < job.high and not self._world.stop.is_set():
                answer = pager.page(run.high + 1, job.high, before)
                run.take(answer, writer.line(job.plan, answer))
                before = run.newest if run.newest is not None else before
                self._tally.page()
                if run.is_full:
                    done, run = run, Run(run.high + 1, self._most_pages)
                    self._keep(job.plan, done)
        finally:
            if run.high >= run.low:
                self._keep(job.plan, run)

    def _keep(self, plan: Plan, run: Run) -> None:
        self._tally.keep(_pair(plan), self._lines(plan).take(run), len(run.text))

    def _client(self) -> Client:
        hosts = rest_hosts(self._ingest, self._exchange)
        return client(self._ingest, self._exchange, hosts, Purpose("backfill", self._ingest.repair.weight_share), self._world)

    def _pager(self, asking: Client, plan: Plan) -> Pager:
        return Pager(asking, self._history, _pair(plan), self._world.stop, dense=plan.feed.dense)

    def _lines(self, plan: Plan) -> Lines:
        return Lines(self._store, plan)

    def _progress(self) -> Paged:
        return self._tally.told(self._world.clock.monotonic() - self._began)


def _pair(plan: Plan) -> str:
    (pair,) = plan.pairs.values()
    return pair


def _ms(day: date) -> int:
    return (datetime.combine(day, time(), UTC) - _EPOCH) // timedelta(milliseconds=1)


def _time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def _until(newest: Told | None) -> str:
    return ", nor any other" if newest is None else f"; the last one is of {_time(newest.ms):%Y-%m-%d}"
