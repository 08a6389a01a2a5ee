"""One run of `repair`: reads the open gaps, a thread a venue's market fills them, one syncs and seals, one uploads."""

import contextlib
import logging
import math
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.crew import Crew
from ingest.delays import delays
from ingest.exchanges.exchange import Exchange
from ingest.landing import Store
from ingest.repair.cases import Case, case
from ingest.repair.market import Market, World, files_folder
from ingest.repair.opengaps import KEY, OPEN, Published, published
from ingest.settings import Ingest
from ingest.spool.keeper import Keeper, NoMemory
from ingest.spool.spool import prepare

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a run is, or how far it came."""

    seconds: float
    gaps: int  # that are open, as the lake says
    alone: int  # of these that only a person may have repaired
    ends: Mapping[str, int]  # outcome -> gaps
    rows: int
    files: int
    objects: int
    landed_bytes: int
    spool_bytes: int
    waiting: int  # sealed segments that have not landed
    doing: Sequence[str] = ()
    failures: Sequence[str] = ()

    @property
    def left(self) -> int:
        """Gaps that are open still."""
        return self.gaps - self.alone - self.ends.get("repaired", 0)

    @property
    def is_good(self) -> bool:
        """Whether the run could do its work, whatever it found."""
        return not (self.failures or self.waiting)


@dataclass(frozen=True)
class Times:
    """How patient a run is, in seconds."""

    grace: float = 15.0  # for everything a stop still has to do; what has not landed then waits for the next start
    patience: float = 60.0  # at the end of a run that nobody stopped: so long without an object that lands
    look: float = 60.0  # between looks at the lake's open gaps
    watch: float = 0.5  # between looks at the clock and at what is to be shown


@dataclass
class _Look:
    """What the last look at the lake's open gaps found."""

    gaps: int = 0
    alone: int = 0
    unknown: int = 0  # of a feed that we know nothing of
    trouble: list[str] = field(default_factory=list)


_TIMES = Times()


