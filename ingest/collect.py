"""Live feeds into the landing zone: a thread a connection, one that syncs and seals, one that uploads."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.clock import iso
from ingest.envelope import Origin, head, line
from ingest.gaps import Gaps, numbered
from ingest.intake import Intake
from ingest.journal import EVENTS, Sequences, event_text
from ingest.landing import Store
from ingest.link import Link, Pace, World
from ingest.marks import Marks
from ingest.plan import Plan
from ingest.records import Records
from ingest.salvage import mend, salvage
from ingest.segment import of_sealed
from ingest.settings import Ingest
from ingest.spool import AGAIN_SECONDS, Place, Spool, SpoolError, prepare
from ingest.upload import Uploader

SEALINGS = 3  # tries at the end, where the disk refuses
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a run is, or how far it came."""

    seconds: float
    frames: int
    trades: int
    connected: int
    connections: int  # that should be
    reconnects: int
    objects: int
    landed_bytes: int
    spool_bytes: int
    waiting: int  # sealed segments that have not landed
    lost: int  # lines that the spool refused
    gaps: int  # holes found
    holes: int  # of these and of former runs' that are not dealt with
    failures: Sequence[str]

    @property
    def is_good(self) -> bool:
        """Whether everything that was received has landed, and nothing was given up."""
        return not (self.failures or self.waiting or self.lost)


@dataclass(frozen=True)
class Times:
    """How patient a run is, in seconds."""

    grace: float = 15.0  # for everything a stop still has to do; what has not landed then waits for the next start
    watch: float = 0.5  # between looks at the clock and at what is to be shown


_TIMES = Times()


