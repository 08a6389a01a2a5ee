"""Live feeds into the landing zone: a thread a connection, one that syncs and seals, one that uploads."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from ingest.alerts.desk import Alerts
from ingest.clock import iso
from ingest.collector.gaps import Gaps, numbered
from ingest.collector.honesty import Honesty
from ingest.collector.intake import Intake
from ingest.collector.link import Link, Pace, World
from ingest.collector.repairs import RepairCounts
from ingest.continuity import Continuity
from ingest.envelope import Origin, head, line
from ingest.exchanges.exchange import Exchange
from ingest.journal import EVENTS, Sequences, event_text
from ingest.landing import Store
from ingest.plan import Plan
from ingest.rest.budget import budget
from ingest.rest.client import Purpose
from ingest.rest.clients import client
from ingest.rest.poller import Poller
from ingest.rest.polls import Poll
from ingest.settings import Ingest
from ingest.spool.marks import Marks
from ingest.spool.records import Records
from ingest.spool.salvage import mend, salvage
from ingest.spool.segment import of_sealed
from ingest.spool.spool import AGAIN_SECONDS, Place, Spool, SpoolError, prepare
from ingest.spool.upload import Uploader
from ingest.watch.health import Conditions
from ingest.watch.metrics import serve
from ingest.watch.spreads import Spreads
from ingest.watch.vitals import MarketVitals, SpoolVitals, Vitals
from ingest.watch.watch import Watch

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
    polls: int  # answers that are in the spool
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


@dataclass(frozen=True)
class Wanted:
    """What is to be collected."""

    plans: Sequence[Plan]
    polls: Sequence[Poll] = ()
    # a market told anew what it trades: all plans that are wanted now
    replan: Callable[[Exchange, bytes], Sequence[Plan]] = lambda _exchange, _body: ()


class Collector:
    """One run of `collect`."""

    def __init__(  # noqa: PLR0913 - what is wanted, and the world it is done in
        self,
        ingest: Ingest,
        wanted: Wanted,
        store: Store,
        world: World,
        *,
        alerts: Alerts,
        spread_pct: Sequence[Decimal] = (),
        times: Times = _TIMES,
    ) -> None:
        self._ingest = ingest
        self._alerts = alerts
        self._spreads = Spreads(spread_pct)
        self._wanted = wanted
        self._store = store
        self._world = world
        self._times = times
        self._stop = world.stop
        self._faults: list[str] = []
        self._began = world.clock.monotonic()
        self._run = f"{ingest.collector}-{world.clock.wall_ns()}"
        self._conn = numbered(self._run)
        self._links: list[Link] = []
        self._threads: list[threading.Thread] = []  # that receive, ask and repair
        self._paces: dict[str, Pace] = {}
        self._process_seq = Sequences()
        self._folder = ingest.spool.path / "collect"
        self._keeping = threading.RLock()  # one at a time syncs, seals and remembers
        self._left: Sequence[Path] = ()  # open segments of former runs that the disk does not let be sealed
        self._honesty = Honesty(ingest, world, self._conn)

    def run(self, report: Callable[[Progress], None], seconds: float | None = None) -> Progress:
        """Collect until told to stop, or for so many seconds; then drain. SpoolError: another collector has the spool."""
        folder = self._folder
        lock = prepare(folder)
        try:
            ingest, clock = self._ingest, self._world.clock
            self._marks = Marks(folder, self._wanted.plans)
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
        self._gaps = Gaps(self._ingest, self._spool, self._world, self._conn)
        self._pollers = [self._poller(polls) for polls in _by_market(self._wanted.polls)]
        enough = threading.Event()
        uploads = self._thread("upload", self._uploader.run)
        for plan, continuity in zip(self._wanted.plans, self._marks.continuities, strict=True):
            self._connect(plan, continuity)
        self._threads += [self._thread("poll", partial(found.run, self._stop)) for found in self._pollers]
        keeper = self._thread("keeper", lambda: self._keep(enough))
        watch = Watch(self._folder, self.vitals, self._others, self._alerts, self._world.clock)
        watcher = self._thread("watch", lambda: watch.run(enough))
        stop_metrics = serve(self._ingest.metrics.address, self.vitals)[0] if self._ingest.metrics else None
        while self._is_at_work() and not self._stop.wait(self._times.watch):
            report(self._progress())
            if seconds is not None and self._seconds() >= seconds:
                break
        self._stop.set()
        end = self._seconds() + self._times.grace
        for thread in self._threads:  # one that hangs in a handshake must not take the time of the uploads
            thread.join(max(0.0, end - self._times.grace * 2 / 3 - self._seconds()))
        self._process_events("stop")
        enough.set()
        keeper.join(max(0.0, end - self._seconds()))
        self._guarded("drain", self._drain)
        self._uploader.finish()
        uploads.join(max(0.0, end - self._seconds()))
        if unsealed := self._spool.unsealed + len(self._left):
            self._faults.append(f"{unsealed} segments could not be sealed; the next start tries again")
        watcher.join(max(0.0, end - self._seconds()))
        watch.look()
        if stop_metrics:
            stop_metrics()
        return self._progress()

    def _others(self) -> Conditions:
        """What is wrong beside the vitals. Spreads are told by themselves, for they come and go with some play."""
        streamed = [book for link in self._links for book in link.intake.books()]
        asked = [book for poller in self._pollers for book in poller.books()]
        for event in self._spreads.judge([*streamed, *asked], self._world.clock.wall_ns()):
            self._alerts.take(event)
        return {}

    def vitals(self) -> Vitals:
        """How it is."""
        found = [link.intake.vitals(self._ingest.silence, can_ask=self._gaps.can_ask(link)) for link in self._links]
        now, landed, sealed = self._world.clock.wall_ns(), self._uploader.landed, self._spool.sealed()
        failing, oldest = landed.failing_since, of_sealed(sealed[0]) if sealed else None
        spool = SpoolVitals(
            bytes=self._spool.bytes,
            max_bytes=int(self._ingest.spool.max_bytes),
            waiting=len(sealed),
            oldest_seconds=max(0.0, (now - oldest.first_recv_ns) / 1e9) if oldest else 0.0,
            objects=landed.objects,
            landed_bytes=landed.bytes,
            failures=landed.failures,
            failing_seconds=0.0 if failing is None else self._spool.now() - failing,
            conflicts=len(landed.conflicts),
            recent=tuple(landed.recent),
        )
        return Vitals(
            collector=self._ingest.collector,
            run=self._run,
            pid=os.getpid(),
            at_ns=now,
            seconds=self._seconds(),
            feeds=tuple(feed for _, feeds in found for feed in feeds),
            links=tuple(link for link, _ in found),
            markets=tuple(self._market(exchange) for exchange in self._exchanges()),
            spool=spool,
            gaps=self._gaps.found,
            faults=tuple(self._faults),
            drifts=dict(self._honesty.drifts.counts),
            sides={feed: found.detail or "" for feed, found in self._honesty.sides.items() if found.outcome == "differs"},
        )

    def _exchanges(self) -> Sequence[Exchange]:
        used = [link.intake.plan.exchange for link in self._links] + [poll.exchange for poll in self._wanted.polls]
        return list({exchange.name: exchange for exchange in used}.values())

    def _market(self, exchange: Exchange) -> MarketVitals:
        repairs = self._gaps.repairs.get(exchange.name)
        counts = repairs.counts if repairs else RepairCounts()
        polls = [poller.counts for poller in self._pollers if poller.market == exchange.name]
        rest = exchange.rest
        now = self._world.clock.monotonic()
        return MarketVitals(
            venue=exchange.venue,
            market=exchange.market,
            waiting=repairs.waiting if repairs else 0,
            repaired=counts.repaired,
            left=counts.left,
            failed=counts.failed,
            rows=counts.rows,
            polls=sum(one.asked for one in polls),
            polls_failed=sum(one.failed for one in polls),
            polls_late=sum(one.late for one in polls),
            weight_used=budget(self._ingest.limits.path, exchange).used(now) if rest else 0.0,
            weight_limit=rest.budget if rest else 0.0,
            clock_ms=self._honesty.offsets_ms.get(exchange.name),
        )

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

    def _connect(self, plan: Plan, continuity: Continuity) -> None:
        """Keep a plan connected from now on, and its holes repaired."""
        exchange = plan.exchange
        pace = self._paces.setdefault(exchange.name, Pace(exchange.limits.connections_per_5_minutes))
        intake = Intake(plan, continuity, self._spool, self._world.clock, self._honesty.drifts)
        link = Link(intake, self._world, pace=pace, name=self._conn)
        is_first = exchange.name not in self._gaps.repairs
        repairs = self._gaps.watch(link)
        self._links = [*self._links, link]  # others go through it at any time
        self._threads.append(self._thread(f"link-{len(self._links)}", link.run))
        if is_first:
            self._threads.append(self._thread(f"repair {exchange.name}", repairs.run))
        if checks := self._honesty.watch(intake):
            self._threads.append(self._thread(f"check {exchange.name}", checks.run))

    def _learn(self, exchange: Exchange, body: bytes) -> None:
        """A market has told what it trades: collect what is wanted and new."""
        known = {
            (link.intake.plan.exchange.name, link.intake.plan.kind, stream)
            for link in self._links
            for stream in link.intake.plan.pairs
        }
        for plan in self._wanted.replan(exchange, body):
            new = {stream: pair for stream, pair in plan.pairs.items() if (plan.exchange.name, plan.kind, stream) not in known}
            if new and plan.exchange.name == exchange.name:
                _LOG.info("event=new_pairs exchange=%r kind=%s pairs=%s", exchange.name, plan.kind, " ".join(new.values()))
                self._connect(replace(plan, pairs=new), self._marks.add(replace(plan, pairs=new)))

    def _is_at_work(self) -> bool:
        """Whether anything is still received or asked. Repairs and checks are no work: all that is wanted was given up."""
        return any(thread.is_alive() for thread in self._threads if not thread.name.startswith(("repair ", "check ")))

    def _poller(self, polls: Sequence[Poll]) -> Poller:
        asker = client(self._ingest, polls[0].exchange, polls[0].hosts, Purpose("poll"), self._world)
        return Poller(polls, asker, self._spool, self._world.clock, self._marks, conn=self._conn(), learn=self._learn)

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
        for plan in (link.intake.plan for link in self._links) if self._links else self._wanted.plans:
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
            polls=sum(poller.counts.asked - poller.counts.failed for poller in self._pollers),
            holes=self._gaps.waiting,
            failures=[*self._faults, *landed.conflicts, *(link.given_up for link in links if link.given_up)],
        )


def _by_market(polls: Sequence[Poll]) -> Sequence[Sequence[Poll]]:
    found: dict[str, list[Poll]] = {}
    for poll in polls:
        found.setdefault(poll.exchange.name, []).append(poll)
    return list(found.values())