class Repair:
    """One run of `repair`."""

    def __init__(
        self, ingest: Ingest, find: Callable[[str, str], Exchange], store: Store, world: World, times: Times = _TIMES
    ) -> None:
        self._ingest = ingest
        self._find = find
        self._store = store
        self._world = world
        self._times = times
        self._stop = world.stop
        self._began = world.clock.monotonic()
        self._run = f"{ingest.collector}-{world.clock.wall_ns()}"
        self._markets: dict[str, Market] = {}
        self._threads: list[threading.Thread] = []
        self._look = _Look()
        self._crew = Crew(world.stop)

    def run(self, report: Callable[[Progress], None], *, once: bool) -> Progress:
        """Repair until told to stop, or `once` until all was tried; then drain. SpoolError: another one has the spool."""
        folder = self._ingest.spool.path / "repair"
        lock = prepare(folder, "repair")
        try:
            _clear(self._ingest)
            clock, random = self._world.clock, self._world.random
            self._keeper = Keeper(folder, self._ingest, self._store, NoMemory(), clock=clock, pauses=lambda: delays(random))
            self._spool, self._uploader = self._keeper.spool, self._keeper.uploader
            try:
                return self._repair(report, once=once)
            finally:
                self._stop.set()
                self._uploader.abandon()
        finally:
            os.close(lock)

    def _repair(self, report: Callable[[Progress], None], *, once: bool) -> Progress:
        enough = threading.Event()
        uploads = self._crew.start("upload", self._uploader.run)
        keeper = self._crew.start("keeper", lambda: self._keeper.run(enough))
        next_look = self._seconds()
        while True:
            if self._seconds() >= next_look:
                self._look_again(once=once)
                next_look = math.inf if once else self._seconds() + self._times.look
            report(self._progress())
            if once and not any(thread.is_alive() for thread in self._threads):
                break
            if self._stop.wait(self._times.watch):
                break
        end = self._seconds() + self._times.grace
        for thread in self._threads:  # one that waits for an answer must not take the time of the uploads
            thread.join(max(0.0, end - self._times.grace * 2 / 3 - self._seconds()))
        enough.set()
        keeper.join(max(0.0, end - self._seconds()))
        self._crew.guard("drain", self._keeper.drain)
        self._uploader.finish()
        self._drain(uploads, report)
        self._crew.faults += self._keeper.trouble
        return self._progress()

    def _drain(self, uploads: threading.Thread, report: Callable[[Progress], None]) -> None:
        """Until all has landed; told to stop, no longer than the grace; else as long as objects land."""
        landed, since = -1, self._seconds()
        while uploads.is_alive():
            if self._uploader.landed.objects > landed:
                landed, since = self._uploader.landed.objects, self._seconds()
            if self._seconds() - since >= (self._times.grace if self._stop.is_set() else self._times.patience):
                return
            uploads.join(self._times.watch)
            report(self._progress())

    def _look_again(self, *, once: bool) -> None:
        """Offer each market what is open now."""
        try:
            found = self._published()
        except Exception as error:  # noqa: BLE001 - boto3 and disks fail in many ways; the next look may find it
            _LOG.exception("event=no_open_gaps key=%s", KEY)
            self._look.trouble = [f"{KEY}: {error}"]
            return
        if found is None:
            self._look = _Look(trouble=[f"{KEY}: not there; nothing has looked for gaps in this lake yet"])
            return
        alone = [gap for gap in found.gaps if gap.state != OPEN]
        look = _Look(len(found.gaps) + len(found.refused), len(alone), trouble=list(found.refused))
        offers: dict[str, tuple[Exchange, list[Case]]] = {}
        for gap in found.gaps:
            if gap.state != OPEN:
                continue
            try:
                new = case(self._ingest, self._find, gap)
            except (LookupError, ValueError) as error:
                _LOG.error("event=gap_of_unknown_feed gap=%r detail=%r", gap.label, error.args[0])
                look.unknown += 1
                continue
            offers.setdefault(new.plan.exchange.name, (new.plan.exchange, []))[1].append(new)
        self._look = look
        for name, market in self._markets.items():
            market.offer(offers.pop(name)[1] if name in offers else [])
        for exchange, cases in offers.values():
            self._begin(exchange, cases, once=once)

    def _published(self) -> Published | None:
        """None: there is no list, which is not to be taken for an empty one."""
        found = self._store.get(KEY)
        return None if found is None else published(found[0])

    def _begin(self, exchange: Exchange, cases: Sequence[Case], *, once: bool) -> None:
        conn = f"{self._run}-{len(self._markets) + 1}"
        market = self._markets[exchange.name] = Market(exchange, self._ingest, self._spool, self._world, conn)
        market.offer(cases)
        self._threads.append(self._crew.start(f"repair {exchange.name}", lambda: market.run(once=once)))

    def _seconds(self) -> float:
        return self._world.clock.monotonic() - self._began

    def _progress(self) -> Progress:
        markets, landed = list(self._markets.values()), self._uploader.landed
        ends = +sum((market.ends for market in markets), Counter(unknown_feed=self._look.unknown))  # without zeros
        return Progress(
            seconds=self._seconds(),
            gaps=self._look.gaps,
            alone=self._look.alone,
            ends=ends,
            rows=sum(market.rows for market in markets),
            files=sum(market.files for market in markets),
            objects=landed.objects,
            landed_bytes=landed.bytes,
            spool_bytes=self._spool.bytes,
            waiting=len(self._spool.sealed()),
            doing=[market.doing for market in markets if market.doing],
            failures=[*self._crew.faults, *landed.conflicts, *self._look.trouble],
        )


def _clear(ingest: Ingest) -> None:
    """Files of a process that was killed while it read them: nobody knows how much of them is there."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(files_folder(ingest))