class Collector:
    """One run of `collect`."""

    def __init__(self, ingest: Ingest, plans: Sequence[Plan], store: Store, world: World, times: Times = _TIMES) -> None:
        self._ingest = ingest
        self._plans = plans
        self._store = store
        self._world = world
        self._times = times
        self._stop = world.stop
        self._faults: list[str] = []
        self._began = world.clock.monotonic()
        self._run = f"{ingest.collector}-{world.clock.wall_ns()}"
        self._process_seq = Sequences()
        self._folder = ingest.spool.path / "collect"
        self._keeping = threading.RLock()  # one at a time syncs, seals and remembers
        self._left: Sequence[Path] = ()  # open segments of former runs that the disk does not let be sealed

    def run(self, report: Callable[[Progress], None], seconds: float | None = None) -> Progress:
        """Collect until told to stop, or for so many seconds; then drain. SpoolError: another collector has the spool."""
        folder = self._folder
        lock = prepare(folder)
        try:
            ingest, clock = self._ingest, self._world.clock
            self._marks = Marks(folder, self._plans)
            self._marks.replay(clock.monotonic())
            self._marks.save(self._marks.snapshot())  # before anything that was read may be removed
            self._left = salvage(folder).left
            self._spool = Spool(folder, ingest.collector, ingest.rotate, ingest.spool.max_bytes, clock)
            self._uploader = Uploader(self._spool, self._store, self._mended, self._world.delays)
            for path in self._spool.sealed():
                self._uploader.add(path)
            try:
                return self._collect(report, seconds)
            finally:
                self._stop.set()
                self._uploader.abandon()
        finally:
            os.close(lock)

    def _collect(self, report: Callable[[Progress], None], seconds: float | None) -> Progress:
        self._process_events("start")
        conn = numbered(self._run)
        paces = {plan.exchange.name: Pace(plan.exchange.limits.connections_per_5_minutes) for plan in self._plans}
        self._links = [
            Link(Intake(plan, continuity, self._spool, self._world.clock), self._world, pace=paces[plan.exchange.name], name=conn)
            for plan, continuity in zip(self._plans, self._marks.continuities, strict=True)
        ]
        self._gaps = Gaps(self._ingest, self._links, self._spool, self._world, conn)
        enough = threading.Event()
        uploads = self._thread("upload", self._uploader.run)
        keeper = self._thread("keeper", lambda: self._keep(enough))
        links = [self._thread(f"link-{number}", link.run) for number, link in enumerate(self._links, 1)]
        repairs = [self._thread(f"repair {name}", found.run) for name, found in self._gaps.repairs.items()]
        while any(link.is_alive() for link in links) and not self._stop.wait(self._times.watch):
            report(self._progress())
            if seconds is not None and self._seconds() >= seconds:
                break
        self._stop.set()
        end = self._seconds() + self._times.grace
        for thread in (*links, *repairs):  # one that hangs in a handshake must not take the time of the uploads
            thread.join(max(0.0, end - self._times.grace * 2 / 3 - self._seconds()))
        self._process_events("stop")
        enough.set()
        keeper.join(max(0.0, end - self._seconds()))
        self._guarded("drain", self._drain)
        self._uploader.finish()
        uploads.join(max(0.0, end - self._seconds()))
        if unsealed := self._spool.unsealed + len(self._left):
            self._faults.append(f"{unsealed} segments could not be sealed; the next start tries again")
        return self._progress()

    def _keep(self, enough: threading.Event) -> None:
        monotonic = self._world.clock.monotonic
        again = monotonic() + AGAIN_SECONDS
        while not enough.wait(self._ingest.spool.fsync_ms / 1000):
            with self._keeping:
                self._spool.sync()
            self._gaps.look()
            self._seal()
            if self._left and monotonic() >= again:
                self._salvage_again()
                again = monotonic() + AGAIN_SECONDS

    def _seal(self, *, everything: bool = False) -> None:
        with self._keeping:
            for path in self._spool.seal(self._remember, everything=everything):
                self._uploader.add(path)

    def _drain(self) -> None:
        for _ in range(SEALINGS):
            self._seal(everything=True)
            if not self._spool.unsealed:
                break

    def _salvage_again(self) -> None:
        found = salvage(self._folder, self._left)
        self._left = found.left
        self._spool.count()
        for path in found.sealed:
            self._uploader.add(path)

    def _remember(self) -> bool:
        """What the marks tell of is on the disk before they are: a frame that a power failure takes must be missed."""
        with contextlib.ExitStack() as locks:
            for link in self._links:
                locks.enter_context(link.intake.lock)
            feeds = self._marks.snapshot()
        return self._spool.sync() and self._marks.save(feeds, self._spool.synced())

    def _mended(self, path: Path, found: Records) -> Sequence[Path]:
        """A sealed segment that the disk has changed. What is missing is remembered before the segment goes."""
        name = of_sealed(path)
        assert name is not None
        with self._keeping:
            for number, stream, hole in self._marks.missed(name.place, found, self._world.clock.monotonic()):
                self._links[number].intake.miss(stream, hole)
            if not self._remember():
                raise OSError("the disk does not take what is to be remembered")
            parts = mend(self._folder, path, found)
            self._spool.count()
        return parts

    def _thread(self, name: str, body: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(name, body), name=name, daemon=True)
        thread.start()
        return thread

    def _guarded(self, name: str, body: Callable[[], None]) -> None:
        """Run `body`. A fault that nobody foresaw ends the whole collector: half of one must not look like a whole one."""
        try:
            body()
        except Exception as error:  # noqa: BLE001 - the last line of defence, it reports and ends everything
            _LOG.exception("event=fault thread=%s", name)
            self._faults.append(f"{name}: {error!r}")
            self._stop.set()

    def _process_events(self, event: str) -> None:
        """Write an event about this process, once a venue and market."""
        at = self._world.clock.wall_ns()
        feeds: dict[tuple[str, str], list[str]] = {}
        for plan in self._plans:
            feeds.setdefault((plan.exchange.venue, plan.exchange.market), []).append(
                f"{plan.kind} {' '.join(plan.pairs.values())}"
            )
        for (venue, market), found in feeds.items():
            origin = Origin(venue, market, EVENTS, "control", None, None, "ws", f"{self._run}-0")
            heard = self._marks.heard(venue, market)
            before = None if heard is None else iso(heard)
            raw = event_text(event, at, before_ts=before, detail="; ".join(found))
            text = line(head(origin), self._process_seq.next(EVENTS), at, raw, is_json=True)
            try:
                self._spool.append(Place(EVENTS, venue, market), at, text)
            except SpoolError as error:  # a full disk must not keep us from uploading, which makes room
                _LOG.warning("event=lost_event name=%s venue=%s market=%s detail=%r", event, venue, market, str(error))

    def _seconds(self) -> float:
        return self._world.clock.monotonic() - self._began

    def _progress(self) -> Progress:
        links, landed = [link.intake.counts for link in self._links], self._uploader.landed
        return Progress(
            seconds=self._seconds(),
            frames=sum(link.frames for link in links),
            trades=sum(link.trades for link in links),
            connected=sum(link.is_connected for link in links),
            connections=len(links),
            reconnects=sum(max(0, link.connections - 1) for link in links),
            objects=landed.objects,
            landed_bytes=landed.bytes,
            spool_bytes=self._spool.bytes,
            waiting=len(self._spool.sealed()),
            lost=sum(link.lost for link in links),
            gaps=self._gaps.found,
            holes=self._gaps.waiting,
            failures=[*self._faults, *landed.conflicts, *(link.given_up for link in links if link.given_up)],
        )
