"""One run of `backfill`: asks what is published, and has several threads fetch what the lake has not."""

import logging
import os
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ingest.backfill.inbox import Inbox
from ingest.backfill.listing import Key, listed
from ingest.backfill.wanted import Absent, Asked, chosen, wanted
from ingest.clock import Clock
from ingest.crew import Crew
from ingest.exchanges.exchange import Dump, Exchange, Period
from ingest.landing import Store
from ingest.plan import dump_hosts, listing_hosts
from ingest.rest.download import Downloads, Fetch, Refusal
from ingest.rest.pace import Paced
from ingest.rest.parts import DAY, Part, monthly
from ingest.settings import Ingest
from ingest.spool.spool import lock as take_lock

PERIODS: Sequence[Period] = ("monthly", "daily")
PLANNING = -1  # in the place of a thread's number
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """What a run needs of the world, so that tests can bring their own."""

    clock: Clock
    fetch: Fetch
    random: Callable[[], float]
    stop: threading.Event  # set: end soon; what has come of a file stays for the next run


@dataclass(frozen=True)
class Progress:
    """How far a run is, or how far it came."""

    seconds: float
    files: int  # that are wanted
    bytes: int  # of these, as far as the venue tells
    ends: Mapping[str, int]  # fetched, there, same, replaced, checksum, not_published, failed -> files
    got_bytes: int  # that have come
    absent: Sequence[tuple[str, Absent]]  # pair, days
    doing: Sequence[str] = ()
    failures: Sequence[str] = ()

    @property
    def done(self) -> int:
        return sum(self.ends.values())

    @property
    def is_good(self) -> bool:
        """Whether all that is published is in the lake."""
        return not self.failures and self.done == self.files


@dataclass
class _State:
    files: int = 0
    bytes: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    absent: list[tuple[str, Absent]] = field(default_factory=list)
    doing: dict[int, str] = field(default_factory=dict)  # by thread
    failures: list[str] = field(default_factory=list)


