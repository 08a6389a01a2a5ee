"""Keeps one plan connected: opens, hands over to a successor before the venue cuts, and when all ends decides whether to go on."""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest.clock import Clock
from ingest.collector.feed import Connect
from ingest.collector.intake import Intake
from ingest.collector.session import Session
from ingest.delays import delays, pause, verdict
from ingest.journal import Journal
from ingest.rest.client import Get

PROVEN_SECONDS = 60.0  # a connection that lived so long was a good one: the next back-off starts anew
FULL_SECONDS = 5.0  # how often a link that was closed at the spool's bound looks again
EARLY_SECONDS = 3600.0  # so long before the venue's own limit a connection is replaced, some up to half of it earlier
OVERLAP_SECONDS = 2.0  # both are heard for so long after the successor has asked for all and its first frame has come …
QUIET_OVERLAP_SECONDS = 15.0  # … or after it has asked for all, where nothing comes
_LOG = logging.getLogger(__name__)


def spawn(body: Callable[[], None]) -> None:
    """In a thread of its own: a handshake must not keep anybody from reading."""
    threading.Thread(target=body, name="handshake", daemon=True).start()


@dataclass(frozen=True)
class World:
    """What a link needs of the world, so that tests can bring their own."""

    clock: Clock
    connect: Connect
    get: Get
    random: Callable[[], float]
    stop: threading.Event  # set: end soon; all waiting is waiting for it
    spawn: Callable[[Callable[[], None]], None] = spawn

    def delays(self) -> Iterator[float]:
        return delays(self.random)


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
    """One plan and its connections: one at a time, two while one hands over to the next."""

    def __init__(self, intake: Intake, world: World, *, pace: Pace, name: Callable[[], str]) -> None:
        self.intake = intake
        self._world = world
        self._pace = pace
        self._name = name
        self._stop = world.stop
        self._hosts = deque(intake.plan.hosts)
        self._opened: queue.SimpleQueue[Session | Exception] | None = None  # what becomes of a successor that is being opened
        self._not_before = 0.0  # the next successor
        self._share = world.random()  # so that links take turns
        self._mute = threading.Event()  # a stream sends nothing: this connection is not to be trusted

    def run(self) -> None:
        """Return when told to stop, or when asking this venue again would be wrong."""
        pauses = self._world.delays()
        while not self._stop.is_set():
            if self.intake.spool.is_full:
                _LOG.warning("event=spool_full %s detail=not_connecting bytes=%d", self.intake.label, self.intake.spool.bytes)
                self._stop.wait(FULL_SECONDS)
                continue
            if wait := self._pace.seconds(self._world.clock.monotonic()):
                self._stop.wait(wait)
                continue
            began = self._world.clock.monotonic()
            error = self._connected()
            if error is None:
                return
            if self._world.clock.monotonic() - began >= PROVEN_SECONDS:
                pauses = self._world.delays()
            seconds = self._after(error, pauses)
            if seconds is None:
                return
            self._stop.wait(seconds)

    def replace(self) -> None:
        """Ask for another connection: a stream of this one is mute."""
        self._mute.set()

    def _after(self, error: Exception, pauses: Iterator[float]) -> float | None:
        """Seconds to wait after a failure; None: give up."""
        found = verdict(error)
        if found.action == "other_host":
            self._hosts.popleft()
        self._hosts.rotate(-1)
        if found.action == "stop" or not self._hosts:
            plan = self.intake.plan
            self.intake.counts.given_up = f"{plan.exchange.name} {plan.kind}: {found.why}"
            _LOG.error("event=given_up %s detail=%r", self.intake.label, found.why)
            return None
        seconds = max(found.at_least, next(pauses))
        _LOG.warning("event=disconnected %s again_in=%.1fs detail=%r", self.intake.label, seconds, found.why)
        return seconds

    def _open(self, host: str) -> Session | Exception:
        """One attempt."""
        plan, clock = self.intake.plan, self._world.clock
        journal = Journal(plan, self._name(), self.intake.continuity.feeds)
        address = plan.exchange.address(host, tuple(plan.pairs))
        try:
            socket = self._world.connect(address)
        except Exception as error:  # noqa: BLE001 - a library of sockets, TLS and proxies fails in many ways; `verdict` judges each
            told = {"outcome": "failed", "detail": f"{address}: {error}"}
            self.intake.tell([journal.event("connect", clock.wall_ns(), **told)])
            return error
        _LOG.info("event=connected %s conn=%s address=%s", self.intake.label, journal.conn, address)
        return Session(self.intake, socket, journal, address)

    def _connected(self) -> Exception | None:
        """From the first connection to the end of its last successor. Why it ended; None: we were told to stop."""
        session = self._open(self._hosts[0])
        if isinstance(session, Exception):
            return session
        self._connected_is(now=True)
        self.intake.listen()
        try:
            return self._served(session)
        finally:
            self._connected_is(now=False)
            self.intake.tear()

    def _connected_is(self, *, now: bool) -> None:
        self.intake.counts.is_connected = now
        self.intake.counts.since = self._world.clock.monotonic()

    def _served(self, session: Session) -> Exception | None:
        successor: Session | None = None
        while not self._stop.is_set():
            try:
                session.step()
            except Exception as error:  # noqa: BLE001 - see above; a spool that refuses is among them
                session.end(type(error).__name__.removesuffix("Error").lower(), str(error))
                if successor is None:
                    return error
                _LOG.warning("event=handed_over %s detail=%r", self.intake.label, str(error))
                self.intake.tear()  # it may not have heard everything yet
                session, successor = successor, None
                continue
            successor = self._stepped(successor) if successor else self._succeeded(session)
            if successor is not None and self._is_settled(successor):
                session.end("replaced", None)
                session, successor = successor, None
        for one in (session, successor):
            if one is not None:
                one.end("stopped", None)
        return None

    def _stepped(self, successor: Session) -> Session | None:
        try:
            successor.step()
        except Exception as error:  # noqa: BLE001 - see above
            successor.end(type(error).__name__.removesuffix("Error").lower(), str(error))
            self._failed(error)
            return None
        return successor

    def _succeeded(self, session: Session) -> Session | None:
        """A successor that has been opened; and see to it that one is, where this connection must not last."""
        now = self._world.clock.monotonic()
        if self._opened is None:
            why = self._reason(session, now)
            if why is None or now < self._not_before or self._pace.seconds(now):
                return None
            _LOG.info("event=replacing %s reason=%s", self.intake.label, why)
            opened = self._opened = queue.SimpleQueue()
            host = self._hosts[0]
            self._world.spawn(lambda: opened.put(self._open(host)))
        try:
            found = self._opened.get_nowait()
        except queue.Empty:
            return None
        self._opened = None
        if isinstance(found, Exception):
            self._failed(found)
            return None
        self._mute.clear()
        self.intake.listen()
        return found

    def _reason(self, session: Session, now: float) -> str | None:
        """Why a connection that works is to be replaced."""
        hours = self.intake.plan.exchange.limits.connection_hours
        if session.is_ending:
            return "the venue will close it"
        if self._mute.is_set():
            return "a stream is mute"
        if hours is not None and now - session.began >= hours * 3600 - EARLY_SECONDS * (1 + self._share / 2):
            return f"it is nearly {hours:g} hours old"
        return None

    def _failed(self, error: Exception) -> None:
        """A successor could not be had. The connection that there is goes on."""
        found = verdict(error)
        if found.action == "other_host" and len(self._hosts) > 1:
            self._hosts.popleft()
        seconds = max(found.at_least, 5.0) if found.action != "stop" else 600.0
        self._not_before = self._world.clock.monotonic() + seconds
        _LOG.warning("event=not_replaced %s again_in=%.1fs detail=%r", self.intake.label, seconds, found.why)

    def _is_settled(self, successor: Session) -> bool:
        """Whether it may be relied upon alone. To ask for many streams takes a while: the first frame is of one of them."""
        if successor.subscribed is None:
            return False
        now = self._world.clock.monotonic()
        if successor.first is not None:
            return now - max(successor.first, successor.subscribed) >= OVERLAP_SECONDS
        return now - successor.subscribed >= QUIET_OVERLAP_SECONDS
