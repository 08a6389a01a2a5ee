"""What a venue's REST tells of the past: page by page, kept where it fills a hole."""

import logging
import threading
from datetime import timedelta

import orjson

from ingest.clock import Clock
from ingest.continuity import Hole
from ingest.exchanges.exchange import History, Page
from ingest.plan import Plan
from ingest.rest.client import Client, RestError
from ingest.rest.findings import Findings
from ingest.rest.search import Search

PATIENCE = 5  # empty answers before we believe that the venue has nothing: REST may be a moment behind the stream
PAUSE_SECONDS = 1.0  # between them
LOOKS = 2  # tries of a question whose answer is only looked at: holes wait meanwhile
_LOG = logging.getLogger(__name__)


class Past:
    """One venue's market."""

    def __init__(self, client: Client | None, findings: Findings, clock: Clock, stop: threading.Event) -> None:
        self._client = client
        self._findings = findings
        self._clock = clock
        self._stop = stop

    @property
    def can_ask(self) -> bool:
        """Whether this market can be asked now: its REST half is known, and has not said no of late."""
        return self._client is not None and self._client.can_ask

    def newest(self, plan: Plan, stream: str) -> Page | None:
        """The newest trades, looked at and not kept. None: they could not be had."""
        history = self._history(plan)
        return self._told(history, history.latest(plan.pairs[stream]), 0, 0) if history else None

    def page(self, plan: Plan, stream: str, low: int, high: int) -> Page | None:
        """A page that is looked at and not kept. None: it could not be had; somebody will ask again."""
        history = self._history(plan)
        return self._told(history, history.ask(plan.pairs[stream], low, high), low, high) if history else None

    def fill(self, plan: Plan, stream: str, search: Search) -> tuple[str, str | None]:
        """Ask for what is left, and keep what is told: outcome and detail. RestError, SpoolError: it could not be done."""
        hole, history = search.hole, self._history(plan)
        if plan.kind == "book_diff" and self._client is not None:
            return "resynced", self.snapshot(plan, stream)
        if history is None:
            return "no_rest", "this venue's REST is not asked for it"
        if not hole.is_plausible:
            return "implausible", "too many ids to be believed" if hole.sort == "ids" else f"{hole.sort}: no ids are missing"
        if history.reach is not None and self._age(hole) > history.reach:
            return "too_old", f"REST tells no more than the last {history.reach}"
        for empty in range(PATIENCE):
            if empty and self._stop.wait(PAUSE_SECONDS):
                raise RestError("told to stop")
            while search.left and search.take(self._kept(plan, stream, history, *search.left[0])):
                pass
            if not search.left:
                break
        return search.outcome, None if not search.left else f"nothing for {search.left[:5]}"

    def snapshot(self, plan: Plan, stream: str) -> str:
        """Keep the whole book: changes that were missed are gone, and those after it go on from here. What was asked."""
        rest = plan.exchange.rest
        assert rest is not None
        assert rest.book is not None
        assert self._client is not None
        path, weight = rest.book(plan.pairs[stream], rest.resync)
        body = self._client.ask(path, weight)
        try:
            orjson.loads(body.raw)
        except orjson.JSONDecodeError as error:
            raise RestError(f"{path}: not readable: {error!r}") from error
        self._findings.book(plan, stream, path, body, is_json=True)
        return path

    def _history(self, plan: Plan) -> History | None:
        """How the past of a feed is asked for; None: it is not."""
        rest = plan.exchange.rest
        return rest.histories.get(plan.kind) if rest and self._client else None

    def _told(self, history: History, path: str, low: int, high: int) -> Page | None:
        assert self._client is not None
        try:
            return history.read(orjson.loads(self._client.ask(path, history.weight, LOOKS).raw), low, high)
        except (RestError, TypeError, KeyError, ValueError, AttributeError) as error:  # ValueError: also what is no JSON
            _LOG.warning("event=not_asked path=%s error=%r", path, error)
            return None

    def _kept(self, plan: Plan, stream: str, history: History, low: int, high: int) -> Page:
        path = history.ask(plan.pairs[stream], low, high)
        assert self._client is not None
        self._findings.spool.check_room()  # a hole may be of millions of ids
        body = self._client.ask(path, history.weight)
        try:
            tree, is_json = orjson.loads(body.raw), True
        except orjson.JSONDecodeError:
            tree, is_json = None, False
        try:
            page = history.read(tree, low, high)
        except (TypeError, KeyError, ValueError, AttributeError) as error:  # whatever a venue may answer
            raise RestError(f"{path}: not readable: {error!r}") from error
        if page.ids:
            self._findings.body(plan, stream, path, body, is_json=is_json)
        return page

    def _age(self, hole: Hole) -> timedelta:
        at_ms = hole.before_ms if hole.before_ms is not None else self._clock.wall_ns() // 1_000_000
        return timedelta(milliseconds=self._clock.wall_ns() // 1_000_000 - at_ms)
