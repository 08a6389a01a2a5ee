"""Keeps one plan connected: connect, receive into the spool, and when it ends decide whether and when to connect again."""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ingest.clock import Clock
from ingest.continuity import Continuity, Hole
from ingest.delays import RefusedError, delays, pause, verdict
from ingest.feed import Connect, Connection, Frame
from ingest.journal import EVENTS, Journal, missing
from ingest.plan import Plan
from ingest.rest import Get
from ingest.spool import Place, Spool, SpoolError

PROVEN_SECONDS = 60.0  # a connection that lived so long was a good one: the next back-off starts anew
FULL_SECONDS = 5.0  # how often a link that was closed at the spool's bound looks again
TRADES = "trades"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """What a link needs of the world, so that tests can bring their own."""

    clock: Clock
    connect: Connect
    get: Get
    random: Callable[[], float]
    stop: threading.Event  # set: end soon; all waiting is waiting for it

    def delays(self) -> Iterator[float]:
        return delays(self.random)


@dataclass
class LinkCounts:
    """What a link has done. Written by its own thread only."""

    frames: int = 0
    trades: int = 0  # frames of them
    connections: int = 0
    lost: int = 0  # lines that the spool refused
    is_connected: bool = False
    given_up: str | None = None


class Pace:
    """The attempts to connect to one exchange, of all its links."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._attempts: deque[float] = deque()
        self._lock = threading.Lock()

    def seconds(self, now: float) -> float:
        """How long to wait; 0 counts as an attempt that is made now."""
        with self._lock:
            found = pause(self._attempts, now, self._limit)
            if found <= 0:
                self._attempts.append(now)
            return found


class Link:
    """One plan and its connections, one after the other."""

    def __init__(  # noqa: PLR0913 - a link's whole surroundings
        self, plan: Plan, continuity: Continuity, spool: Spool, world: World, *, pace: Pace, name: Callable[[], str]
    ) -> None:
        self.plan = plan
        self.continuity = continuity
        self.lock = threading.Lock()  # of the continuity; held while lines are appended, so that it never runs ahead of the spool
        self._spool = spool
        self._world = world
        self._pace = pace
        self._name = name
        self._stop = world.stop
        self._label = f"venue={plan.exchange.venue} market={plan.exchange.market} kind={plan.kind}"
        self.counts = LinkCounts()

    def run(self) -> None:
        """Return when told to stop, or when asking this venue again would be wrong."""
        hosts = deque(self.plan.hosts)
        pauses = self._world.delays()
        while not self._stop.is_set():
            if self._spool.is_full:
                _LOG.warning("event=spool_full %s detail=not_connecting bytes=%d", self._label, self._spool.bytes)
                self._stop.wait(FULL_SECONDS)
                continue
            if wait := self._pace.seconds(self._world.clock.monotonic()):
                self._stop.wait(wait)
                continue
            began = self._world.clock.monotonic()
            error = self._session(hosts[0])
            if error is None:
                return
            found = verdict(error)
            if self._world.clock.monotonic() - began >= PROVEN_SECONDS:
                pauses = self._world.delays()
            if found.action == "other_host":
                hosts.popleft()
            hosts.rotate(-1)
            if found.action == "stop" or not hosts:
                self.counts.given_up = f"{self.plan.exchange.name} {self.plan.kind}: {found.why}"
                _LOG.error("event=given_up %s detail=%r", self._label, found.why)
                return
            seconds = max(found.at_least, next(pauses))
            _LOG.warning("event=disconnected %s again_in=%.1fs detail=%r", self._label, seconds, found.why)
            self._stop.wait(seconds)

    def _session(self, host: str) -> Exception | None:
        """One connection, from its first to its last byte. Why it ended; None: we were told to stop."""
        plan, clock = self.plan, self._world.clock
        conn = self._name()
        journal = Journal(plan, conn, self.continuity.feeds)
        address = plan.exchange.address(host, tuple(plan.pairs))
        try:
            socket = self._world.connect(address)
        except Exception as error:  # noqa: BLE001 - a library of sockets, TLS and proxies fails in many ways; `verdict` judges each
            at = clock.wall_ns()
            self._events(at, [journal.event("connect", at, outcome="failed", detail=f"{address}: {error}")])
            return error
        _LOG.info("event=connected %s conn=%s address=%s streams=%d", self._label, conn, address, len(plan.pairs))
        self.counts.connections += 1
        self.counts.is_connected = True
        limits = plan.exchange.limits
        texts = plan.exchange.subscriptions(tuple(plan.pairs))
        connection = Connection(socket, texts, per_second=limits.messages_per_second, frame_bytes=limits.frame_bytes, clock=clock)
        end: Exception | None = None
        try:
            at = clock.wall_ns()
            self._events(at, [journal.event("connect", at, outcome="ok", detail=address)])
            self._receive(connection, journal)
        except Exception as error:  # noqa: BLE001 - see above; a spool that refuses is among them
            end = error
        finally:
            self.counts.is_connected = False
            with contextlib.suppress(Exception):
                connection.close()
        with self.lock:
            self.continuity.tear()
        why = "stopped" if end is None else type(end).__name__.removesuffix("Error").lower()
        at = clock.wall_ns()
        self._events(at, journal.farewells(at, why, None if end is None else str(end)))
        return end

    def _receive(self, connection: Connection, journal: Journal) -> None:
        announced = False
        for batch in connection.batches():
            if batch:
                self._keep(journal, batch)
            if not announced and connection.subscribed:
                announced = True
                at = self._world.clock.wall_ns()
                self._events(at, [journal.event("subscribed", at, stream=stream) for stream in self.plan.pairs])
            if self._stop.is_set():
                return
            if self._spool.is_full:
                raise SpoolError(f"the spool holds {self._spool.bytes} bytes, its bound")

    def _keep(self, journal: Journal, batch: Sequence[Frame]) -> None:
        """All parts are tried: one that the spool refuses must not take the others with it."""
        now, continuity = self._world.clock.monotonic(), self.continuity
        refusals: list[SpoolError] = []
        with self.lock:
            taken = journal.take(batch)
            for channel, recv_ns, lines in taken.parts:
                try:
                    self._append(channel, recv_ns, lines)
                except SpoolError as error:
                    refusals.append(error)
                    if channel == self.plan.channel:
                        for known, seen, _ in taken.steps:
                            continuity.hear(known, seen, now)
                    continue
                if channel == self.plan.channel:
                    for known, seen, at in taken.steps:
                        continuity.take(known, seen, at, now)
                self.counts.trades += len(lines) if channel == TRADES else 0
            for known, seen in taken.words:
                continuity.hear(known, seen, now)
        self.counts.frames += len(batch)
        for refusal in refusals:
            raise refusal
        if taken.refused:
            raise RefusedError(taken.refused)

    def holes(self, journal: Journal) -> Sequence[tuple[str, Hole]]:
        """Holes that have become due, each with an event about it."""
        with self.lock:
            found = list(self.continuity.due(self._world.clock.monotonic()))
        at = self._world.clock.wall_ns()
        for stream, hole in found:
            _LOG.warning("event=gap %s stream=%s sort=%s low=%d high=%d", self._label, stream, hole.sort, hole.low, hole.high)
            self._events(at, [journal.event("gap", at, stream=stream, outcome=hole.sort, **missing(hole))])
        return found

    def close(self, stream: str, hole: Hole) -> None:
        """The hole is dealt with."""
        with self.lock:
            self.continuity.close(stream, hole)

    def _events(self, at: int, lines: Sequence[bytes]) -> None:
        with contextlib.suppress(SpoolError):  # counted and logged; the missing `seq` tells of it
            self._append(EVENTS, at, lines)

    def _append(self, channel: str, recv_ns: int, lines: Sequence[bytes]) -> None:
        try:
            self._spool.append(Place(channel, self.plan.exchange.venue, self.plan.exchange.market), recv_ns, b"".join(lines))
        except SpoolError as error:
            self.counts.lost += len(lines)
            _LOG.error("event=lost_lines %s channel=%s lines=%d detail=%r", self._label, channel, len(lines), str(error))
            raise
