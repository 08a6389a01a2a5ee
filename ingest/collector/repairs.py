"""Fills holes over REST: a thread a venue's market. What it fetches lands beside what was streamed; each hole's end is an event."""

import contextlib
import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

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
    """A feed whose ids are not dense: from where to ask up to where, when its turn has come, and what to call with each page."""

    plan: Plan
    stream: str
    due: Callable[[], tuple[int, int] | None]
    compare: Callable[[int, Page], None]


@dataclass(frozen=True)
class Doubt:
    """A stream that is silent, and what to call with the newest trade that the venue has, or where it could not be asked."""

    plan: Plan
    stream: str
    answer: Callable[[Seen], None]
    unanswered: Callable[[], None]


@dataclass(frozen=True)
class Snapshot:
    """A stream of changes that begins: the book that they change is to be kept."""

    plan: Plan
    stream: str


Work = Task | Snapshot | Doubt | Audit
RANKS = {Task: 0, Snapshot: 1, Doubt: 2, Audit: 3}  # of what is due, the least is done first: nobody waits for an audit


class Waiting(NamedTuple):
    """Something that is to be done."""

    rank: int
    at: float  # monotonic: not before
    number: int
    pause: float  # before this try; 0: it is the first one
    task: Work


def _is_same(one: Audit | Doubt, other: Work) -> bool:
    return type(one) is type(other) and (one.plan.kind, one.stream) == (other.plan.kind, other.stream)


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
        self._queue: list[Waiting] = []
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._is_busy = False
        self.counts = RepairCounts()

    def add(self, task: Work, seconds: float = 0.0, pause: float = 0.0) -> None:
        """To be done in so many seconds. What is only looked at waits once a stream."""
        with self._lock:
            if isinstance(task, (Audit, Doubt)) and any(_is_same(task, one.task) for one in self._queue):
                return
            new = Waiting(RANKS[type(task)], self._clock.monotonic() + seconds, next(self._numbers), pause, task)
            self._queue.append(new)
        self._news.set()

    @property
    def waiting(self) -> int:
        """Holes that are not dealt with."""
        return sum(isinstance(one.task, Task) for one in list(self._queue)) + self._is_busy

    @property
    def stuck(self) -> int:
        """Of these, whose last try failed."""
        return sum(isinstance(one.task, Task) and one.pause > 0 for one in list(self._queue))

    def run(self) -> None:
        while not self._stop.is_set():
            if self._findings.spool.is_full or not self.step():
                self._news.wait(0.2)
                self._news.clear()

    def step(self) -> bool:
        """Do of what is due what matters most; False: nothing is."""
        with self._lock:
            now = self._clock.monotonic()
            first = min((one for one in self._queue if one.at <= now), key=lambda one: one[:3], default=None)
            if first is None:
                return False
            self._queue.remove(first)
            self._is_busy = isinstance(first.task, Task)
        task = first.task
        if isinstance(task, Doubt):
            self._ask(task)
        elif isinstance(task, Audit):
            self._audit(task)
        elif isinstance(task, Snapshot):
            self._snapshot(task, first.pause)
        else:
            self._do(task, first.pause)
        self._is_busy = False
        return True

    @property
    def can_ask(self) -> bool:
        """Whether this market can be asked now."""
        return self._past.can_ask

    def _ask(self, doubt: Doubt) -> None:
        """What is the newest trade? Nobody waits for the answer."""
        page = self._past.newest(doubt.plan, doubt.stream)
        if page is None and not self._stop.is_set():  # else it is we who do not ask
            doubt.unanswered()
        elif page is not None and page.ids:
            doubt.answer(Seen("control", doubt.stream, last_id=max(page.ids), event_ms=page.last_ms))

    def _snapshot(self, task: Snapshot, pause: float) -> None:
        try:
            self._past.snapshot(task.plan, task.stream)
        except (RestError, SpoolError) as error:
            again = min(AGAIN_CAP, pause * 2 or AGAIN_SECONDS)
            _LOG.warning("event=no_snapshot stream=%s again_in=%.0fs error=%r", task.stream, again, str(error))
            self.add(task, again, again)

    def _audit(self, audit: Audit) -> None:
        """Page after page. What cannot be asked now is asked by the next audit."""
        low, high = audit.due() or (1, 0)
        while low <= high and not self._stop.is_set():
            page = self._past.page(audit.plan, audit.stream, low, high)
            if page is None or page.high < low:
                return
            audit.compare(high, page)
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
