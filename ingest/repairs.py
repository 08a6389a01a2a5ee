"""Fills holes over REST: a thread a venue's market. What it fetches lands beside what was streamed; each hole's end is an event."""

import contextlib
import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import orjson

from ingest.clock import Clock
from ingest.continuity import Hole
from ingest.envelope import Origin, head, line
from ingest.exchanges.exchange import History, Page, Seen
from ingest.journal import EVENTS, Sequences, event_text, missing
from ingest.plan import Plan
from ingest.rest import Client, RestError
from ingest.spool import Place, Spool, SpoolError

PATIENCE = 5  # empty answers before we believe that the venue has nothing: REST may be a moment behind the stream
PAUSE_SECONDS = 1.0  # between them
AGAIN_SECONDS, AGAIN_CAP = 5.0, 600.0  # after a failure, doubling
_LOG = logging.getLogger(__name__)


@dataclass
class Search:
    """What of a hole is still to be looked for. Pure."""

    hole: Hole
    left: list[tuple[int, int]] = field(default_factory=list)
    found: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.left = [(self.hole.low, self.hole.high)]

    def take(self, page: Page) -> bool:
        """Whether the page brought us on."""
        before = list(self.left)
        self.found.update(number for number in page.ids if self.hole.low <= number <= self.hole.high)
        self.left = list(_without(self.left, page.low, page.high))
        return self.left != before

    @property
    def outcome(self) -> str:
        """How it ended: all there, or the venue has none of the rest."""
        if self.left:
            return "left"
        if self.hole.sort == "ids" and len(self.found) < self.hole.high - self.hole.low + 1:
            return "absent"
        return "repaired"