class Backfill:
    """One run: files of one kind of one venue's market."""

    def __init__(  # noqa: PLR0913 - what is fetched, from where, to where
        self, ingest: Ingest, exchange: Exchange, dump: Dump, store: Store, world: World, *, watch: float = 0.5
    ) -> None:
        self._ingest = ingest
        self._exchange = exchange
        self._dump = dump
        self._store = store
        self._world = world
        self._watch = watch  # seconds between looks at what is to be shown
        self._paced = Paced(world.fetch, ingest.backfill.requests_per_second, world.clock, world.stop)
        self._folder = ingest.spool.path / "backfill" / f"{exchange.venue}-{exchange.market}"  # markets share names of files
        self._began = world.clock.monotonic()
        self._state = _State()
        self._loaders: list[Downloads] = []
        self._one = threading.Lock()

    def run(self, asked: Asked, report: Callable[[Progress], None]) -> Progress:
        """Fetch, until all is there or somebody says stop. SpoolError: another one has the folder. InboxError, ListingError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = take_lock(self._folder.parent, "backfill")
        try:
            inbox = Inbox(self._store, self._exchange, self._dump)
            self._work(inbox, self._plan(asked, report), asked, report)
        finally:
            os.close(lock)
        return self._progress()

    def _plan(self, asked: Asked, report: Callable[[Progress], None]) -> Sequence[tuple[str, Part]]:
        """Which files there are, of all pairs."""
        hosts = listing_hosts(self._ingest, self._exchange)
        listings = self._downloads(hosts)
        found: list[tuple[str, Part]] = []
        for pair in chosen(asked.pairs, self._published(listings) if any("*" in one for one in asked.pairs) else ()):
            if self._world.stop.is_set():
                break
            self._state.doing[PLANNING] = f"asking what there is of {pair}"
            report(self._progress())
            sizes = {key.path: key.bytes for key in self._files(listings, pair, asked)}
            with_sum = {path for path in sizes if f"{path}.CHECKSUM" in sizes}
            plan = wanted(self._dump, pair, asked.first, asked.last, with_sum)
            self._state.files += len(plan.parts)
            self._state.bytes += sum(sizes[part.path] for part in plan.parts)
            self._state.absent += [(pair, one) for one in plan.absent]
            if not plan.parts:
                self._fail(f"{pair}: nothing is published of {asked.first} to {asked.last}")
            found += [(pair, part) for part in plan.parts]
        self._state.doing.pop(PLANNING, None)
        return found

    def _published(self, listings: Downloads) -> Sequence[str]:
        """Every pair that there ever were files of, delisted ones among them."""
        pairs, odd = set[str](), set[str]()
        for period in PERIODS:
            for key in listed(listings, self._dump.symbols(period)):
                symbol = key.path.rstrip("/").rpartition("/")[2]
                try:
                    pairs.add(self._exchange.pair(symbol))
                except ValueError as error:
                    if symbol not in odd:
                        _LOG.info("event=no_pair symbol=%s detail=%r", symbol, str(error))
                    odd.add(symbol)
        if odd:
            _LOG.warning("event=no_pairs symbols=%d such_as=%s detail=left_out", len(odd), ",".join(sorted(odd)[:5]))
        return sorted(pairs)

    def _files(self, listings: Downloads, pair: str, asked: Asked) -> Iterator[Key]:
        """What is published of a pair, as far as it may be wanted."""
        for period, name in (("monthly", self._dump.monthly), ("daily", self._dump.daily)):
            # a name is behind the one of the day before; of the first day's month, the one before
            before = monthly(self._dump, pair, asked.first).first - DAY if period == "monthly" else asked.first - DAY
            last = name(pair, asked.last) + ".CHECKSUM"
            for key in listed(listings, name(pair, asked.first).rpartition("/")[0] + "/", name(pair, before) + ".CHECKSUM"):
                if key.path > last:
                    break
                yield key

    def _work(self, inbox: Inbox, files: Sequence[tuple[str, Part]], asked: Asked, report: Callable[[Progress], None]) -> None:
        known = {key for pair in {pair for pair, _ in files} for period in PERIODS for key in inbox.there(pair, period)}
        waiting: queue.SimpleQueue[tuple[str, Part]] = queue.SimpleQueue()
        for pair, part in files:
            key = inbox.key(pair, part)
            if key in known and not asked.recheck:
                self._end("there")
            else:
                waiting.put((key, part))
        crew = Crew(self._world.stop)
        hosts = dump_hosts(self._ingest, self._exchange)
        threads = [
            crew.start(f"backfill {number}", partial(self._take_all, number, inbox, hosts, waiting))
            for number in range(min(self._ingest.backfill.parallel, waiting.qsize()))
        ]
        for thread in threads:
            while thread.is_alive():
                thread.join(self._watch)
                report(self._progress())
        self._state.failures += crew.faults

    def _take_all(self, number: int, inbox: Inbox, hosts: Sequence[str], waiting: "queue.SimpleQueue[tuple[str, Part]]") -> None:
        downloads = self._downloads(hosts)
        while not self._world.stop.is_set():
            try:
                key, part = waiting.get_nowait()
            except queue.Empty:
                return
            self._state.doing[number] = part.name
            try:
                outcome, detail = self._take(inbox, downloads, key, part)
            except Exception as error:  # noqa: BLE001 - boto3 and disks fail in many ways; the other files go on
                outcome, detail = "failed", repr(error)
            self._state.doing.pop(number)
            if outcome == "failed" and self._world.stop.is_set():
                return
            self._end(outcome)
            if detail:
                self._fail(f"{part.name}: {detail}")

    def _take(self, inbox: Inbox, downloads: Downloads, key: str, part: Part) -> tuple[str, str]:
        """What became of a file, and what is wrong with it."""
        before = inbox.sha256(key)
        if before is not None:
            told = downloads.checksum(part.path)
            if isinstance(told, Refusal):
                return told.outcome, told.detail
            if told == before:
                return "same", ""
        found = downloads.file(part.path)
        if isinstance(found, Refusal) and found.outcome == "checksum":
            found = downloads.file(part.path)  # it may have been replaced while it came
        if isinstance(found, Refusal):
            return found.outcome, found.detail
        inbox.take(key, found)
        found.path.unlink()
        _LOG.info("event=fetched key=%s sha256=%s", key, found.sha256)
        return ("replaced" if before else "fetched"), ""

    def _downloads(self, hosts: Sequence[str]) -> Downloads:
        world = self._world
        made = Downloads(
            hosts,
            self._folder,
            most_bytes=self._ingest.spool.max_bytes,
            fetch=self._paced,
            clock=world.clock,
            random=world.random,
            stop=world.stop,
            stays=True,
        )
        self._loaders.append(made)
        return made

    def _end(self, outcome: str) -> None:
        with self._one:
            self._state.ends[outcome] += 1

    def _fail(self, text: str) -> None:
        _LOG.error("event=backfill_failed detail=%r", text)
        with self._one:
            self._state.failures.append(text)

    def _progress(self) -> Progress:
        state = self._state
        with self._one:
            return Progress(
                seconds=self._world.clock.monotonic() - self._began,
                files=state.files,
                bytes=state.bytes,
                ends=dict(state.ends),
                got_bytes=sum(loader.bytes for loader in self._loaders),
                absent=list(state.absent),
                doing=list(state.doing.values()),
                failures=list(state.failures),
            )
