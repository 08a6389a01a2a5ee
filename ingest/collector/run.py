"""Live feeds into the landing zone: a thread a connection, one that syncs and seals, one that uploads."""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from ingest.alerts.alert import Event
from ingest.alerts.desk import Alerts
from ingest.collector.diary import Diary
from ingest.collector.gaps import Gaps
from ingest.collector.honesty import Honesty
from ingest.collector.intake import Intake
from ingest.collector.link import Link, Pace, World
from ingest.collector.memory import Memory
from ingest.collector.view import Progress, View
from ingest.continuity import Continuity
from ingest.crew import Crew
from ingest.exchanges.exchange import Exchange
from ingest.journal import names
from ingest.landing import Store
from ingest.plan import Plan
from ingest.rest.client import Purpose
from ingest.rest.clients import client
from ingest.rest.poller import Poller
from ingest.rest.polls import Poll
from ingest.settings import Ingest, SettingsError
from ingest.spool.keeper import Keeper
from ingest.spool.marks import Marks
from ingest.spool.spool import prepare
from ingest.watch.metrics import serve
from ingest.watch.spreads import Spreads
from ingest.watch.watch import Watch

WORK = ("link ", "poll ")  # names of the threads without which there is nothing to do
_LOG = logging.getLogger(__name__)


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
        self._crew = Crew(world.stop)
        self._began = world.clock.monotonic()
        self._run = f"{ingest.collector}-{world.clock.wall_ns()}"
        self._conn = names(self._run)
        self._links: list[Link] = []
        self._threads: list[threading.Thread] = []  # that receive, ask and repair
        self._paces: dict[str, Pace] = {}
        self._folder = ingest.spool.path / "collect"
        self._honesty = Honesty(ingest, world, self._conn)

    def run(self, report: Callable[[Progress], None], seconds: float | None = None) -> Progress:
        """Collect until told to stop, or for so many seconds; then drain. SpoolError: another collector has the spool."""
        lock = prepare(self._folder)
        try:
            clock = self._world.clock
            self._marks = Marks(self._folder, self._wanted.plans)
            self._marks.replay(clock.monotonic())
            self._marks.save(self._marks.snapshot())  # before anything that was read may be removed
            self._memory = Memory(self._marks, clock)
            self._keeper = Keeper(self._folder, self._ingest, self._store, self._memory, clock=clock, pauses=self._world.delays)
            self._spool = self._keeper.spool
            try:
                return self._collect(report, seconds)
            finally:
                self._stop.set()
                self._keeper.uploader.abandon()
        finally:
            os.close(lock)

    def _collect(self, report: Callable[[Progress], None], seconds: float | None) -> Progress:
        self._gaps = Gaps(self._ingest, self._spool, self._world, self._conn)
        pollers = [self._poller(polls) for polls in _by_market(self._wanted.polls)]
        view = self._view(pollers)
        # a collector that cannot serve them ends before it has knocked at any venue's door
        stop_metrics = serve(self._ingest.metrics.address, view.vitals)[0] if self._ingest.metrics else None
        diary = Diary(self._spool, self._marks, self._world.clock, f"{self._run}-0")
        diary.write("start", self._wanted.plans)
        enough = threading.Event()
        for plan, continuity in zip(self._wanted.plans, self._marks.continuities, strict=True):
            self._connect(plan, continuity)
        uploads = self._crew.start("upload", self._keeper.uploader.run)  # what it finds damaged is a hole of one of these
        self._threads += [self._crew.start(f"poll {poller.exchange.name}", partial(poller.run, self._stop)) for poller in pollers]
        keeper = self._crew.start("keeper", lambda: self._keeper.run(enough, self._gaps.look))
        watch = Watch(self._folder, view.vitals, lambda: self._spread(view), self._alerts, self._world.clock)
        watcher = self._crew.start("watch", lambda: watch.run(enough))
        while self._is_at_work() and not self._stop.wait(self._times.watch):
            report(view.progress())
            if seconds is not None and view.seconds >= seconds:
                break
        self._stop.set()
        end = view.seconds + self._times.grace
        for thread in self._threads:  # one that hangs in a handshake must not take the time of the uploads
            thread.join(max(0.0, end - self._times.grace * 2 / 3 - view.seconds))
        diary.write("stop", [link.intake.plan for link in self._links])
        enough.set()
        keeper.join(max(0.0, end - view.seconds))
        self._crew.guard("drain", self._keeper.drain)
        self._keeper.uploader.finish()
        uploads.join(max(0.0, end - view.seconds))
        self._crew.faults += self._keeper.trouble
        watcher.join(max(0.0, end - view.seconds))
        watch.look()
        if stop_metrics:
            stop_metrics()
        return view.progress()

    def _view(self, pollers: Sequence[Poller]) -> View:
        return View(
            ingest=self._ingest,
            run=self._run,
            clock=self._world.clock,
            began=self._began,
            keeper=self._keeper,
            gaps=self._gaps,
            honesty=self._honesty,
            pollers=pollers,
            links=lambda: self._links,
            faults=self._crew.faults,
        )

    def _spread(self, view: View) -> Iterable[Event]:
        """Books that have become too wide, or narrow again."""
        return self._spreads.judge(view.books(), self._world.clock.wall_ns())

    def _connect(self, plan: Plan, continuity: Continuity) -> None:
        """Keep a plan connected from now on, and its holes repaired."""
        exchange = plan.exchange
        pace = self._paces.setdefault(exchange.name, Pace(exchange.limits.connections_per_5_minutes))
        intake = Intake(plan, continuity, self._spool, self._world.clock, self._honesty.drifts)
        link = Link(intake, self._world, pace=pace, name=self._conn)
        is_first = exchange.name not in self._gaps.repairs
        repairs = self._gaps.watch(link)
        self._memory.add(intake)
        self._links = [*self._links, link]  # others go through it at any time
        self._threads.append(self._crew.start(f"link {len(self._links)}", link.run))
        if is_first:
            self._threads.append(self._crew.start(f"repair {exchange.name}", repairs.run))
        if checks := self._honesty.watch(intake):
            self._threads.append(self._crew.start(f"check {exchange.name}", checks.run))

    def _learn(self, exchange: Exchange, body: bytes) -> None:
        """A market has told what it trades: collect what is wanted and new."""
        known = {
            (link.intake.plan.exchange.name, link.intake.plan.kind, stream)
            for link in self._links
            for stream in link.intake.plan.pairs
        }
        try:
            plans = self._wanted.replan(exchange, body)
        except SettingsError as error:  # it was right at the start; what is collected goes on
            _LOG.error("event=not_replanned exchange=%r detail=%r", exchange.name, str(error))
            return
        for plan in plans:
            new = {stream: pair for stream, pair in plan.pairs.items() if (plan.exchange.name, plan.kind, stream) not in known}
            if new and plan.exchange.name == exchange.name:
                _LOG.info("event=new_pairs exchange=%r kind=%s pairs=%s", exchange.name, plan.kind, " ".join(new.values()))
                self._connect(replace(plan, pairs=new), self._marks.add(replace(plan, pairs=new)))

    def _is_at_work(self) -> bool:
        """Whether anything is still received or asked. Repairs and checks are no work: all that is wanted was given up."""
        return any(thread.is_alive() for thread in self._threads if thread.name.startswith(WORK))

    def _poller(self, polls: Sequence[Poll]) -> Poller:
        asker = client(self._ingest, polls[0].exchange, polls[0].hosts, Purpose("poll"), self._world)
        return Poller(polls, asker, self._spool, self._world.clock, self._marks, conn=self._conn(), learn=self._learn)


def _by_market(polls: Sequence[Poll]) -> Sequence[Sequence[Poll]]:
    found: dict[str, list[Poll]] = {}
    for poll in polls:
        found.setdefault(poll.exchange.name, []).append(poll)
    return list(found.values())
