"""Fills holes over REST: a thread a venue's market. What it fetches lands beside what was streamed; each hole's end is an event."""

import contextlib
import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ingest.clock import Clock
from ingest.continuity import Hole
from ingest.exchanges.exchange import Page, Seen
from ingest.journal import missing
from ingest.plan import Plan
from ingest.rest.client import Client, RestError
from ingest.rest.findings import Findings
from ingest.rest.past import Past
from ingest.rest.search import Search
from ingest.spool.spool import Spool, SpoolError

AGAIN_SECONDS, AGAIN_CAP = 5.0, 600.0  # after a failure, doubling
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """A hole of a feed, and what to call when it is dealt with."""

    plan: Plan
    stream: str
    hole: Hole
    done: Callable[[], None]


@dataclass(frozen=True)
class Audit:
    """A feed whose ids are not dense: from where to ask, up to where, and what to call with each page."""

    plan: Plan
    stream: str
    low: int
    high: int
    compare: Callable[[Page], None]


@dataclass(frozen=True)
class Doubt:
    """A stream that is silent, and what to call with the newest trade that the venue has."""

    plan: Plan
    stream: str
    answer: Callable[[Seen], None]


@dataclass(frozen=True)
class Snapshot:
    """A stream of changes that begins: the book that they change is to be kept."""

    plan: Plan
    stream: str


@dataclass
class RepairCounts:
    """What was done so far. Written by its own thread only."""

    repaired: int = 0
    failed: int = 0
    left: int = 0  # the venue has not got it, or not any more
    rows: int = 0


class Repairs:
    """The holes of one venue's market, one after the other."""

    def __init__(self, client: Client | None, spool: Spool, clock: Clock, stop: threading.Event, conn: str) -> None:
        self._findings = Findings(spool, clock, conn)
        self._past = Past(client, self._findings, clock, stop)
        self._clock = clock
        self._stop = stop
        self._numbers = itertools.count()
        self._queue: list[tuple[float, int, float, Task | Doubt | Audit | Snapshot]] = []  # when, in which order, the last pause
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._is_busy = False
        self.counts = RepairCounts()

    def add(self, task: Task | Doubt | Audit | Snapshot, seconds: float = 0.0, pause: float = 0.0) -> None:
        """To be done in so many seconds."""
        with self._lock:
            heapq.heappush(self._queue, (self._clock.monotonic() + seconds, next(self._numbers), pause, task))
        self._news.set()

    @property
    def waiting(self) -> int:
        """Holes that are not dealt with."""
        return sum(isinstance(task, Task) for *_, task in list(self._queue)) + self._is_busy

    @property
    def stuck(self) -> int:
        """Of these, whose last try failed."""
        return sum(isinstance(task, Task) and pause > 0 for _, _, pause, task in list(self._queue))

    def run(self) -> None:
        while not self._stop.is_set():
            if self._findings.spool.is_full or not self.step():
                self._news.wait(0.2)
                self._news.clear()

    def step(self) -> bool:
        """Do what is due; False: nothing is."""
        with self._lock:
            if not self._queue or self._queue[0][0] > self._clock.monotonic():
                return False
            _, _, pause, task = heapq.heappop(self._queue)
            self._is_busy = isinstance(task, Task)
        if isinstance(task, Doubt):
            self._ask(task)
        elif isinstance(task, Audit):
            self._audit(task)
        elif isinstance(task, Snapshot):
            self._snapshot(task)
        else:
            self._do(task, pause)
        self._is_busy = False
        return True

    @property
    def can_ask(self) -> bool:
        """Whether this market's REST half is known."""
        return self._past.can_ask

    def _ask(self, doubt: Doubt) -> None:
        """What is the newest trade? Nobody waits for the answer: who is not told asks again."""
        page = self._past.newest(doubt.plan, doubt.stream)
        if page is not None and page.ids:
            doubt.answer(Seen("control", doubt.stream, last_id=max(page.ids), event_ms=page.last_ms))

    def _snapshot(self, task: Snapshot) -> None:
        try:
            self._past.snapshot(task.plan, task.stream)
        except (RestError, SpoolError) as error:
            _LOG.warning("event=no_snapshot stream=%s again_in=%.0fs error=%r", task.stream, AGAIN_SECONDS, str(error))
            self.add(task, AGAIN_SECONDS)

    def _audit(self, audit: Audit) -> None:
        """Page after page. What cannot be asked now is asked by the next audit."""
        low = audit.low
        while low <= audit.high and not self._stop.is_set():
            page = self._past.page(audit.plan, audit.stream, low, audit.high)
            if page is None or page.high < low:
                return
            audit.compare(page)
            low = page.high + 1

    def _do(self, task: Task, pause: float) -> None:
        search = Search(task.hole)
        try:
            outcome, detail = self._past.fill(task.plan, task.stream, search)
            self._tell(task, outcome, search.rows, detail)
        except (RestError, SpoolError) as error:
            if self._stop.is_set():
                return  # the hole is in the marks; the next start goes on
            again = min(AGAIN_CAP, pause * 2 or AGAIN_SECONDS)
            if not pause:  # told once, not at every try
                self.counts.failed += 1
                with contextlib.suppress(SpoolError):
                    self._tell(task, "failed", None, str(error))
            _LOG.warning("event=repair_failed stream=%s again_in=%.0fs detail=%r", task.stream, again, str(error))
            self.add(task, again, again)
            return
        self.counts.rows += search.rows
        is_closed = outcome in ("repaired", "resynced")
        self.counts.repaired += is_closed
        self.counts.left += not is_closed
        task.done()

    def _tell(self, task: Task, outcome: str, rows: int | None, detail: str | None) -> None:
        told = {**missing(task.hole), "rows": rows, "outcome": outcome, "detail": detail}
        self._findings.end(task.plan, task.stream, "rest", told)
