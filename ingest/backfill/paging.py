"""One run of `backfill` for a venue that publishes no files: its whole past over REST, page by page, into files of the inbox."""

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from ingest.backfill.lines import MOST_PAGES, Held, Lines, Run, Writer
from ingest.backfill.pager import OLDEST, Pager
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

NAMED = 5  # runs of absent ids of a pair that the last line names
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """What a run needs of the world, so that tests can bring their own."""

    clock: Clock
    get: Get
    random: Callable[[], float]
    stop: threading.Event  # set: what has come is kept, and the run ends soon


@dataclass(frozen=True)
class Paged:
    """How far a run is, or how far it came."""

    seconds: float
    ids: int  # that are wanted; where they are not dense there are fewer trades
    left: int  # of these
    files: int
    pages: int
    trades: int
    bytes: int  # of lines
    there: int  # files of an earlier run
    notes: Sequence[str] = ()  # what the venue has not
    doing: Sequence[str] = ()
    failures: Sequence[str] = ()

    @property
    def is_good(self) -> bool:
        """Whether all that the venue tells is in the lake."""
        return not self.failures and not self.left


@dataclass(frozen=True)
class _Job:
    """Ids that follow one another, for one thread."""

    plan: Plan
    low: int
    high: int


@dataclass
class _State:
    ids: int = 0
    done: int = 0
    files: int = 0
    pages: int = 0
    trades: int = 0
    bytes: int = 0
    there: int = 0
    notes: list[str] = field(default_factory=list)
    absent: dict[str, list[Span]] = field(default_factory=dict)
    doing: dict[int, str] = field(default_factory=dict)  # by thread
    failures: list[str] = field(default_factory=list)


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
        self._state = _State()
        self._one = threading.Lock()

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
                return
            plan = past_of(self._ingest, self._exchange, self._kind, pair)
            self._state.doing[-1] = f"looking for {asked.first} among the ids of {pair}"
            report(self._progress())
            try:
                span = self._span(self._pager(asking, plan), pair, asked)
            except RestError as error:
                self._fail(f"{pair}: {error}")
                continue
            if span is None:
                continue
            left = [span]
            for held in self._lines(plan).held(*span):
                left[-1:] = without(left[-1:], held.low, held.high)
                self._state.there += held.key is not None
                self._note(pair, held)
            self._state.ids += span[1] - span[0] + 1
            self._state.done += span[1] - span[0] + 1 - sum(high - low + 1 for low, high in left)
            yield from (_Job(plan, *part) for low, high in left for part in self._parts(plan, low, high))
        self._state.doing.pop(-1, None)

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
            self._fail(f"{pair}: no trade of {asked.first} to {asked.last}" + _until(newest))
            return None
        first = pager.start(begin, OLDEST, newest)
        last = pager.start(end, first.number, newest).number - 1 if newest.ms >= end else newest.number
        if first.number > last:
            self._fail(f"{pair}: no trade of {asked.first} to {asked.last}")
            return None
        if first.oldest_ms is not None:
            self._state.notes.append(f"{pair}: the venue tells nothing before {_time(first.oldest_ms):%Y-%m-%dT%H:%M:%SZ}")
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
        self._state.failures += crew.faults

    def _take_all(self, number: int, waiting: "queue.SimpleQueue[_Job]") -> None:
        asking, writer = self._client(), Writer(f"{self._run}-{number + 1}")
        while not self._world.stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            pair = _pair(job.plan)
            self._state.doing[number] = f"{pair} from id {job.low}"
            try:
                self._take(self._pager(asking, job.plan), writer, job)
            except Exception as error:  # noqa: BLE001 - a venue, boto3 and disks fail in many ways; other threads go on
                if not self._world.stop.is_set():
                    self._fail(f"{pair}: ids {job.low} to {job.high}: {error}")
                return  # whatever it is, the next ids would not fare better
            finally:
                self._state.doing.pop(number, None)

    def _take(self, pager: Pager, writer: Writer, job: _Job) -> None:
        """Page after page, a file of as many as one may hold; what has come is kept, however it ends."""
        run = Run(job.low, self._most_pages)
        before: int | None = None
        try:
            while run.high < job.high and not self._world.stop.is_set():
                answer = pager.page(run.high + 1, job.high, before)
                run.take(answer, writer.line(job.plan, answer))
                before = run.newest if run.newest is not None else before
                with self._one:
                    self._state.pages += 1
                if run.is_full:
                    done, run = run, Run(run.high + 1, self._most_pages)
                    self._keep(job.plan, done)
        finally:
            if run.high >= run.low:
                self._keep(job.plan, run)

    def _keep(self, plan: Plan, run: Run) -> None:
        held = self._lines(plan).take(run)
        _LOG.info("event=kept key=%s low=%d high=%d trades=%d", held.key, held.low, held.high, held.trades)
        with self._one:
            self._state.done += run.high - run.low + 1
            self._state.files += held.key is not None
            self._state.trades += held.trades
            self._state.bytes += len(run.text)
            self._note(_pair(plan), held)

    def _note(self, pair: str, held: Held) -> None:
        for low, high in held.absent:
            _LOG.warning("event=absent pair=%s low=%d high=%d file=%s", pair, low, high, held.key)
        if held.absent:
            self._state.absent.setdefault(pair, []).extend(held.absent)

    def _client(self) -> Client:
        hosts = rest_hosts(self._ingest, self._exchange)
        return client(self._ingest, self._exchange, hosts, Purpose("backfill", self._ingest.repair.weight_share), self._world)

    def _pager(self, asking: Client, plan: Plan) -> Pager:
        return Pager(asking, self._history, _pair(plan), self._world.stop, dense=plan.feed.dense)

    def _lines(self, plan: Plan) -> Lines:
        return Lines(self._store, plan)

    def _fail(self, text: str) -> None:
        _LOG.error("event=backfill_failed detail=%r", text)
        with self._one:
            self._state.failures.append(text)

    def _progress(self) -> Paged:
        state = self._state
        with self._one:
            return Paged(
                seconds=self._world.clock.monotonic() - self._began,
                ids=state.ids,
                left=state.ids - state.done,
                files=state.files,
                pages=state.pages,
                trades=state.trades,
                bytes=state.bytes,
                there=state.there,
                notes=[*state.notes, *(_absent(pair, spans) for pair, spans in sorted(state.absent.items()))],
                doing=list(state.doing.values()),
                failures=list(state.failures),
            )


def _pair(plan: Plan) -> str:
    (pair,) = plan.pairs.values()
    return pair


def _ms(day: date) -> int:
    return (datetime.combine(day, time(), UTC) - _EPOCH) // timedelta(milliseconds=1)


def _time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def _until(newest: Told | None) -> str:
    return ", nor any other" if newest is None else f"; the last one is of {_time(newest.ms):%Y-%m-%d}"


def _absent(pair: str, spans: Sequence[Span]) -> str:
    named = ", ".join(f"{low} to {high}" for low, high in sorted(spans)[:NAMED])
    more = f" and {len(spans) - NAMED} more" if len(spans) > NAMED else ""
    return f"{pair}: absent between the venue's own ids: {named}{more}"