def _without(spans: Iterable[tuple[int, int]], low: int, high: int) -> Iterable[tuple[int, int]]:
    for first, last in spans:
        if high < first or low > last:
            yield first, last
            continue
        if first < low:
            yield first, low - 1
        if high < last:
            yield high + 1, last


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
        self._client = client
        self._spool = spool
        self._clock = clock
        self._stop = stop
        self._conn = conn
        self._next = Sequences().next
        self._numbers = itertools.count()
        self._queue: list[tuple[float, int, float, Task | Doubt | Audit]] = []  # when, in which order, the last pause
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._is_busy = False
        self.counts = RepairCounts()

    def add(self, task: Task | Doubt | Audit, seconds: float = 0.0, pause: float = 0.0) -> None:
        """To be done in so many seconds."""
        with self._lock:
            heapq.heappush(self._queue, (self._clock.monotonic() + seconds, next(self._numbers), pause, task))
        self._news.set()

    @property
    def waiting(self) -> int:
        """Holes that are not dealt with."""
        return sum(isinstance(task, Task) for *_, task in list(self._queue)) + self._is_busy

    def run(self) -> None:
        while not self._stop.is_set():
            if self._spool.is_full or not self.step():
                self._news.wait(0.2)
                self._news.clear()

    def step(self) -> bool:
        """Do what is due; False: nothing is."""
        with self._lock:
            if not self._queue or self._queue[0][0] > self._clock.monotonic():
                return False
            _, _, pause, task = heapq.heappop(self._queue)
            self._is_busy = True
        if isinstance(task, Doubt):
            self._ask(task)
        elif isinstance(task, Audit):
            self._audit(task)
        else:
            self._do(task, pause)
        self._is_busy = False
        return True

    @property
    def can_ask(self) -> bool:
        """Whether this market's REST half is known."""
        return self._client is not None

    def _ask(self, doubt: Doubt) -> None:
        """What is the newest trade? Nobody waits for the answer: who is not told asks again."""
        history = self._history(doubt.plan)
        page = self._told(history, history.latest(doubt.plan.pairs[doubt.stream]), 0, 0) if history else None
        if page is not None and page.ids:
            doubt.answer(Seen("control", doubt.stream, last_id=max(page.ids), event_ms=page.last_ms))

    def _audit(self, audit: Audit) -> None:
        """Page after page. What cannot be asked now is asked by the next audit."""
        history, low = self._history(audit.plan), audit.low
        while history and low <= audit.high and not self._stop.is_set():
            page = self._told(history, history.ask(audit.plan.pairs[audit.stream], low, audit.high), low, audit.high)
            if page is None or page.high < low:
                return
            audit.compare(page)
            low = page.high + 1

    def _history(self, plan: Plan) -> History | None:
        """How the past of a feed is asked for; None: it is not."""
        rest = plan.exchange.rest
        return rest.histories.get(plan.kind) if rest and self._client else None

    def _told(self, history: History, path: str, low: int, high: int) -> Page | None:
        """A page that is looked at and not kept. None: it could not be had; somebody will ask again."""
        assert self._client is not None
        try:
            return history.read(orjson.loads(self._client.ask(path, history.weight).raw), low, high)
        except (RestError, TypeError, KeyError, ValueError, AttributeError) as error:  # ValueError: also what is no JSON
            _LOG.warning("event=not_asked path=%s error=%r", path, error)
            return None

    def _do(self, task: Task, pause: float) -> None:
        try:
            outcome, rows, detail = self._repair(task)
            self._tell(task, outcome, rows, detail)
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
        self.counts.rows += rows
        self.counts.repaired += outcome == "repaired"
        self.counts.left += outcome != "repaired"
        task.done()

    def _repair(self, task: Task) -> tuple[str, int, str | None]:
        """Outcome, rows, detail."""
        hole, history = task.hole, self._history(task.plan)
        if history is None:
            return "no_rest", 0, "this venue's REST is not asked for it"
        if not hole.is_plausible:
            return "implausible", 0, "too many ids to be believed" if hole.sort == "ids" else f"{hole.sort}: no ids are missing"
        if history.reach is not None and self._age(hole) > history.reach:
            return "too_old", 0, f"REST tells no more than the last {history.reach}"
        search = Search(hole)
        for empty in range(PATIENCE):
            if empty and self._stop.wait(PAUSE_SECONDS):
                raise RestError("told to stop")
            while search.left and search.take(self._page(task, history, *search.left[0])):
                pass
            if not search.left:
                break
        return search.outcome, len(search.found), None if not search.left else f"nothing for {search.left[:5]}"

    def _page(self, task: Task, history: History, low: int, high: int) -> Page:
        pair = task.plan.pairs[task.stream]
        path = history.ask(pair, low, high)
        assert self._client is not None
        body = self._client.ask(path, history.weight)
        try:
            tree, is_json = orjson.loads(body.raw), True
        except orjson.JSONDecodeError:
            tree, is_json = None, False
        exchange = task.plan.exchange
        origin = Origin(exchange.venue, exchange.market, task.plan.channel, task.plan.kind, pair, path, "rest", self._conn)
        try:
            page = history.read(tree, low, high)
        except (TypeError, KeyError, ValueError, AttributeError) as error:  # whatever a venue may answer
            raise RestError(f"{path}: not readable: {error!r}") from error
        if page.ids:
            text = line(head(origin), self._next(task.plan.channel), body.recv_ns, body.raw, is_json=is_json)
            self._spool.append(Place(task.plan.channel, exchange.venue, exchange.market), body.recv_ns, text)
        return page

    def _age(self, hole: Hole) -> timedelta:
        at_ms = hole.before_ms if hole.before_ms is not None else self._clock.wall_ns() // 1_000_000
        return timedelta(milliseconds=self._clock.wall_ns() // 1_000_000 - at_ms)

    def _tell(self, task: Task, outcome: str, rows: int | None, detail: str | None) -> None:
        at = self._clock.wall_ns()
        exchange = task.plan.exchange
        pair = task.plan.pairs[task.stream]
        origin = Origin(exchange.venue, exchange.market, EVENTS, "control", pair, task.stream, "rest", self._conn)
        told = {**missing(task.hole), "rows": rows, "outcome": outcome, "detail": detail}
        raw = event_text("repair", at, feed=task.plan.kind, stream=task.stream, **told)
        text = line(head(origin), self._next(EVENTS), at, raw, is_json=True)
        self._spool.append(Place(EVENTS, exchange.venue, exchange.market), at, text)
